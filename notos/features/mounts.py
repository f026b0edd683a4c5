"""File systems that the boot mounts, besides its own."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from notos.config.model import Glob, Machine, Mount, MountPoint, Package, PackageName
from notos.config.reader import Checks
from notos.config.yaml_source import Node, Place, Problem, key_place, place_of
from notos.features.model import Feature, Script
from notos.kernel.requirements import Requirement

KEYS = ("mounts",)


class _Kind(NamedTuple):
    """The needs of a type of file system: kernel symbols with their modules, and a package's program."""

    symbols: tuple[tuple[str, str], ...] = ()
    package: str = ""
    program: str = ""
    remote: bool = False


_NFS = _Kind((("NFS_FS", "nfs"), ("NFS_V4", "nfsv4")), "nfs-common", "usr/sbin/mount.nfs*", remote=True)
_KINDS = {
    "btrfs": _Kind((("BTRFS_FS", "btrfs"),)),
    "cifs": _Kind((("CIFS", "cifs"),), "cifs-utils", "usr/sbin/mount.cifs", remote=True),
    "exfat": _Kind((("EXFAT_FS", "exfat"),)),
    "ext2": _Kind((("EXT4_FS", "ext4"),)),
    "ext3": _Kind((("EXT4_FS", "ext4"),)),
    "ext4": _Kind((("EXT4_FS", "ext4"),)),
    "f2fs": _Kind((("F2FS_FS", "f2fs"),)),
    "iso9660": _Kind((("ISO9660_FS", "isofs"),)),
    "nfs": _NFS,
    "nfs4": _NFS,
    "ntfs3": _Kind((("NTFS3_FS", "ntfs3"),)),
    "udf": _Kind((("UDF_FS", "udf"),)),
    # Its names are converted by two tables: the kernel's defaults in Debian.
    "vfat": _Kind((("VFAT_FS", "vfat"), ("NLS_CODEPAGE_437", "nls_cp437"), ("NLS_ASCII", "nls_ascii"))),
    "virtiofs": _Kind((("VIRTIO_FS", "virtiofs"),)),
    "xfs": _Kind((("XFS_FS", "xfs"),)),
    "9p": _Kind((("9P_FS", "9p"), ("NET_9P_VIRTIO", "9pnet_virtio"))),
}
_SERVER = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):/.*"  # an NFS folder
_SHARE = r"//[^/]+/.+"  # a CIFS share
# Folders that the system itself consists of: a file system over one of them would hide it.
_TAKEN = ("/bin", "/dev", "/etc", "/lib", "/lib64", "/nix", "/proc", "/run", "/sbin", "/sys", "/usr")
_FREE = ("/run/", "/sys/", "/dev/")  # below these a mount is in nobody's way
_STATE = "/var/lib/notos"  # stage-2 reads it before it mounts anything


def feature(machine: Machine) -> Feature:
    """Return the boot fragments: for drives and memory, for what such a mount may contain, and for servers.

    stage-2 mounts the first before it creates anything on them. Folders that it creates may be mounted
    elsewhere (bind), files may be loop devices: these come after it. Servers come after the network.
    """
    if not machine.mounts:
        return Feature()
    drives: list[str] = []
    local: list[str] = []
    remote: list[str] = []
    later: list[str] = []  # mount points that are not drives'
    requirements: list[Requirement] = []
    packages: dict[str, Package] = {}
    for point in sorted(machine.mounts, key=lambda each: each.count("/")):
        mount = machine.mounts[point]
        name = kind(mount)
        needs = _KINDS.get(name, _Kind())
        keys = ("mounts", point)
        requirements += [
            Requirement(symbol, f"for `mounts.{point}`", module, early=False, keys=keys)
            for symbol, module in needs.symbols
        ]
        if needs.package:
            packages[needs.package] = Package(name=PackageName(needs.package), only=(Glob(needs.program),))
        options = ",".join(mount.options) or "defaults"
        line = f"{point} {mount.device} {name} {options} {'yes' if mount.required else 'no'}"
        below = f"{point}/".startswith(tuple(f"{each}/" for each in later))
        is_drive = name != "none" and not below and not needs.remote and _is_early(mount.device)
        (remote if needs.remote else drives if is_drive else local).append(line)
        if not is_drive:
            later.append(point)
    scripts = [
        Script(path=path, source="mounts", values={"table": "\n".join(lines)})
        for path, lines in (("boot/08-mounts", drives), ("boot/11-mounts", local), ("boot/25-mounts", remote))
        if lines
    ]
    return Feature(
        packages=tuple(packages.values()), requirements=tuple(requirements), scripts=tuple(scripts)
    )


def _is_early(device: str) -> bool:
    """Return True for a drive, and for a file system without a device, such as a tmpfs."""
    return device.startswith(("/dev/", "LABEL=", "UUID=")) or not device.startswith("/")


def kind(mount: Mount) -> str:
    """Return the type of a mount's file system."""
    if mount.type is not None:
        return mount.type
    if {"bind", "rbind"} & {word for each in mount.options for word in each.split(",")}:
        return "none"
    if re.fullmatch(_SERVER, mount.device):
        return "nfs"
    if re.fullmatch(_SHARE, mount.device):
        return "cifs"
    return mount.device if mount.device in ("tmpfs", "proc", "sysfs", "debugfs", "tracefs") else "ext4"


def _problems(machine: Machine, node: Node) -> Iterator[Problem]:
    for point, mount in machine.mounts.items():
        place = key_place(node, "mounts", point)
        yield from _misplaced(point, place)
        yield from _hidden(machine, point, node)
        name = kind(mount)
        device = mount.device
        local = name in _KINDS and not _KINDS[name].remote and name not in ("9p", "virtiofs")
        if local and not device.startswith(("/", "LABEL=", "UUID=")):
            message = f"{name} on {point} needs a device, LABEL= or UUID=, not {device}"
            yield Problem(message, place_of(node, "mounts", point, "device"))
        if device in ("/dev/vda", "/dev/vdb") and (device == "/dev/vda" or machine.disk is not None):
            what = "the root image" if device == "/dev/vda" else "the machine's `disk`"
            yield Problem(
                f"mounts.{point}.device: {device} is {what}", place_of(node, "mounts", point, "device")
            )
        for option in mount.options:
            if any(char.isspace() for char in option):
                message = f"mounts.{point}.options: {option!r} has a blank; separate options by commas"
                yield Problem(message, place_of(node, "mounts", point, "options"))


def _hidden(machine: Machine, point: MountPoint, node: Node) -> Iterator[Problem]:
    """Yield files of the config at or below a mount point: they belong to the image, not to a drive."""
    for name in machine.files:
        if f"{name}/".startswith(f"{point}/"):
            place = key_place(node, "files", name)
            seen = key_place(node, "mounts", point).seen_from(place)
            message = f"files.{name} is on the file system that mounts.{point}, {seen}, would put over it"
            yield Problem(f"{message}; choose another folder for one of them", place)


def _misplaced(point: MountPoint, place: Place) -> Iterator[Problem]:
    if f"{_STATE}/".startswith(f"{point}/") or point.startswith(f"{_STATE}/"):
        message = (
            f"{point} has state of the boot itself, in {_STATE}; mount another folder, such as /var/lib/NAME"
        )
        yield Problem(f"{message}, or use `disk`, which keeps all of /var", place)
    for taken in _TAKEN:
        inside = point.startswith(f"{taken}/")
        if point == taken or (inside and not point.startswith(_FREE)):
            message = f"{point} is part of the system; mount below another folder, such as /data or /srv"
            yield Problem(message, place)


CHECKS: Checks = {Machine: _problems}
