"""The facts that a mechanism has besides the tree: packages, control files, attributes, settings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

from notos.architecture import Architecture
from notos.debian import deb
from notos.debian.deb import Attributes
from notos.debian.maintainer_scripts import ScriptCall, Unread, read
from notos.debian.script_files import Files, Node, Packages
from notos.debian.unpack import Unpack


class Scripts(NamedTuple):
    """The commands of a package's maintainer scripts, scripts not understood, and the files they make."""

    calls: list[ScriptCall]
    unread: list[Unread]
    made: dict[str, Node]


@dataclass(frozen=True, eq=False)
class Installed:
    """An installed package: its name and its .deb on this host.

    A `partial` one has only the files that the config or a feature lists (`only`): its scripts do not count.
    """

    name: str
    path: Path
    partial: bool = False

    @cached_property
    def control(self) -> Mapping[str, bytes]:
        """Return the files of its control archive by name: postinst, triggers, …. Raises PackageError."""
        return deb.control(self.path)

    @cache  # noqa: B019 — a build has each package once
    def scripts(self, target: Architecture, packages: Packages | None = None) -> Scripts:
        """Return the commands of its maintainer scripts; `packages` are the files that they see, if known."""
        if self.partial:
            return Scripts([], [], {})
        files = Files(packages)
        found, unread = read(self.name, self.control, target, files)
        return Scripts(found, unread, files.made)


@dataclass(frozen=True)
class Context:
    """The machine's packages and settings.

    packages    the installed packages by name, in the order of their names
    attributes  modes and owners of packages' files and folders by usr-merged path (usr/bin/sudo,
                var/lib/x), without plain ones (deb.PLAIN)
    folders     folders of packages, by usr-merged path, without those of partial packages
    units       texts of systemd's units by usr-merged path, which are not in the tree
    accounts    texts of the features' sysusers.d files by name, which are not in the tree
    keep        the kinds of files that the machine keeps (debian.kinds)
    files       the files that maintainer scripts see
    settings    the values that features have for mechanisms, by the mechanism's module
    """

    target: Architecture
    packages: Mapping[str, Installed]
    attributes: Mapping[str, Attributes] = field(default_factory=dict)
    units: Mapping[str, bytes] = field(default_factory=dict)
    accounts: Mapping[str, str] = field(default_factory=dict)
    keep: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    folders: frozenset[str] = frozenset()
    files: Packages | None = None

    def calls(self, *names: str) -> Iterator[ScriptCall]:
        """Yield the commands of these names in all maintainer scripts."""
        return calls(self.packages, self.target, *names, files=self.files)

    def scripts(self, package: Installed) -> Scripts:
        """Return the commands of a package's maintainer scripts."""
        return package.scripts(self.target, self.files)


def calls(
    packages: Mapping[str, Installed], target: Architecture, *names: str, files: Packages | None = None
) -> Iterator[ScriptCall]:
    """Yield the commands of these names in all maintainer scripts, in the order of the packages."""
    for package in packages.values():
        for each in package.scripts(target, files).calls:
            if each.call.name in names:
                yield each


def installed(debs: Sequence[Unpack]) -> dict[str, Installed]:
    """Return the packages of `debs` by name."""
    found = {each.package: Installed(each.package, each.path, bool(each.only)) for each in debs}
    return {name: found[name] for name in sorted(found)}
