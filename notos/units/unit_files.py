"""The files of units: search, aliases, templates, drop-ins and sections (systemd.unit(5)).

A path is relative to the machine's root: usr/lib/systemd/system/nginx.service.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """A line KEY=VALUE of a unit, with its place. The value is raw: quotes and specifiers are kept."""

    key: str
    value: str
    file: str
    line: int


@dataclass(frozen=True)
class UnitFile:
    """A unit with its drop-ins applied: the settings of each section, in systemd's order."""

    name: str  # with the instance: postgresql@17-main.service
    sections: Mapping[str, tuple[Setting, ...]]
    files: tuple[str, ...]  # the unit's file, then its drop-ins
    names: tuple[str, ...]  # this name and the aliases of the unit


@dataclass(frozen=True)
class UnitFiles:
    """All units of a machine."""

    texts: Mapping[str, bytes]  # contents by path, of units and drop-ins
    links: Mapping[str, str]  # targets of symbolic links by path
    own: Mapping[str, tuple[str, bytes]]  # the user's units by unit name: the file's path for messages, text

    def load(self, name: str) -> UnitFile:
        """Return the unit `name`, with drop-ins and the instance applied.

        Raises NotosError if no package has it, if it is masked, or if it is a template without an instance.
        """
        raise NotImplementedError

    def names(self) -> tuple[str, ...]:
        """Return the names of all units, sorted; templates end in "@.service"."""
        raise NotImplementedError
