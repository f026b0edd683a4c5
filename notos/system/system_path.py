"""system-path: the machine's /usr, one tree of all system packages.

    bin/ sbin/ lib/ lib64/ share/ …   the packages' files in /usr
    etc/                              their files in /etc, the defaults for the toplevel's etc/
    lib/modules, lib/firmware         links to modules and firmware of the booted kernel

Files in /var, /srv and /opt are in another object (packaged.py). Those of other folders (/boot) are left out.
"""

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

from notos.architecture import Architecture
from notos.cache import Cache
from notos.debian import kinds
from notos.debian.deb import Attributes
from notos.debian.unpack import Unpack, unpack
from notos.errors import ClosureError
from notos.formats import shared_libraries
from notos.formats.tree import Directory, Entry, Symlink, Tree
from notos.integration import diversions
from notos.integration import registry as integration
from notos.integration.model import Context, calls, installed
from notos.system import bytecode, packaged
from notos.system.busybox import applet_paths

NAME = "system-path"
BOOTED_MODULES = "/run/booted-system/kernel-modules"

# Commands of the shutdown script for runit, in place of busybox's, which signal another init.
SHUTDOWN = ("halt", "poweroff", "reboot", "shutdown")
# Libraries of libc6 that few programs need; left out if none does, which saves 1.3 MB.
SELDOM = (
    "libBrokenLocale.so.1",
    "libc_malloc_debug.so.0",
    "libmemusage.so",
    "libmvec.so.1",
    "libpcprofile.so",
)

SHUTDOWN_SCRIPT = "/etc/runit/shutdown"


def build(
    debs: Sequence[Unpack],
    target: Architecture,
    cache: Cache,
    *,
    keep: Sequence[str] = (),
    accounts: Mapping[str, str] = {},
    settings: Mapping[str, Any] = {},
    apart: Tree | None = None,
) -> Tree:
    """Return the tree of system-path.

    `accounts` are the features' sysusers.d files by name, `settings` those of notos.integration by mechanism.
    The object of the packages' other files (packaged.py) is added to `apart`.

    Raises ClosureError if a library is missing, PackageError, NotosError.
    """
    attributes: dict[str, Attributes] = {}
    units: dict[str, bytes] = {}
    folders: set[str] = set()
    known = installed(debs)
    diverted = diversions.read(calls(known, target, *diversions.COMMANDS))
    packages = unpack(
        debs, keep=keep, attributes=attributes, aside=units, folders=folders, place=diverted.place
    )
    kept = kinds.kept_kinds(keep, known, (each.package for each in debs if each.named))
    context = Context(target, known, attributes, units, accounts, sorted(kept), settings, frozenset(folders))
    integration.apply(packages, context)
    if apart is not None:
        apart.graft("", packaged.build(packages, context))
    problems, needed = shared_libraries.survey(packages, target)
    _check_libraries(problems)
    for path in [each for each, _ in packages.items() if each.rpartition("/")[2] in SELDOM]:
        if path not in needed:
            packages.remove(path)
    bytecode.add(packages, target, cache)
    tree = Tree()
    for path, entry in packages.items():
        if isinstance(entry, Directory):
            continue
        if path.startswith("usr/"):
            tree.add(path.removeprefix("usr/"), _relinked(path, entry))
        elif path.startswith("etc/"):
            tree.add(path, _relinked(path, entry))
    for name in SHUTDOWN:
        tree.remove(f"sbin/{name}")
        tree.symlink(f"sbin/{name}", SHUTDOWN_SCRIPT)
    for path in applet_paths(packages, target):
        name = path.rpartition("/")[2]
        if not any(f"{folder}/{name}" in tree for folder in ("bin", "sbin")):
            tree.symlink(path, "busybox" if path.startswith("bin/") else "../bin/busybox")
    tree.symlink("lib/modules", f"{BOOTED_MODULES}/lib/modules")
    if "lib/firmware" not in tree:
        tree.symlink("lib/firmware", f"{BOOTED_MODULES}/lib/firmware")
    return tree


def _relinked(path: str, entry: Entry) -> Entry:
    """Return `entry`; a relative link that leaves its top folder (usr/ or etc/) becomes absolute.

    In the store, the parent of system-path is not the root.
    """
    if isinstance(entry, Symlink) and not entry.target.startswith("/"):
        place = posixpath.normpath(f"/{path}/../{entry.target}")
        if place.split("/")[1] != path.split("/", maxsplit=1)[0]:
            return Symlink(place)
    return entry


def _check_libraries(problems: Sequence[shared_libraries.Missing]) -> None:
    """Raise ClosureError for missing libraries: `exclude` or `only` can drop one that config.lock has."""
    if problems:
        shown = "; ".join(f"{each.path} needs {each.soname}" for each in problems[:5])
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise ClosureError(
            f"the system's packages lack libraries: {shown}{more}",
            hint="an `only` or `exclude` in the config leaves them out",
        )
