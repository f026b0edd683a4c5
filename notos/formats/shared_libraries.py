"""Shared libraries in a tree: those that its programs need, and those that are missing.

The search order is that of Debian's ld.so(8): DT_RUNPATH with $ORIGIN, then the default folders. Then all
other folders follow, since a plugin may rely on a library that its program has loaded. lock/resolve.py
finds the packages of libraries.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from notos.architecture import Architecture
from notos.errors import ClosureError
from notos.formats import elf, linker_script
from notos.formats.tree import Directory, File, Tree


@dataclass(frozen=True)
class Missing:
    """A library that a file needs and the tree lacks."""

    path: str
    soname: str


def closure(tree: Tree, paths: Iterable[str], target: Architecture) -> dict[str, str]:
    """Return the paths of the libraries that the ELF files `paths` need, recursively, by soname.

    They include the ELF interpreter of a program. Raises ClosureError for a library that the tree lacks.
    """
    anywhere = _by_name(tree)
    found: dict[str, str] = {}
    pending = list(paths)
    seen: set[str] = set()
    while pending:
        path = pending.pop()
        if path in seen:
            continue
        seen.add(path)
        for soname, place in _needs(tree, path, anywhere, target):
            if place is None:
                raise ClosureError(
                    f"{path} needs the library {soname}, which no package has",
                    hint="add the package that has it",
                )
            found[soname] = place
            pending.append(place)
    return found


def survey(tree: Tree, target: Architecture) -> tuple[list[Missing], set[str]]:
    """Return the missing libraries of the ELF files in `tree`, and the paths of those that exist.

    Linker scripts need the libraries that they name. The missing ones are sorted by path. ELF files for other
    machines are ignored: they are data here.
    """
    anywhere = _by_name(tree)
    problems: list[Missing] = []
    found: set[str] = set()
    for path, entry in tree.items():
        if isinstance(entry, File) and _may_be_elf(path, entry):
            for soname, place in _needs(tree, path, anywhere, target):
                if place is None:
                    problems.append(Missing(path, soname))
                else:
                    found.add(place)
            for name in _linked(path, entry):
                place = tree.resolve(name.lstrip("/")) or tree.resolve(f"usr{name}")
                if place is None:
                    problems.append(Missing(path, name))
                else:
                    found.add(place)
    return problems, found


def _linked(path: str, entry: File) -> tuple[str, ...]:
    return linker_script.files(entry.read()) if path.endswith(".so") else ()


def _may_be_elf(path: str, entry: File) -> bool:
    return entry.executable or ".so" in path.rpartition("/")[2]


def _by_name(tree: Tree) -> Mapping[str, str]:
    """Return the first path for each file name of a possible library."""
    names: dict[str, str] = {}
    for path, entry in tree.items():
        name = path.rpartition("/")[2]
        if ".so" in name and not isinstance(entry, Directory):
            names.setdefault(name, path)
    return names


def _needs(
    tree: Tree, path: str, anywhere: Mapping[str, str], target: Architecture
) -> Iterator[tuple[str, str | None]]:
    """Yield each soname that the file at `path` needs, with its path in the tree or None."""
    entry = tree.get(path)
    if not isinstance(entry, File):
        return
    parsed = elf.parse(entry.read())
    if parsed is None or parsed.kind != target.elf:
        return
    if parsed.interpreter is not None:
        loader = parsed.interpreter
        yield loader.rpartition("/")[2], tree.resolve(loader) or tree.resolve("usr" + loader)
    origin = path.rpartition("/")[0]
    folders = [expand(each, origin) for each in parsed.runpath]
    for soname in parsed.needed:
        place = _locate(tree, soname, [*folders, *target.library_folders])
        yield soname, place or tree.resolve(anywhere.get(soname, soname))


def _locate(tree: Tree, soname: str, folders: Iterable[str]) -> str | None:
    for folder in folders:
        place = tree.resolve(f"{folder}/{soname}")
        if place is not None and isinstance(tree.get(place), File):
            return place
    return None


def expand(folder: str, origin: str) -> str:
    """Return a DT_RUNPATH folder of a file in the folder `origin` as a path in the tree (ld.so(8))."""
    return folder.replace("${ORIGIN}", "/" + origin).replace("$ORIGIN", "/" + origin).lstrip("/")
