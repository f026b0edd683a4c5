"""A second drive for data that survives a reboot: it holds the root in place of a tmpfs."""

from collections.abc import Iterator

from notos.config.model import Glob, Machine, Package, PackageName
from notos.config.reader import Checks
from notos.config.yaml_source import Node, Problem, named_place
from notos.features.files import KEPT
from notos.features.model import Feature, Folder, Link, Placed
from notos.kernel.requirements import Requirement

KEYS = ("disk",)

# The programs that make, check and enlarge the file system.
_PACKAGE = Package(
    name=PackageName("e2fsprogs"),
    only=(Glob("usr/sbin/mke2fs"), Glob("usr/sbin/e2fsck"), Glob("usr/sbin/resize2fs")),
)
_EXT4 = Requirement("EXT4_FS", "for `disk`", "ext4", keys=("disk",))
_LOOP = Requirement(
    "BLK_DEV_LOOP", "to keep the store of earlier images for Nix on `disk`", "loop", keys=("disk",)
)
_ROOT = "realroot="


def feature(machine: Machine) -> Feature:
    """Return the drive and the stage-1 script for it, if the machine has one."""
    if machine.disk is None:
        return Feature()
    return Feature(
        initrd_packages=(_PACKAGE,),
        requirements=(_EXT4, _LOOP) if machine.nix.enable else (_EXT4,),
        kernel_params=(f"{_ROOT}/dev/vdb",),
        stage1=("disk",),
        drive=machine.disk.size,
        placed=tuple(placed for path in machine.disk.etc for placed in _kept(path)),
    )


def _kept(path: str) -> Iterator[Placed]:
    """Yield a folder on the drive, and a link to it in /etc."""
    keys = ("disk", "etc", path)
    yield Placed(f"{KEPT}/{path}", Folder(), keys=keys)
    yield Placed(f"/etc/{path}", Link(f"{KEPT}/{path}"), keys=keys)


def _problems(machine: Machine, node: Node) -> Iterator[Problem]:
    for each in machine.kernel_params:
        if each.startswith(_ROOT) and machine.disk is None:
            place = named_place(node, "kernel_params", each) or node.place
            yield Problem("realroot= needs a drive; write disk: 10G instead", place)


CHECKS: Checks = {Machine: _problems}
