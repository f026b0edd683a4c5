"""Nix and the drive for data."""

from collections.abc import Mapping
from typing import ClassVar

from notos.config.setting import setting
from notos.config.value_types import DiskSize, FileSystem, Line, MountSource, NixSetting, RelativePath
from notos.structs import dataclass


@dataclass(frozen=True, kw_only=True)
class Nix:
    """Nix in the machine, managing its /nix/store."""

    enable: bool = setting("install nix and run its daemon", False)
    build_users: int = setting("number of nixbld users", 4, minimum=1, maximum=64)
    settings: Mapping[NixSetting, Line | int | bool] = setting(
        "lines of nix.conf", dict, example={"max-jobs": 2}
    )


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A drive for data that survives a reboot."""

    BARE: ClassVar = "size"

    size: DiskSize = setting("its size; it can grow later but not shrink")
    etc: tuple[RelativePath, ...] = setting(
        "folders below /etc that it keeps, in which programs write", (), example=["postgresql"]
    )


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A file system that the boot mounts."""

    device: MountSource = setting(
        "a device, LABEL=NAME, UUID=ID, a server's folder (nas:/data), or tmpfs", MountSource("tmpfs")
    )
    type: FileSystem | None = setting(
        "the file system's type; by default ext4, nfs for SERVER:/FOLDER, cifs for //SERVER/SHARE",
        None,
        example="ext4",
    )
    options: tuple[Line, ...] = setting(
        "mount options, as in fstab(5)", (), single=True, example=["noatime", "size=64m"]
    )
    required: bool = setting("stop the boot if it cannot be mounted; without it, only report this", False)
