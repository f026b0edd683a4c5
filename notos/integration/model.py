"""The facts that a mechanism has besides the tree: packages, control files, attributes, settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from notos.architecture import Architecture
from notos.debian import deb
from notos.debian.deb import Attributes
from notos.debian.unpack import Unpack


@dataclass(frozen=True)
class Installed:
    """An installed package: its name and its .deb on this host."""

    name: str
    path: Path

    @cached_property
    def control(self) -> Mapping[str, bytes]:
        """Return the files of its control archive by name: postinst, triggers, …. Raises PackageError."""
        return deb.control(self.path)


@dataclass(frozen=True)
class Context:
    """The machine's packages and settings.

    packages    the installed packages by name, in the order of their names
    attributes  modes and owners of packages' files and folders by usr-merged path (usr/bin/sudo,
                var/lib/x), without plain ones (deb.PLAIN)
    keep        the kinds of files that the config keeps (system.keep)
    settings    the values that features have for mechanisms, by the mechanism's module
    """

    target: Architecture
    packages: Mapping[str, Installed]
    attributes: Mapping[str, Attributes] = field(default_factory=dict)
    keep: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


def installed(debs: Sequence[Unpack]) -> dict[str, Installed]:
    """Return the packages of `debs` by name."""
    found = {each.package: Installed(each.package, each.path) for each in debs}
    return {name: found[name] for name in sorted(found)}
