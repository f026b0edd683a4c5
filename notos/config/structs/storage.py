"""Nix and the drive for data."""

from collections.abc import Mapping
from typing import ClassVar

from notos.config.setting import setting
from notos.config.value_types import DiskSize, Line, NixSetting
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
