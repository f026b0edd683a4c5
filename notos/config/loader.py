"""The config loader: reads a config and its imports into a Machine, and reports all problems at once."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from notos.config import composer, extensions, shapes, yaml_source
from notos.config.checks import ALTERNATIVES, CHECKS
from notos.config.model import (
    HOST_SSH_PORT,
    SSH_PORT,
    UBUNTU_COMPONENTS,
    UBUNTU_KERNEL,
    Machine,
    Package,
    Port,
)
from notos.config.package_lists import package_lists
from notos.config.reader import Check, Checks, Expand, Reader, scalar_at
from notos.config.suggestions import unwanted
from notos.config.types import TEXTS, missing
from notos.config.yaml_source import (
    Consequence,
    MappingNode,
    Node,
    Place,
    Problem,
    SequenceNode,
    key_place,
    named_place,
    place_of,
    value_at,
)
from notos.errors import ConfigError, NotosError
from notos.structs import dataclass

IMPORTS = "imports"  # the one key that is not the machine's
_IMPORT = shapes.Scalar(text=TEXTS[str], example="other.yaml")
_IMPORTS = shapes.ListOf(_IMPORT)
_MOST_NESTED = 30
_MOST_SHOWN = 100


@dataclass(frozen=True)
class Loaded:
    """A machine, and the files that it was read from: the config, then its imports."""

    machine: Machine
    files: tuple[Path, ...]
    node: Node
    debs: Mapping[str, Place] = field(default_factory=dict)
    """The places of packages that the config names by their .deb files."""

    def place(self, *keys: str) -> str:
        """Return the file and line where the last of `keys` stands ("config.yaml:12")."""
        return str(key_place(self.node, *keys))

    def gives(self, *keys: str) -> bool:
        """Return True if the config sets the value below `keys`, False if the default applies."""
        return value_at(self.node, *keys) is not None

    def explained(self, error: NotosError) -> str:
        """Return the text of `error`, each of its parts with the config line that causes it."""
        return "\n".join(map(self._explained, error.parts or (error,)))

    def _explained(self, error: NotosError) -> str:
        ways = [error.keys] if error.keys else named_in(self.machine, error.package)
        place = next(filter(None, (named_place(self.node, *keys) for keys in ways)), None)
        place = place or self.debs.get(error.package)
        return Problem(str(error), place).render() if place else str(error)


def named_in(machine: Machine, package: str) -> list[tuple[str, ...]]:
    """Return the paths of the keys by which a config may name `package`."""
    return [
        *((*each.keys, package) for each in package_lists(machine)),
        ("kernel", "firmware", package),
        ("kernel", "package", package),
        ("kernel", "source", package),
        ("kernel", "source", "package", package),
    ]


def load(path: Path, checks: Iterable[Checks], find: extensions.Find, expand: Expand) -> Loaded:
    """Read the config at `path` and apply `checks` in addition to those of this package.

    `find` loads extensions; `expand` returns the packages of a key `deb`.

    Raises ConfigError with every problem, each at its line.
    """
    layers = _Layers()
    try:
        node = layers.read(path)
    except OSError as error:
        hint = "select a config with --config FILE"
        raise ConfigError(f"cannot read {path}: {error.strerror}", hint=hint) from error
    if node is None and not layers.problems:
        raise ConfigError(f"{path} is empty", hint="the smallest config is `name: NAME`")
    machine = None
    debs: dict[str, Place] = {}

    def expanded(value: Any, item: Node) -> Iterable[Any]:
        if not isinstance(value, Package) or not value.deb:
            return (value,)
        found = list(expand(value, item))
        debs.update((each.name, place_of(item, "deb")) for each in found)
        return found

    if node is not None:
        node, shape, own = extensions.load(node, layers.named, find, layers.problems)
        by_struct: defaultdict[type, list[Check]] = defaultdict(list)
        for each in (CHECKS, *checks, *own):
            for struct, check in each.items():
                by_struct[struct].append(check)
        # If a file could not be read, required keys may be in it: do not report them as missing.
        reader = Reader(
            by_struct,
            layers.problems,
            alternatives=ALTERNATIVES,
            complete=layers.complete,
            defaults=_with_defaults,
            expand=expanded,
        )
        try:
            machine = reader.read(node, shape)
        except NotosError as error:  # of a check: an extension's code does not return the same twice
            layers.problems.append(Problem(str(error), named_place(node, *error.keys) or node.place))
    if layers.problems or machine is None or node is None:
        problems = [each for each in layers.problems if not isinstance(each, Consequence)]
        raise ConfigError(_render(problems or layers.problems, layers.files))
    return Loaded(machine, tuple(layers.files), node, debs)


def _with_defaults(machine: Machine, node: Node) -> Machine:
    """Return the machine with the defaults that depend on other keys."""
    machine = replace(machine, vm=replace(machine.vm, forward=_forward(machine, node)))
    if machine.debian.distribution == "ubuntu":
        if value_at(node, "debian", "components") is None:
            machine = replace(machine, debian=replace(machine.debian, components=UBUNTU_COMPONENTS))
        if value_at(node, "kernel", "package") is None:
            machine = replace(machine, kernel=replace(machine.kernel, package=UBUNTU_KERNEL))
    return machine


def _forward(machine: Machine, node: Node) -> Mapping[Port, Port]:
    """Return `vm.forward` with a port that leads to the machine's ssh server.

    No port is added if the config says `forward: {}`, forwards a port to 22 itself, or uses the host's port
    for something else.
    """
    written = value_at(node, "vm", "forward") is not None
    forward = machine.vm.forward
    if machine.ssh.server == "none":
        return forward if written else {}
    if not forward or SSH_PORT in forward.values() or HOST_SSH_PORT in forward:
        return forward
    return {**forward, HOST_SSH_PORT: SSH_PORT}


class _Layers:
    """Reads configs and merges each onto its imports; a file that is imported twice counts once."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.files: list[Path] = []
        self.named = extensions.Named()
        self.complete = True
        self._open: list[str] = []
        self._done: set[str] = set()

    def read(self, path: Path) -> Node | None:
        """Return the config at `path` merged onto its imports, or None if it is empty. Raises OSError."""
        identity = os.path.realpath(path)
        source = yaml_source.read(path)
        self._open.append(identity)
        self.files.append(path)
        try:
            node = composer.compose(source, self.problems)
        except Problem as problem:
            self._fail(problem)
            node = None
        if node is not None and not isinstance(node, MappingNode):
            self._fail(Problem("a config is a map of keys, as in `name: NAME`", node.place))
            node = None
        merged: Node | None = None
        if node is not None:
            own = MappingNode(node.place, {key: node.items[key] for key in node.items if key != IMPORTS})
            own = self.named.note(own, path)
            below = self._imports(node.items[IMPORTS].value, path.parent) if IMPORTS in node.items else None
            merged = yaml_source.merge(below, own) if below else own
        self._open.remove(identity)
        self._done.add(identity)
        return merged

    def _imports(self, node: Node, folder: Path) -> Node | None:
        merged: Node | None = None
        if not isinstance(node, SequenceNode):
            self._fail(unwanted(node, _IMPORTS, "a list of paths", IMPORTS))
            return None
        for item in node.items:
            try:
                path = folder / str(scalar_at(item, _IMPORT, IMPORTS, item=True))
                layer = self._import(path, item.place)
            except Problem as problem:
                self._fail(problem)
                continue
            if layer is not None:
                merged = yaml_source.merge(merged, layer) if merged else layer
        return merged

    def _import(self, path: Path, place: Place) -> Node | None:
        identity = os.path.realpath(path)
        if identity in self._open:
            raise Problem(f"{path} imports itself through this line", place)
        if identity in self._done:
            return None
        if len(self._open) > _MOST_NESTED:
            raise Problem("imports are nested too deeply", place)
        try:
            return self.read(path)
        except FileNotFoundError as error:
            advice = missing(path, path.name).removeprefix("does not exist")
            raise Problem(f"cannot read {path}: {error.strerror}{advice}", place) from None
        except OSError as error:
            raise Problem(f"cannot read {path}: {error.strerror}", place) from None

    def _fail(self, problem: Problem) -> None:
        self.problems.append(problem)
        self.complete = False


def _render(problems: list[Problem], files: list[Path]) -> str:
    order = {path: number for number, path in enumerate(files)}
    problems.sort(key=lambda each: (order[each.place.source.path], each.place.line, each.place.column))
    shown = [problem.render() for problem in problems[:_MOST_SHOWN]]
    if len(problems) > _MOST_SHOWN:
        shown.append(f"… and {len(problems) - _MOST_SHOWN} more problems")
    return "\n".join(shown)
