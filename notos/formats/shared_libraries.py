"""Shared libraries within one tree: what its programs need, and whether it is all there.

It looks where ld.so(8) of Debian looks: DT_RUNPATH with $ORIGIN, then the default folders; and then
anywhere, for a plugin may count on what its program has already loaded. Which package a library
comes from is resolve.py's business.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from notos.errors import ClosureError
from notos.formats import elf
from notos.formats.tree import Directory, File, Tree

X86_64 = 62  # e_machine, System V gABI
FOLDERS = ("usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/lib")


@dataclass(frozen=True)
class Missing:
    """A library that a file needs and the tree has not."""

    path: str
    soname: str


def closure(tree: Tree, paths: Iterable[str]) -> dict[str, str]:
    """The libraries that the ELF files `paths` need, all the way down: their paths by soname.

    The loader that a program names counts as one. Raises ClosureError for one that the tree lacks.
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
        for soname, place in _needs(tree, path, anywhere):
            if place is None:
                raise ClosureError(
                    f"{path} needs the library {soname}, which none of the packages has",
                    hint="add the package that has it",
                )
            found[soname] = place
            pending.append(place)
    return found


def survey(tree: Tree) -> tuple[list[Missing], set[str]]:
    """Return what ELF files of `tree` need and it lacks, sorted by path; and the libraries that they find.

    Files for another processor than the loader's are passed over: they are data here.
    """
    anywhere = _by_name(tree)
    problems: list[Missing] = []
    found: set[str] = set()
    for path, entry in tree.items():
        if isinstance(entry, File) and _may_be_elf(path, entry):
            for soname, place in _needs(tree, path, anywhere):
                if place is None:
                    problems.append(Missing(path, soname))
                else:
                    found.add(place)
    return problems, found


def _may_be_elf(path: str, entry: File) -> bool:
    return entry.executable or ".so" in path.rpartition("/")[2]


def _by_name(tree: Tree) -> Mapping[str, str]:
    """The first path of each file name that a library could have."""
    names: dict[str, str] = {}
    for path, entry in tree.items():
        name = path.rpartition("/")[2]
        if ".so" in name and not isinstance(entry, Directory):
            names.setdefault(name, path)
    return names


def _needs(tree: Tree, path: str, anywhere: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """Each soname that the file at `path` needs, with where it is in the tree."""
    entry = tree.get(path)
    if not isinstance(entry, File):
        return
    parsed = elf.parse(entry.read())
    if parsed is None or parsed.machine != X86_64:
        return
    if parsed.interpreter is not None:
        yield parsed.interpreter.rpartition("/")[2], tree.resolve("usr" + parsed.interpreter)
    origin = path.rpartition("/")[0]
    folders = [expand(each, origin) for each in parsed.runpath]
    for soname in parsed.needed:
        place = _locate(tree, soname, [*folders, *FOLDERS])
        yield soname, place or tree.resolve(anywhere.get(soname, soname))


def _locate(tree: Tree, soname: str, folders: Iterable[str]) -> str | None:
    for folder in folders:
        place = tree.resolve(f"{folder}/{soname}")
        if place is not None and isinstance(tree.get(place), File):
            return place
    return None


def expand(folder: str, origin: str) -> str:
    """A folder of DT_RUNPATH as a path in the tree, for a file in the folder `origin` (ld.so(8))."""
    return folder.replace("${ORIGIN}", "/" + origin).replace("$ORIGIN", "/" + origin).lstrip("/")
