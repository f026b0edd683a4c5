"""Shared libraries in a tree: those that its programs need, and those that are missing.

The search order is that of Debian's ld.so(8): DT_RUNPATH with $ORIGIN, then the default folders. Then all
other folders follow, since a plugin may rely on a library that its program has loaded. lock/resolve.py
finds the packages of libraries.
"""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

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
        for each in _needs(tree, path, anywhere, target):
            if each.place is None:
                raise ClosureError(
                    f"{path} needs the library {each.soname}, which no package has",
                    hint="add the package that has it",
                )
            found[each.soname] = each.place
            pending.append(each.place)
    return found


def missing(tree: Tree, paths: Iterable[str], target: Architecture) -> Iterator[Missing]:
    """Yield the libraries that the ELF files `paths` need themselves and the tree lacks."""
    anywhere = _by_name(tree)
    for path in paths:
        for each in _needs(tree, path, anywhere, target):
            if each.place is None:
                yield Missing(path, each.soname)


class Survey(NamedTuple):
    """The libraries that the files of a tree need.

    problems   the missing ones, sorted by path of the file
    needed     the paths of those that exist
    distant    those that exist, but where ld.so does not search for this file; with their paths
    run_paths  all folders of DT_RUNPATH
    """

    problems: list[Missing]
    needed: set[str]
    distant: list[tuple[Missing, str]]
    run_paths: set[str]


def survey(tree: Tree, target: Architecture, folders: Sequence[str] = ()) -> Survey:
    """Return the libraries that the ELF files and linker scripts in `tree` need.

    `folders` are those of /etc/ld.so.conf, which ld.so searches before its own (by its cache).
    ELF files for other machines are ignored: they are data here.
    """
    anywhere = _by_name(tree)
    problems: list[Missing] = []
    found: set[str] = set()
    distant: list[tuple[Missing, str]] = []
    run_paths: set[str] = set()
    for path, entry in tree.items():
        if isinstance(entry, File) and _may_be_elf(path, entry):
            needs = list(_needs(tree, path, anywhere, target, folders))
            run_paths.update(folder for each in needs for folder in each.run_path)
            for each in needs:
                if each.distant and each.place is not None:
                    distant.append((Missing(path, each.soname), each.place))
            places = [(each.soname, each.place) for each in needs]
            places += [(name, _merged(tree, name)) for name in _linked(path, entry)]
            problems += [Missing(path, soname) for soname, place in places if place is None]
            found.update(place for _, place in places if place is not None)
    return Survey(problems, found, distant, run_paths)


def _linked(path: str, entry: File) -> tuple[str, ...]:
    return linker_script.files(entry.read()) if path.endswith(".so") else ()


def _merged(tree: Tree, path: str) -> str | None:
    """Return the place of an absolute path, before or after usr-merge."""
    return tree.resolve(path.lstrip("/")) or tree.resolve(f"usr{path}")


def is_plugin(path: str, target: Architecture) -> bool:
    """Return True for a library in a private folder: a program loads it by its path."""
    folder, _, name = path.rpartition("/")
    return ".so" in name and folder not in target.library_folders


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


class _Need(NamedTuple):
    """A library that a file needs: its path in the tree, or None.

    `run_path` are the folders of the file's DT_RUNPATH. `distant` is True if ld.so does not find the library.
    """

    soname: str
    place: str | None
    run_path: tuple[str, ...]
    distant: bool = False


def _needs(
    tree: Tree, path: str, anywhere: Mapping[str, str], target: Architecture, configured: Sequence[str] = ()
) -> Iterator[_Need]:
    """Yield each library that the file at `path` needs."""
    entry = tree.get(path)
    if not isinstance(entry, File):
        return
    parsed = elf.parse(entry.read())
    if parsed is None or parsed.kind != target.elf:
        return
    if parsed.interpreter is not None:
        loader = parsed.interpreter
        found = tree.resolve(loader) or tree.resolve("usr" + loader)
        yield _Need(loader.rpartition("/")[2], found, ())
    origin = path.rpartition("/")[0]
    folders = tuple(posixpath.normpath(expand(each, origin)) for each in parsed.runpath)
    for soname in parsed.needed:
        place = _locate(tree, soname, [*folders, *configured, *target.library_folders])
        distant = place is None
        yield _Need(soname, place or tree.resolve(anywhere.get(soname, soname)), folders, distant)


def _locate(tree: Tree, soname: str, folders: Iterable[str]) -> str | None:
    for folder in folders:
        place = tree.resolve(f"{folder}/{soname}")
        if place is not None and isinstance(tree.get(place), File):
            return place
    return None


def expand(folder: str, origin: str) -> str:
    """Return a DT_RUNPATH folder of a file in the folder `origin` as a path in the tree (ld.so(8))."""
    return folder.replace("${ORIGIN}", "/" + origin).replace("$ORIGIN", "/" + origin).lstrip("/")
