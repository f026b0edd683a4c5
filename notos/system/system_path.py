"""system-path: the machine's /usr, one tree of all system packages.

    bin/ sbin/ lib/ lib64/ share/ …   the packages' files in /usr
    etc/                              their files in /etc, the defaults for the toplevel's etc/
    lib/modules, lib/firmware         links to modules and firmware of the booted kernel

Files in other folders (/var, /boot, …) are left out: they are state, created when the machine runs.
"""

from collections.abc import Callable, Iterable, Sequence

from notos.architecture import Architecture
from notos.cache import Cache
from notos.debian.unpack import Unpack, unpack
from notos.errors import raise_all
from notos.formats import shared_libraries
from notos.formats.tree import Directory, Tree
from notos.system import bytecode, missing_files
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
    keep: Iterable[str] = (),
    note: Callable[[str], None] = lambda _line: None,
) -> Tree:
    """Return the tree of system-path; call `note` with a line for each package that may lack files.

    Raises ClosureError if a library or the target of a program's link is missing, PackageError, ToolError.
    """
    owners: dict[str, str] = {}
    packages = unpack(debs, keep=keep, names=owners)
    survey = shared_libraries.survey(packages, target)
    check = missing_files.Check(packages, survey, target, owners=owners, debs=debs)
    raise_all(check.errors())
    for line in check.notes():
        note(line)
    for path in [each for each, _ in packages.items() if each.rpartition("/")[2] in SELDOM]:
        if path not in survey.needed:
            packages.remove(path)
    bytecode.add(packages, target, cache)
    tree = Tree()
    for path, entry in packages.items():
        if isinstance(entry, Directory):
            continue
        if path.startswith("usr/"):
            tree.add(path.removeprefix("usr/"), entry)
        elif path.startswith("etc/"):
            tree.add(path, entry)
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
