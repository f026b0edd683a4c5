"""Diversions: paths at which one package replaces a file of another (dpkg-divert(1)).

They are read before the packages are laid out: the file of every other package goes to the diverted path.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from notos.debian.command_words import options
from notos.debian.maintainer_scripts import ScriptCall
from notos.formats.usr_merge import merged

COMMANDS = ("dpkg-divert",)
_VALUES = ("--package", "--divert", "--admindir", "--instdir", "--root")


@dataclass(frozen=True)
class Diversion:
    """A diversion of the usr-merged `path` to `target`, for all packages but `package` ("" for none)."""

    path: str
    target: str
    package: str


@dataclass(frozen=True)
class Diversions:
    """The diversions of all packages by usr-merged path."""

    by_path: dict[str, Diversion]

    def place(self, package: str, path: str) -> str:
        """Return the path at which the file `path` of `package` is installed."""
        found = self.by_path.get(path)
        return path if found is None or found.package == package else found.target

    @property
    def targets(self) -> dict[str, str]:
        """Return the new paths of the diverted ones."""
        return {path: each.target for path, each in self.by_path.items()}


def read(calls: Iterable[ScriptCall]) -> Diversions:
    """Return the diversions that calls of dpkg-divert add; a later removal takes one back."""
    found: dict[str, Diversion] = {}
    for each in calls:
        parsed = _parsed(each)
        if parsed is None:
            continue
        present = found.get(parsed.path)
        if "--remove" not in each.call.words:
            found.setdefault(parsed.path, parsed)
        elif present is not None and each.call.certain and present.package == parsed.package:
            del found[parsed.path]
    return Diversions(found)


def understood(each: ScriptCall) -> bool:
    """Return True for a call of dpkg-divert that is done or that only prints."""
    prints = {"--list", "--listpackage", "--truename"} & set(each.call.words)
    return bool(prints) or _parsed(each) is not None


def _parsed(each: ScriptCall) -> Diversion | None:
    given, rest = options(each.call.words, _VALUES)
    if {"--list", "--listpackage", "--truename"} & given.keys() or None in given.values():
        return None
    match rest:
        case [str() as path] if path.startswith("/"):
            place = merged(path.lstrip("/"))
            target = given.get("--divert") or f"{path}.distrib"
            package = "" if "--local" in given else given.get("--package") or each.package
            return Diversion(place, merged(target.lstrip("/")), package)
    return None
