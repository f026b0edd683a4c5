"""The files of packages as one usr-merged tree, without files that the machine does not read.

This module reads .debs; the lock selects them and their versions.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from notos.debian import deb, kinds
from notos.errors import PackageError
from notos.formats.tree import Directory, Entry, File, Symlink, Tree

# Folders that usr-merge turned into links (Debian policy 9.1.1.1): /bin/x and /usr/bin/x are one file.
ALIASED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


@dataclass(frozen=True)
class Unpack:
    """A .deb on this host, with globs that select its files by their usr-merged paths.

    `package` is the name of the package. `named` is True if the config names it: then it is not emptied. `by`
    is the requested package that needs it, if it is not requested itself.
    """

    path: Path
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    package: str = ""
    named: bool = False
    by: str = ""

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
    have different files at a path, or if `only` matches no file of a package.
    """
    kept = kinds.kept_kinds(
        keep, (each.package for each in debs), (each.package for each in debs if each.named)
    )
    result = Tree()
    owners: dict[str, Unpack] = {}
    with ThreadPoolExecutor(jobs) as pool:
        found = pool.map(lambda each: _files(each, kept), debs)
        for each, files in sorted(zip(debs, found, strict=True), key=lambda pair: pair[0].path):
            if each.only and not files:
                raise PackageError(
                    f"`only` matches no file of the package {each}: {', '.join(each.only)}",
                    hint="paths begin with usr/ or etc/, as in usr/bin/ssh-*; dpkg -L PACKAGE lists them",
                    package=each.package,
                )
            for path, entry in files.items():
                _add(result, owners, merged(path), entry, each)
    if names is not None:
        names.update((path, str(owner)) for path, owner in owners.items())
    return result


def merged(path: str) -> str:
    """Return `path` after usr-merge: usr/bin/sh for bin/sh."""
    top, slash, _ = path.partition("/")
    return f"usr/{path}" if slash and top in ALIASED else path


def _add(tree: Tree, owners: dict[str, Unpack], path: str, entry: Entry, owner: Unpack) -> None:
    present = tree.get(path)
    if present is None:
        tree.add(path, entry)
        owners[path] = owner
    elif not _same(present, entry):
        raise PackageError(
            f"the packages {owners[path]} and {owner} have different files at {path}",
            hint="remove one of the packages, or leave the file out with `exclude`",
            package=owner.package,
        )


def _same(one: Entry, other: Entry) -> bool:
    if isinstance(one, File) and isinstance(other, File):
        return one.executable == other.executable and one.read() == other.read()
    return isinstance(one, Symlink) and one == other


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
