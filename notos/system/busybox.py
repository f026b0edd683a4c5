"""Busybox: which applets it has, asked of the program itself, and which of them are worth a link."""

import tempfile
from pathlib import Path

from notos.architecture import Architecture
from notos.formats import shared_libraries
from notos.formats.tree import File, Tree
from notos.process import run

PROGRAM = "usr/bin/busybox"

# Applets that would only lead astray: other systems' inits and package managers.
NOT_LINKED = frozenset(
    {"linuxrc", "init", "run-init", "nuke", "resume", "dpkg", "dpkg-deb", "rpm", "rpm2cpio"}
)


def applet_paths(packages: Tree, target: Architecture) -> list[str]:
    """Where busybox of `packages` (laid out by packages.unpack) wants its applets: bin/ls, sbin/ip, ….

    Sorted and usr-merged; none if there is no busybox. It is run, on this host, with its own
    libraries. Raises ClosureError, ToolError.
    """
    program = packages.get(PROGRAM)
    if not isinstance(program, File):
        return []
    tree = Tree()
    tree.add("busybox", program)
    for soname, path in shared_libraries.closure(packages, [PROGRAM], target).items():
        entry = packages.get(path)
        assert isinstance(entry, File)
        tree.file(soname, entry.content, executable=True)
    with tempfile.TemporaryDirectory(prefix="notos-busybox-") as scratch:
        root = Path(scratch)
        tree.write_to(root)
        loader = root / target.loader_name
        command = [str(loader), "--library-path", str(root)] if loader.exists() else []
        listed = run([*command, root / "busybox", "--list-full"]).decode().split()
    paths = {path.removeprefix("usr/") for path in listed}
    return sorted(path for path in paths if path.rpartition("/")[2] not in NOT_LINKED)
