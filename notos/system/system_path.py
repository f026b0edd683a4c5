"""system-path: the machine's /usr, one tree of all system packages.

    bin/ sbin/ lib/ lib64/ share/ …   the packages' files in /usr
    local/                            empty folders
    etc/                              their files in /etc, the defaults for the toplevel's etc/
    lib/modules, lib/firmware         links to modules and firmware of the booted kernel

Files in /var, /srv and /opt are in another object (packaged.py). Those of other folders (/boot) are left out.
"""

import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from notos.architecture import Architecture
from notos.cache import Cache
from notos.debian import kinds
from notos.debian.deb import Attributes
from notos.debian.script_files import Packages
from notos.debian.unpack import Aside, Unpack, unpack
from notos.errors import PackageError, raise_all
from notos.features.model import Choice
from notos.formats import shared_libraries
from notos.formats.tree import Directory, Entry, Symlink, Tree
from notos.integration import diversions
from notos.integration import registry as integration
from notos.integration.model import Context, installed, scripts
from notos.system import bytecode, databases, library_cache, missing_files, packaged, packaged_units
from notos.system import choices as chosen
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

# Empty folders of /usr/local (Debian's package base-files).
LOCAL = ("bin", "etc", "games", "include", "lib", "sbin", "share", "src")
SHUTDOWN_SCRIPT = "/etc/runit/shutdown"


def build(
    debs: Sequence[Unpack],
    target: Architecture,
    cache: Cache,
    *,
    keep: Sequence[str] = (),
    choices: Sequence[Choice] = (),
    accounts: Mapping[str, str] = {},
    settings: Mapping[str, Any] = {},
    note: Callable[[str], None] = lambda _line: None,
    apart: Tree | None = None,
    unit_files: Tree | None = None,
) -> Tree:
    """Return the tree of system-path; call `note` with a line for each package that may lack files.

    `choices` are files that must exist, `accounts` are the features' sysusers.d files by name, `settings` are
    those of notos.integration by mechanism. The object of the packages' other files (packaged.py) is added to
    `apart`, that of systemd's units (packaged_units.py) to `unit_files`.

    Raises ClosureError if a library or the target of a program's link is missing, PackageError, ToolError,
    NotosError.
    """
    attributes: dict[str, Attributes] = {}
    aside = Aside()
    folders: set[str] = set()
    owners: dict[str, str] = {}
    known = installed(debs)
    diverted = diversions.read(scripts(None, target, *known.values()).calls(*diversions.COMMANDS))
    try:
        packages = unpack(
            debs,
            keep=keep,
            names=owners,
            attributes=attributes,
            aside=aside,
            folders=folders,
            place=diverted.place,
        )
    except PackageError:
        chosen.check(debs, choices)  # a more precise error, if a choice is the cause
        raise
    chosen.complete(packages, debs, choices)
    kept = kinds.kept_kinds(keep, known, (each.package for each in debs if each.named))
    if any(each.named for each in debs):
        kept |= {"defaults"}  # those that scripts make
    seen = Packages(packages, folders, kinds.unwanted(kept), attributes=attributes, diverted=diverted.targets)
    context = Context(
        target, known, attributes, aside.accounts, accounts, sorted(kept), settings, frozenset(folders), seen
    )
    integration.apply(packages, context)
    if apart is not None:
        apart.graft("", packaged.build(packages, context))
    if unit_files is not None:
        unit_files.graft("", packaged_units.build(aside, known))
    folders_of_libraries = library_cache.folders(library_cache.configured(packages), target)
    survey = shared_libraries.survey(packages, target, folders_of_libraries)
    applets = applet_paths(packages, target)
    check = missing_files.Check(packages, survey, target, owners=owners, debs=debs, applets=applets)
    raise_all(check.errors())
    for line in check.notes():
        note(line)
    for path in [each for each, _ in packages.items() if each.rpartition("/")[2] in SELDOM]:
        if path not in survey.needed:
            packages.remove(path)
    bytecode.add(packages, target, cache)
    databases.add(packages, target, cache)
    tree = Tree()
    filled = packages.children()
    for path, entry in packages.items():
        if isinstance(entry, Directory):
            if path.startswith("etc/") and not filled[path]:
                tree.directory(path)
            continue
        if path.startswith("usr/"):
            tree.add(path.removeprefix("usr/"), _relinked(path, entry))
        elif path.startswith("etc/"):
            tree.add(path, _relinked(path, entry))
    for name in SHUTDOWN:
        tree.remove(f"sbin/{name}")
        tree.symlink(f"sbin/{name}", SHUTDOWN_SCRIPT)
    for path in applets:
        name = path.rpartition("/")[2]
        if not any(f"{folder}/{name}" in tree for folder in ("bin", "sbin")):
            tree.symlink(path, "busybox" if path.startswith("bin/") else "../bin/busybox")
    for name in LOCAL:
        tree.directory(f"local/{name}")
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
