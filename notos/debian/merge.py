"""The files of several packages in one tree, by dpkg's rules for a path that more than one of them has.

    same file, same link   one entry
    different files        that of the package with Replaces on the other one, else an error
    file and folder        the same
    link and folder        if the link leads to a folder, the link, and the files go to where it leads;
                           else the folder

Source: dpkg(1), Debian policy 6.6 and 7.6.1. dpkg refuses equal files too, and what it makes of a link and a
folder depends on the order of the packages: this is the result of one of the orders. No package is read here
unless two of them disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from notos.debian import deb
from notos.debian.deb import Attributes
from notos.debian.relation import parse
from notos.errors import PackageError, raise_all
from notos.formats.tree import Directory, Entry, File, Symlink, Tree


@dataclass(frozen=True)
class Owner:
    """A .deb on this host; `shown` is its name in messages, `package` that in the config, if any."""

    path: Path
    shown: str
    package: str = ""


@dataclass(frozen=True)
class _Claim:
    owner: Owner
    entry: Entry
    attributes: Attributes | None = None

    @property
    def mode(self) -> tuple[int, str, str] | None:
        """Return the mode and the owners, None if they are plain."""
        return self.attributes and self.attributes[:3]


class Merge:
    """Packages that are added one by one; the result does not depend on their order."""

    def __init__(self) -> None:
        self._claims: dict[str, list[_Claim]] = {}
        self._folders: dict[str, Owner] = {}  # with the first package that has files there

    def add(
        self, owner: Owner, entries: Mapping[str, Entry], attributes: Mapping[str, Attributes] = {}
    ) -> None:
        """Add the files and links of a package by their paths. Folders follow from them.

        `attributes` are those of its files that are not plain (deb.PLAIN), by path.
        """
        for path, entry in entries.items():
            self._claim(path, _Claim(owner, entry, attributes.get(path)))

    def tree(self) -> Tree:
        """Return the tree. Raises PackageError with all disagreements."""
        problems: dict[tuple[Owner, Owner, str], list[str]] = {}
        self._settle(problems)
        for path in sorted(self._claims.keys() & self._folders.keys()):
            self._meet(path, problems)
        raise_all(_problem(*key, paths) for key, paths in problems.items())
        tree = Tree()
        for path, (claim, *_) in self._claims.items():
            tree.add(path, claim.entry)
        return tree

    def names(self) -> dict[str, str]:
        """Return the shown name of the package of each path; after tree()."""
        return {path: claims[0].owner.shown for path, claims in self._claims.items()}

    def attributes(self) -> dict[str, Attributes]:
        """Return the attributes of the files in the tree that are not plain, by path; after tree().

        They belong to the file that won: a plain file that replaces a setuid program is not setuid.
        """
        found = {path: claims[0].attributes for path, claims in self._claims.items()}
        return {path: each for path, each in found.items() if each is not None}

    def _claim(self, path: str, claim: _Claim) -> None:
        self._claims.setdefault(path, []).append(claim)
        parent = path.rpartition("/")[0]
        while parent and parent not in self._folders:
            self._folders[parent] = claim.owner
            parent = parent.rpartition("/")[0]

    def _settle(self, problems: dict[tuple[Owner, Owner, str], list[str]]) -> None:
        """Reduce the claims of each path to one."""
        for path, claims in sorted(self._claims.items()):
            if len(claims) > 1:
                claims.sort(key=_by_name)
                first = claims[0]
                for other in claims[1:]:
                    same = _same(first.entry, other.entry)
                    if not same or first.mode != other.mode:
                        winner = _replacing(first, other)
                        if winner is None and same:
                            continue
                        if winner is None:
                            problems.setdefault((first.owner, other.owner, "files"), []).append(path)
                        else:
                            first = winner
                self._claims[path] = [first]

    def _meet(self, path: str, problems: dict[tuple[Owner, Owner, str], list[str]]) -> None:
        """Settle `path`, which is a folder of some packages and a file or link of another one."""
        below = {each: claims for each, claims in self._claims.items() if each.startswith(f"{path}/")}
        if path not in self._claims or not below:
            return
        (claim,) = self._claims[path]
        if isinstance(claim.entry, Symlink):
            place = self._leads_to(path)
            # dpkg does not replace a folder by a link. The package that replaces another one comes later.
            claims_below = [each for claims in below.values() for each in claims]
            comes_later = all(_replacing(claim, each) is claim for each in claims_below)
            if place is None or comes_later:
                del self._claims[path]
                return
            for each, claims in below.items():
                del self._claims[each]
                for moved in claims:
                    self._claim(place + each.removeprefix(path), moved)
            self._settle(problems)
            return
        for each, (other,) in below.items():
            winner = _replacing(claim, other)
            if winner is None:
                problems.setdefault((claim.owner, other.owner, "folder"), []).append(path)
                return
            if winner is claim:
                del self._claims[each]
            else:
                del self._claims[path]
                return

    def _leads_to(self, link: str) -> str | None:
        """Return the folder to which `link` leads, None if it leads elsewhere or nowhere.

        Packages with files below the link are as if unpacked later, and so are their folders.
        """
        later = {
            claim.owner
            for path, claims in self._claims.items()
            if path.startswith(f"{link}/")
            for claim in claims
        }
        others = Tree()
        for path, (claim, *_) in sorted(self._claims.items()):
            if claim.owner not in later and not _is_below_a_file(others, path):
                others.replace(path, claim.entry)
        place = others.resolve(link)
        return place if place and isinstance(others.get(place), Directory) else None


def _is_below_a_file(tree: Tree, path: str) -> bool:
    parts = path.split("/")
    parents = ("/".join(parts[:length]) for length in range(1, len(parts)))
    return any(not isinstance(tree.get(each), Directory | None) for each in parents)


def _by_name(claim: _Claim) -> tuple[str, str]:
    return claim.owner.shown, str(claim.owner.path)


def _same(one: Entry, other: Entry) -> bool:
    if isinstance(one, File) and isinstance(other, File):
        return one.executable == other.executable and one.read() == other.read()
    return isinstance(one, Symlink) and one == other


def _replacing(one: _Claim, other: _Claim) -> _Claim | None:
    """Return the claim of the package that replaces files of the other one, None if neither does.

    If each replaces the other one, the second by name is as if unpacked later.
    """
    first, second = sorted((one, other), key=_by_name)
    for new, old in ((second, first), (first, second)):
        fields, name = _control(old.owner.path), _control(old.owner.path).get("Package", "")
        groups = parse(_control(new.owner.path).get("Replaces", ""))
        if any(
            each.name == name and each.accepts(fields.get("Version", ""))
            for group in groups
            for each in group
        ):
            return new
    return None


@cache
def _control(path: Path) -> Mapping[str, str]:
    return deb.fields(path)


def _problem(one: Owner, other: Owner, kind: str, paths: list[str]) -> PackageError:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    versions = " and ".join(_control(each.path).get("Version", "unknown") for each in (one, other))
    if kind == "files":
        message = f"the packages {one.shown} and {other.shown} have different files at {paths[0]}{more}"
    else:
        message = f"the package {one.shown} has a file at {paths[0]}, where {other.shown} has a folder"
    return PackageError(
        f"{message} (versions {versions})",
        hint="remove one of the packages, or leave the file out with `exclude`",
        package=other.package,
    )
