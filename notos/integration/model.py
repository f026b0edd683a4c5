"""The facts that a mechanism has besides the tree: packages, control files, attributes, settings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from notos.architecture import Architecture
from notos.debian import configure_order, deb
from notos.debian.deb import Attributes
from notos.debian.maintainer_scripts import Read, ScriptCall, read_all
from notos.debian.script_files import Files, Node, Packages
from notos.debian.unpack import Unpack

# Packages whose scripts set up the base of a system, which Notos does itself.
BASE = frozenset(
    (
        *("base-files", "base-passwd", "bash", "ca-certificates", "dash", "kmod", "libc-bin", "libc6"),
        *("locales", "mawk", "openssh-server", "passwd", "runit", "tzdata"),
    )
)


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


class Scripts(NamedTuple):
    """The commands of all packages' maintainer scripts, and the files that they have made in the end."""

    of: Mapping[str, Read]
    made: Mapping[str, Node]

    def calls(self, *names: str) -> Iterator[ScriptCall]:
        """Yield the commands of these names, in the order in which dpkg configures the packages."""
        for each in self.of.values():
            yield from (call for call in each.calls if call.call.name in names)


@lru_cache(maxsize=2)
def scripts(packages: Packages | None, target: Architecture, *installed: Installed) -> Scripts:
    """Return what the maintainer scripts of `installed` do. `packages` are the files that they see, if known.

    Each script sees the changes of those before it, in dpkg's order. No other package sees those of BASE.
    """
    controls = {each.name: each.control for each in installed if not each.partial}
    names = configure_order.order(controls)
    common = Files(packages)
    found = read_all(
        {name: controls[name] for name in names},
        target,
        lambda package: Files(packages) if package in BASE else common,
        installed={name: controls[name].get("control", b"").decode(errors="replace") for name in names}
        if packages
        else None,
    )
    return Scripts(found, common.made)


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
        return self.scripts.calls(*names)

    @property
    def scripts(self) -> Scripts:
        """Return what the maintainer scripts do."""
        return scripts(self.files, self.target, *self.packages.values())


def installed(debs: Sequence[Unpack]) -> dict[str, Installed]:
    """Return the packages of `debs` by name."""
    found = {each.package: Installed(each.package, each.path, bool(each.only)) for each in debs}
    return {name: found[name] for name in sorted(found)}
