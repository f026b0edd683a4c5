"""Kernel modules: the files that named modules need, and a tree of these files with depmod's index.

Dependencies are read from the modules' .modinfo sections, so no index of all modules is needed. Which
modules a machine needs is in requirements.py.
"""

import lzma
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from notos.config.shapes import either
from notos.errors import KernelError
from notos.formats import elf
from notos.formats.tree import File, Tree
from notos.process import run

SUFFIXES = (".ko", ".ko.xz", ".ko.zst", ".ko.gz")


@dataclass(frozen=True)
class Info:
    """The .modinfo section of a module; names as written there."""

    depends: tuple[str, ...]
    before: tuple[str, ...]  # softdep: pre
    after: tuple[str, ...]  # softdep: post
    firmware: tuple[str, ...]
    aliases: tuple[str, ...]
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class Closure:
    """The modules that a list of names needs."""

    release: str
    order: tuple[tuple[str, tuple[str, ...]], ...]  # per name: the files to load, in order, without repeats
    files: tuple[str, ...]  # below lib/modules/RELEASE, as in the kernel's tree, sorted
    firmware: tuple[str, ...]


class Modules:
    """The modules of one kernel, in a tree with lib/modules/RELEASE/… like that of a kernel package."""

    def __init__(self, tree: Tree) -> None:
        releases = tree.children().get("lib/modules", [])
        if len(releases) != 1:
            raise KernelError(
                f"lib/modules must have one kernel release, but has {', '.join(releases) or 'none'}"
            )
        self.release = releases[0]
        self._tree = tree
        self._top = f"lib/modules/{self.release}/"

    @cached_property
    def paths(self) -> dict[str, str]:
        """The modules' paths below lib/modules/RELEASE/, by name."""
        found = {}
        for path, entry in self._tree.items():
            name = _module_name(path)
            if name is not None and path.startswith(self._top) and isinstance(entry, File):
                found[name] = path.removeprefix(self._top)
        return found

    @cached_property
    def builtin(self) -> frozenset[str]:
        """The names of the modules that are compiled into the kernel."""
        return frozenset(filter(None, map(_module_name, self._text("modules.builtin").splitlines())))

    @cached_property
    def builtin_aliases(self) -> frozenset[str]:
        """The aliases of built-in modules."""
        lines = self._text("modules.builtin.modinfo").split("\0")
        return frozenset(line.partition(".alias=")[2] for line in lines if ".alias=" in line)

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Module names by alias. Reads every module, which takes seconds."""
        return {alias: name for name in sorted(self.paths) for alias in self.info(name).aliases}

    def info(self, name: str) -> Info:
        """Return the .modinfo of the module `name`. Raises KernelError if it is not a module file."""
        path = self.paths[name]
        section = elf.section(self.read(path), ".modinfo")
        if section is None:
            raise KernelError(f"{path} of kernel {self.release} is not a module: it has no .modinfo section")
        values: dict[str, list[str]] = {}
        for line in section.decode(errors="replace").split("\0"):
            key, equals, value = line.partition("=")
            if equals:
                values.setdefault(key, []).append(value)
        before, after = _softdeps(values.get("softdep", []))
        depends = tuple(each for value in values.get("depends", []) for each in value.split(",") if each)
        return Info(
            depends=depends,
            before=before,
            after=after,
            firmware=tuple(values.get("firmware", [])),
            aliases=tuple(values.get("alias", [])),
            parameters=tuple(sorted({each.partition(":")[0] for each in values.get("parm", [])})),
        )

    def read(self, path: str) -> bytes:
        """Return the module at `path` below lib/modules/RELEASE/, decompressed."""
        entry = self._tree.get(self._top + path)
        assert isinstance(entry, File)
        data = entry.read()
        if path.endswith(".xz"):
            return lzma.decompress(data)
        if path.endswith(".zst"):
            import zstandard

            return zstandard.ZstdDecompressor().decompressobj().decompress(data)
        if path.endswith(".gz"):
            import gzip

            return gzip.decompress(data)
        return data

    def closure(self, names: Iterable[str]) -> Closure:
        """Return the modules to load for `names`; a built-in module needs none.

        Raises KernelError, with similar names, for a module that the kernel does not have.
        """
        loaded = _Loading(self)
        order = tuple((name, loaded.load(name)) for name in names)
        return Closure(
            release=self.release,
            order=order,
            files=tuple(sorted(loaded.files)),
            firmware=tuple(sorted(loaded.firmware)),
        )

    def has(self, name: str) -> bool:
        """Return True if `name` is a module or built in."""
        return _plain(name) in self.paths or _plain(name) in self.builtin

    def check_options(self, options: Mapping[str, Mapping[str, str]]) -> Iterator[KernelError]:
        """Yield an error for each parameter that a module lacks; `options` are by the names of modules."""
        import difflib

        for name, values in options.items():
            keys = ("modprobe", name)
            if not self.has(name):
                continue  # the list of modules has it too
            if _plain(name) not in self.paths:
                words = ", ".join(f"{name}.{key}={value}" for key, value in values.items())
                yield KernelError(
                    f"the module {name} is built into kernel {self.release}, which modprobe does not affect",
                    hint=f"write kernel_params: [{words}]",
                    keys=keys,
                )
                continue
            known = self.info(_plain(name)).parameters
            for key in values:
                # A parameter's name has hyphens and underscores alike (kernel/params.c, parameq).
                if _plain(key) not in map(_plain, known):
                    near = difflib.get_close_matches(key, known, 1, 0.6)
                    hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known) or 'none'}"
                    message = f"the module {name} of kernel {self.release} has no parameter {key}"
                    yield KernelError(message, hint=hint, keys=(*keys, key))

    def resolve_soft(self, name: str) -> str | None:
        """Return the module that a softdep (a name or an alias) refers to; None if built in or missing."""
        plain = _plain(name)
        if plain in self.paths:
            return plain
        if plain in self.builtin or name in self.builtin_aliases:
            return None
        return self.aliases.get(name)

    def unknown(self, name: str, more: str = "", *, keys: tuple[str, ...] = ()) -> KernelError:
        """Return the error for a module that is neither a file nor built in.

        `more` is a hint in addition to similar names; `keys` is the path of the config's key.
        """
        import difflib

        near = difflib.get_close_matches(_plain(name).lower(), sorted({*self.paths, *self.builtin}), 3, 0.75)
        hint = f"did you mean {either(near)}?" if near else "leave it out"
        return KernelError(
            f"kernel {self.release} has no module {name}",
            hint=f"{hint} ({more})" if more else hint,
            keys=keys,
        )

    def _text(self, name: str) -> str:
        entry = self._tree.get(self._top + name)
        return entry.read().decode(errors="replace") if isinstance(entry, File) else ""


@dataclass
class _Loading:
    """A depth-first walk over modules, with the files and firmware found so far."""

    kernel: Modules
    files: set[str] = field(default_factory=set)
    firmware: set[str] = field(default_factory=set)
    _visited: set[str] = field(default_factory=set)

    def load(self, name: str) -> tuple[str, ...]:
        """Return the files to load for `name` that no earlier name has loaded."""
        plain = _plain(name)
        if plain in self.kernel.paths:
            return tuple(self._visit(plain))
        if plain in self.kernel.builtin:
            return ()
        raise self.kernel.unknown(name)

    def _visit(self, name: str) -> list[str]:
        if name in self._visited:
            return []
        self._visited.add(name)
        info = self.kernel.info(name)
        path = self.kernel.paths[name]
        order: list[str] = []
        for soft in info.before:
            order += self._soft(soft)
        for needed in info.depends:
            order += self.load(needed)
        order.append(path)
        for soft in info.after:
            order += self._soft(soft)
        self.files.add(path)
        self.firmware.update(info.firmware)
        return order

    def _soft(self, name: str) -> list[str]:
        found = self.kernel.resolve_soft(name)
        return self._visit(found) if found is not None else []


def shrink(
    kernel: Modules,
    closure: Closure,
    depmod: Sequence[str],
    *,
    firmware: Tree,
) -> Tree:
    """Return lib/modules/RELEASE with the closure's modules, decompressed, and depmod's index of them.

    `firmware` is a tree with usr/lib/firmware of the firmware packages. Files that it lacks are left out:
    drivers name firmware for many devices. lib/modules/load has the load order, one line per name: the name,
    and the files to load for it, relative to lib/modules/RELEASE.
    """
    tree = Tree()
    top = f"lib/modules/{closure.release}"
    tree.directory(top)
    for path in closure.files:
        tree.file(f"{top}/{_decompressed(path)}", kernel.read(path))
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        tree.text(f"{top}/{name}", kernel._text(name))
    tree.graft("", _index(tree, closure.release, depmod))
    for name in closure.firmware:
        place = firmware.resolve(f"usr/lib/firmware/{name}")
        file = firmware.get(place) if place is not None else None
        if isinstance(file, File):
            tree.add(f"lib/firmware/{name}", file)
    lines = [" ".join([name, *map(_decompressed, files)]) for name, files in closure.order]
    tree.text("lib/modules/load", "".join(line + "\n" for line in lines))
    return tree


def _index(tree: Tree, release: str, depmod: Sequence[str]) -> Tree:
    """Return the files that depmod adds to `tree`: modules.dep, modules.alias, … and their .bin forms."""
    with tempfile.TemporaryDirectory(prefix="notos-depmod-") as scratch:
        root = Path(scratch)
        tree.write_to(root)
        run([*depmod, "-b", root, release])
        added = Tree()
        for path, entry in Tree.from_directory(root).items():
            if path not in tree and isinstance(entry, File):
                added.file(path, entry.read())
        return added


def _softdeps(lines: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names after `pre:` and those after `post:` in softdep lines (modprobe.d(5))."""
    names: dict[str, list[str]] = {"pre:": [], "post:": []}
    for line in lines:
        into: list[str] = []
        for word in line.split():
            if word.endswith(":"):
                into = names.setdefault(word, [])
            else:
                into.append(word)
    return tuple(names["pre:"]), tuple(names["post:"])


def _module_name(path: str) -> str | None:
    """Return the module name of the file `path` (virtio_x for kernel/net/virtio-x.ko.xz), or None."""
    base = path.rpartition("/")[2]
    for suffix in SUFFIXES:
        if base.endswith(suffix):
            return _plain(base.removesuffix(suffix))
    return None


def _decompressed(path: str) -> str:
    return path[: path.rindex(".ko") + 3]


def _plain(name: str) -> str:
    return name.replace("-", "_")
