"""The files of packages as one usr-merged tree, without files that the machine does not read.

This module reads .debs; the lock selects them and their versions.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from notos.debian import deb, kinds
from notos.debian.deb import Attributes
from notos.debian.merge import Merge, Owner
from notos.errors import PackageError
from notos.formats.tree import Directory, Entry, File, Symlink, Tree
from notos.formats.usr_merge import merged

# Left out of the tree, but read: units of systemd, and the names of init scripts.
UNITS = "usr/lib/systemd/system/"
INIT_SCRIPTS = "etc/init.d/"
ASIDE = (f"{UNITS}*", f"{INIT_SCRIPTS}*")


@dataclass(frozen=True)
class Aside:
    """Files that are read but left out of the tree, by usr-merged path.

    units         the contents of systemd's units and their drop-ins
    links         the targets of links among them
    init_scripts  the paths of init scripts
    owners        the package of each path
    """

    units: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    init_scripts: set[str] = field(default_factory=set)
    owners: dict[str, str] = field(default_factory=dict)

    @property
    def accounts(self) -> dict[str, bytes]:
        """The units that may name accounts and folders."""
        return {path: text for path, text in self.units.items() if path.endswith((".service", ".socket"))}

    def add(self, package: str, files: Mapping[str, Entry]) -> None:
        """Add the files and links of a package, by usr-merged path."""
        for path, entry in files.items():
            self.owners[path] = package
            if path.startswith(INIT_SCRIPTS):
                self.init_scripts.add(path)
            elif isinstance(entry, File):
                self.units[path] = entry.read()
            elif isinstance(entry, Symlink):
                self.links[path] = entry.target


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
    attributes: dict[str, Attributes] | None = None,
    aside: Aside | None = None,
    folders: set[str] | None = None,
    place: Callable[[str, str], str] = lambda package, path: path,
) -> Tree:
    """Return one tree of all `debs`, with the usr-merged paths usr/…, etc/…, boot/… and so on.

    The package of each path is added to `names`. Modes and owners that a Tree does not have are added to
    `attributes`, by the path in the tree, also those of folders. Of whole packages, files of ASIDE are added
    to `aside`, and folders outside of usr/ to `folders`.
    `place` returns the path in the tree for a package and its usr-merged path (a diversion).

    The .debs are decompressed by `jobs` threads (the libraries release the GIL). The result does not
    depend on the order of `debs`. Kinds of files are left out (kinds.py) that neither `keep` names nor a
    program of `debs` reads. Raises PackageError if two packages have different files at a path (merge.py), or
    if `only` matches no file of a package.
    """
    kept = kinds.kept_kinds(
        keep, (each.package for each in debs), (each.package for each in debs if each.named)
    )
    named = {each.package for each in debs if each.named}
    merge = Merge()
    of_folders: dict[str, Attributes] = {}
    with ThreadPoolExecutor(jobs) as pool:
        found = pool.map(lambda each: _files(each, kept, requested=each.named or each.by in named), debs)
        for each, read in sorted(zip(debs, found, strict=True), key=lambda pair: pair[0].path):
            files = read.files
            own = {path: value._replace(package=each.package) for path, value in read.attributes.items()}
            of_folders.update((merged(path), value) for path, value in own.items() if path not in files)
            if aside is not None and not each.only:
                aside.add(each.package, read.aside)
            if folders is not None and not each.only:
                folders.update(read.folders)
            if each.only and not files:
                raise PackageError(
                    f"`only` matches no file of the package {each}: {', '.join(each.only)}",
                    hint="paths begin with usr/ or etc/, as in usr/bin/ssh-*; dpkg -L PACKAGE lists them",
                    package=each.package,
                )
            owner = Owner(each.path, str(each), each.package)
            merge.add(
                owner,
                {place(each.package, merged(path)): entry for path, entry in files.items()},
                {place(each.package, merged(path)): value for path, value in own.items() if path in files},
            )
    tree = merge.tree()
    if attributes is not None:
        # A folder may be a file or a link of another package.
        free = (each for each in of_folders if isinstance(tree.get(each), Directory | None))
        attributes.update((path, of_folders[path]) for path in free)
        attributes.update(merge.attributes())
    if names is not None:
        names.update(merge.names())
    return tree


def is_aside(path: str) -> bool:
    """Return True for a usr-merged path that matches ASIDE."""
    return kinds.matcher(ASIDE)(path)


def chosen(only: tuple[str, ...], exclude: tuple[str, ...]) -> Callable[[str], bool]:
    """Return a predicate for paths that match a glob in `only`, unless it is empty, and none in `exclude`."""
    taken = kinds.matcher(only) if only else None
    left = kinds.matcher(exclude) if exclude else None

    def wanted(path: str) -> bool:
        return not (taken is not None and not taken(path)) and not (left is not None and left(path))

    return wanted


class _Read(NamedTuple):
    """A .deb without kinds of files that are left out, by paths in it; `aside` by usr-merged path."""

    files: dict[str, Entry]
    attributes: dict[str, Attributes]
    aside: dict[str, Entry]
    folders: frozenset[str]


def _files(each: Unpack, kept: frozenset[str], *, requested: bool) -> _Read:
    """Return the files and links of a .deb without kinds that are left out."""
    read = _read(each, kinds.unwanted(kept, each.package, requested=requested))
    if each.named and not kinds.has_contents(map(merged, read.files)):
        every = _read(each, lambda _path: False)
        if kinds.has_contents(map(merged, every.files)):
            return every
    return read


def _read(each: Unpack, left_out: Callable[[str], bool]) -> _Read:
    taken = chosen(each.only, each.exclude)

    def wanted(path: str) -> bool:
        place = merged(path)
        return taken(place) and not left_out(place)

    attributes: dict[str, Attributes] = {}
    tree = deb.read(
        each.path, wanted=lambda path: wanted(path) or is_aside(merged(path)), attributes=attributes
    )
    entries = [(path, entry) for path, entry in tree.items() if not isinstance(entry, Directory)]
    return _Read(
        {path: entry for path, entry in entries if wanted(path)},
        attributes,
        {merged(path): entry for path, entry in entries if is_aside(merged(path))},
        frozenset(
            path
            for path, entry in tree.items()
            if isinstance(entry, Directory) and not merged(path).startswith("usr") and wanted(path)
        ),
    )
