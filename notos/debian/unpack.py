"""The files of packages as one usr-merged tree, without files that the machine does not read.

This module reads .debs; the lock selects them and their versions.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from notos.debian import deb, kinds
from notos.debian.merge import Merge, Owner
from notos.errors import PackageError
from notos.formats.tree import Directory, Entry, Tree
from notos.formats.usr_merge import merged


@dataclass(frozen=True)
class Unpack:
    """A .deb on this host, with globs that select its files by their usr-merged paths.

    `package` is the name of the package. `named` is True if the config names it: then it is not emptied.
    """

    path: Path
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    package: str = ""
    named: bool = False

    def __str__(self) -> str:
        return self.package or self.path.name


def unpack(
    debs: Sequence[Unpack],
    *,
    keep: Iterable[str] = (),
    jobs: int = 2,
    names: dict[str, str] | None = None,
) -> Tree:
    """Return one tree of all `debs`, with the usr-merged paths usr/…, etc/…, boot/… and so on.
    The .debs are decompressed by `jobs` threads (the libraries release the GIL). The result does not
    depend on the order of `debs`. Kinds of files are left out (kinds.py) that neither `keep` names nor a
    program of `debs` reads. The package of each path is added to `names`. Raises PackageError if two packages
    have different files at a path (merge.py), or if `only` matches no file of a package.
    """
    kept = kinds.kept_kinds(
        keep, (each.package for each in debs), (each.package for each in debs if each.named)
    )
    merge = Merge()
    with ThreadPoolExecutor(jobs) as pool:
        found = pool.map(lambda each: _files(each, kept), debs)
        for each, files in sorted(zip(debs, found, strict=True), key=lambda pair: pair[0].path):
            if each.only and not files:
                raise PackageError(
                    f"`only` matches no file of the package {each}: {', '.join(each.only)}",
                    hint="paths begin with usr/ or etc/, as in usr/bin/ssh-*; dpkg -L PACKAGE lists them",
                    package=each.package,
                )
            owner = Owner(each.path, str(each), each.package)
            merge.add(owner, {merged(path): entry for path, entry in files.items()})
    tree = merge.tree()
    if names is not None:
        names.update(merge.names())
    return tree


def chosen(only: tuple[str, ...], exclude: tuple[str, ...]) -> Callable[[str], bool]:
    """Return a predicate for paths that match a glob in `only`, unless it is empty, and none in `exclude`."""
    taken = kinds.matcher(only) if only else None
    left = kinds.matcher(exclude) if exclude else None

    def wanted(path: str) -> bool:
        return not (taken is not None and not taken(path)) and not (left is not None and left(path))

    return wanted


def _files(each: Unpack, kept: frozenset[str]) -> dict[str, Entry]:
    """Return the files and links of a .deb without kinds that are left out, by their paths in it."""
    files = _read(each, kinds.unwanted(kept, each.package))
    if each.named and not kinds.has_contents(map(merged, files)):
        every = _read(each, lambda _path: False)
        if kinds.has_contents(map(merged, every)):
            return every
    return files


def _read(each: Unpack, left_out: Callable[[str], bool]) -> dict[str, Entry]:
    taken = chosen(each.only, each.exclude)

    def wanted(path: str) -> bool:
        place = merged(path)
        return taken(place) and not left_out(place)

    tree = deb.read(each.path, wanted=wanted)
    return {path: entry for path, entry in tree.items() if not isinstance(entry, Directory) and wanted(path)}
