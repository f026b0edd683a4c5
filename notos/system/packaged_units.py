"""The units object: systemd's units of all packages, from which services are made. It is not in the machine.

usr/lib/systemd/system/…   units, drop-ins and links, as in the packages
packages                   the package of each unit and of each init script: PATH PACKAGE
conf-files/PACKAGE         configuration files of each package with units: /etc/nginx/nginx.conf
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from notos.debian.unpack import INIT_SCRIPTS, Aside
from notos.formats.tree import File, Symlink, Tree
from notos.integration.model import Installed

NAME = "units"
_PACKAGES = "packages"
_CONF_FILES = "conf-files/"


@dataclass(frozen=True)
class PackagedUnits:
    """The units of a machine's packages.

    texts         contents by path
    links         targets of links by path
    owners        the package of each unit, link and init script, by path
    conf_files    the configuration files of each package, absolute
    """

    texts: Mapping[str, bytes] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    conf_files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def owner(self, unit: str) -> str:
        """Return the package that has the unit, or else an init script of its name; "" if none has."""
        return self._owner(unit) or self.owners.get(f"{INIT_SCRIPTS}{unit.rpartition('.')[0]}", "")

    def has(self, unit: str) -> bool:
        """Return True if a package has the unit, or the template of an instance."""
        return bool(self._owner(unit))

    def _owner(self, unit: str) -> str:
        stem, at, rest = unit.partition("@")
        names = (unit, f"{stem}@.{rest.rpartition('.')[2]}") if at else (unit,)
        found = {path.rpartition("/")[2]: package for path, package in self.owners.items() if path in self}
        return next((found[name] for name in names if name in found), "")

    def __contains__(self, path: str) -> bool:
        return path in self.texts or path in self.links


def build(aside: Aside, installed: Mapping[str, Installed]) -> Tree:
    """Return the object's tree. Raises PackageError."""
    tree = Tree()
    for path, data in aside.units.items():
        tree.file(path, data)
    for path, target in aside.links.items():
        tree.symlink(path, target)
    rows = {path: aside.owners[path] for path in (*aside.units, *aside.links, *aside.init_scripts)}
    tree.add(_PACKAGES, _lines(f"{path} {rows[path]}" for path in sorted(rows)))
    for package in sorted({aside.owners[path] for path in (*aside.units, *aside.links)}):
        control = installed[package].control if package in installed else {}
        words = (line.split() for line in control.get("conffiles", b"").decode().splitlines())
        # A flag may come first: remove-on-upgrade (deb-conffiles(5)).
        tree.add(_CONF_FILES + package, _lines(each[0] for each in words if each and each[0].startswith("/")))
    return tree


def read(tree: Tree) -> PackagedUnits:
    """Return the contents of the object."""
    texts: dict[str, bytes] = {}
    links: dict[str, str] = {}
    owners: dict[str, str] = {}
    conf_files: dict[str, tuple[str, ...]] = {}
    for path, entry in tree.items():
        if isinstance(entry, Symlink):
            links[path] = entry.target
        elif isinstance(entry, File) and path == _PACKAGES:
            for line in entry.read().decode("utf-8", "surrogateescape").splitlines():
                place, _, package = line.rpartition(" ")
                owners[place] = package
        elif isinstance(entry, File) and path.startswith(_CONF_FILES):
            conf_files[path.removeprefix(_CONF_FILES)] = tuple(entry.read().decode().splitlines())
        elif isinstance(entry, File):
            texts[path] = entry.read()
    return PackagedUnits(texts, links, owners, conf_files)


def _lines(lines: Iterable[str]) -> File:
    return File("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
