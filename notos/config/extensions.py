"""The config's key `extensions`: for each extension that it names, the shape of the settings in its code.

How an extension's code is found and loaded is not known here: notos.features.extension_code does both.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from notos.config import shapes
from notos.config.model import Extension, ExtensionName, Machine
from notos.config.reader import Checks
from notos.config.scalars import scalar
from notos.config.shapes import Field, Scalar, Struct
from notos.config.types import TEXTS
from notos.config.yaml_source import Item, MappingNode, Node, Problem, ScalarNode
from notos.errors import NotosError

KEY = "extensions"
_NAME = Scalar(text=TEXTS[ExtensionName])


class Found(NamedTuple):
    """An extension: its file, the dataclass of its settings, and its own rules for the config."""

    file: Path
    settings: type
    checks: Checks


Find = Callable[[str, Sequence[Path]], Found]
"""Gets an extension's name and the configs that it may be beside, in this order. Raises NotosError."""


class Named:
    """The extensions that the files of a config name, each with those files, the outermost first."""

    def __init__(self) -> None:
        self._files: list[Path] = []
        self._by_name: defaultdict[str, list[Path]] = defaultdict(list)

    def configs(self, name: str) -> list[Path]:
        """Return the files that an extension may be beside: those that name it, then all others."""
        return list(dict.fromkeys([*self._by_name[name], *self._files]))

    def note(self, node: MappingNode, path: Path) -> MappingNode:
        """Note the extensions of the config `node`, the file `path`.

        Returns the config in which an extension that stands alone (`watchdog:`) has an empty map.
        """
        self._files.append(path)
        item = node.items.get(KEY)
        if item is None or not isinstance(item.value, MappingNode):
            return node
        names = {name: _filled(each) for name, each in item.value.items.items()}
        for name in names:
            self._by_name[name].append(path)
        value = MappingNode(item.value.place, names)
        return MappingNode(node.place, {**node.items, KEY: Item(item.key, value)})


def _filled(item: Item) -> Item:
    value = item.value
    alone = isinstance(value, ScalarNode) and (not value.text or value.meaning == "nothing") and value.plain
    return Item(item.key, MappingNode(value.place, {})) if alone else item


def load(
    node: Node, named: Named, find: Find, problems: list[Problem]
) -> tuple[Node, Struct, Sequence[Checks]]:
    """Find the extensions that the whole config `node` names.

    Returns the config without those that cannot be loaded, each of which is added to `problems`; the shape
    of a machine with the settings of the others; and their rules.
    """
    machine = shapes.struct(Machine)
    item = node.items.get(KEY) if isinstance(node, MappingNode) else None
    if item is None or not isinstance(item.value, MappingNode) or not isinstance(node, MappingNode):
        return node, machine, ()
    found: dict[str, Found] = {}
    for name, each in item.value.items.items():
        try:
            scalar(each.key, _NAME, f"a key of {KEY}")
            found[name] = find(name, named.configs(name))
        except Problem as problem:
            problems.append(problem)
        except NotosError as error:
            problems.append(Problem(f"{KEY}.{name}: {error}", each.key.place))
    loaded = MappingNode(item.value.place, {name: item.value.items[name] for name in found})
    node = MappingNode(node.place, {**node.items, KEY: Item(item.key, loaded)})
    own = replace(machine.fields[KEY], shape=_shape(found))
    shape = replace(machine, fields={**machine.fields, KEY: own})
    return node, shape, [each.checks for each in found.values()]


def _shape(found: Mapping[str, Found]) -> Struct:
    """Return the shape of the map of extensions: a key for each, with its settings."""

    def made(**settings: Any) -> dict[str, Extension]:
        return {name: Extension(file=str(found[name].file), settings=each) for name, each in settings.items()}

    fields = {
        name: Field(name, "an extension's settings", shapes.struct(each.settings), None, name)
        for name, each in found.items()
    }
    # Reader calls `cls` with the values by name, whatever it is.
    return Struct(made, fields, "", keyed=False)  # type: ignore[arg-type]
