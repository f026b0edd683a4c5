"""The kernel and the initrd."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from notos.config.setting import TARGET, setting
from notos.config.structs.debian import Package
from notos.config.value_types import (
    KernelSymbol,
    Line,
    ModuleName,
    ModuleOption,
    PackageName,
    Sha256,
    SourceFile,
    Url,
)
from notos.structs import dataclass

# The names in notos.kernel.purposes.
Purpose = Literal[
    "all",
    "bluetooth",
    "bridge",
    "containers",
    "encryption",
    "filesystems",
    "input",
    "iptables",
    "network_storage",
    "nftables",
    "raid",
    "screen",
    "sound",
    "traffic_control",
    "tun",
    "usb",
    "virtual_machines",
    "wireguard",
    "wireless",
]


@dataclass(frozen=True, kw_only=True)
class KernelSource:
    """The source of a custom kernel: a Debian package or a tarball."""

    BARE: ClassVar = "package"

    package: PackageName | None = setting(
        "a Debian package with a tarball in usr/src", None, example="linux-source-6.12"
    )
    url: Url | None = setting("or the URL of a tarball: .tar, .tar.xz, .tar.gz or .tar.zst", None)
    sha256: Sha256 | None = setting("the tarball's sha256", None)


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """The kernel and its modules: from a Debian package or built from source."""

    package: PackageName = setting("Debian's kernel package", PackageName(TARGET.kernel_package))
    source: KernelSource | None = setting("or the source of a custom kernel", None)
    base: Literal["tinyconfig", "defconfig"] | SourceFile = setting(
        "with source: the configuration to start from", "tinyconfig", words=TARGET.defconfigs
    )
    fragments: tuple[SourceFile, ...] = setting(
        "with source: files of CONFIG_ lines, applied to `base` in this order", ()
    )
    options: Mapping[KernelSymbol, Literal["y", "m", "n"] | int | Line] = setting(
        "with source: symbols, applied last", dict, example={"EXT4_FS": "y"}
    )
    patches: tuple[SourceFile, ...] = setting(
        "with source: patches, applied in this order by `patch -p1`", ()
    )
    signing_key: SourceFile | None = setting(
        "with source: key and certificate (PEM) that sign modules; needs `options: {MODULE_SIG: y}`", None
    )
    modules: tuple[ModuleName, ...] = setting(
        "modules that stage-1 loads, in this order, before those for the root, the store, the network and "
        "the disk",
        (),
    )
    system_modules: tuple[ModuleName, ...] = setting(
        "additional modules for modprobe in the running system", ()
    )
    for_: tuple[Purpose, ...] = setting(
        "purposes whose modules the running system has (kernel.md); `all` is every module of the kernel",
        (),
        single=True,
        example=["nftables"],
    )
    firmware: tuple[PackageName, ...] = setting(
        "packages with firmware that the modules load", (), example=["firmware-misc-nonfree"]
    )


@dataclass(frozen=True, kw_only=True)
class Initrd:
    """The initial RAM disk: stage-1, extra-utils and the modules."""

    packages: tuple[Package, ...] = setting(
        "packages of the programs of stage-1 (extra-utils)",
        lambda: (Package(name=PackageName("busybox-static")),),
    )
    compression_level: int = setting("zstd level; 0 is no compression", 19, minimum=0, maximum=22)


@dataclass(frozen=True, kw_only=True)
class Modprobe:
    """Parameters of kernel modules, and modules that are not loaded by themselves."""

    REST: ClassVar = "options"

    blacklist: tuple[ModuleName, ...] = setting(
        "modules that no device loads; modprobe NAME still does", (), example=["pcspkr"]
    )
    options: Mapping[ModuleName, Mapping[ModuleOption, int | bool | Line]] = setting(
        "parameters of a module, by its name: `loop: {max_loop: 3}`", dict, example={"loop": {"max_loop": 3}}
    )
