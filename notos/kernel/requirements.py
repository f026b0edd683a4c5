"""What a machine needs of its kernel's configuration, whichever kernel it has; nothing is read or built."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from notos import errors
from notos.config.model import Machine
from notos.errors import KernelError

if TYPE_CHECKING:
    from notos.kernel.kconfig import Config

_KERNEL = ("kernel", "package")
_OTHER = "build a kernel by kernel.source, as examples/fast.yaml does"


@dataclass(frozen=True)
class Requirement:
    """A symbol of the kernel's configuration that must be y, or m where its module is loaded."""

    symbol: str
    why: str
    module: str = ""  # "" where only built in will do
    early: bool = True  # stage-1 loads the module, and not the running system
    keys: tuple[str, ...] = _KERNEL  # the path of the config's key that causes it


# Without these no machine of ours boots to its services.
ALWAYS = (
    Requirement("BLK_DEV_INITRD", "to unpack the initrd"),
    Requirement("RD_ZSTD", "to unpack the initrd"),
    Requirement("MULTIUSER", "for services with users of their own"),
    Requirement("BINFMT_ELF", "to run programs"),
    Requirement("BINFMT_SCRIPT", "to run scripts"),
    Requirement("DEVTMPFS", "for /dev"),
    Requirement("PROC_FS", "for /proc"),
    Requirement("SYSFS", "for /sys"),
    Requirement("TMPFS", "for the writable root"),
    Requirement("SHMEM", "for /dev/shm"),
    Requirement("FUTEX", "for libc"),
    Requirement("POSIX_TIMERS", "for libc"),
    Requirement("EPOLL", "for services"),
    Requirement("FILE_LOCKING", "for services"),
    Requirement("UNIX", "for services' sockets"),
    Requirement("INET", "for the network"),
    Requirement("UNIX98_PTYS", "for terminals"),
    Requirement("MAGIC_SYSRQ", "to leave file systems in order at the end"),
    Requirement("VIRTIO_BLK", "for the root's drive", "virtio_blk"),
    Requirement("SQUASHFS", "to mount the root", "squashfs"),
    Requirement("SQUASHFS_ZSTD", "to read the root"),
    Requirement("OVERLAY_FS", "for the writable store", "overlay"),
)
MACHINE = {
    "q35": (
        Requirement(
            "ACPI", "to find the devices of `vm.machine: q35`, and to switch it off", keys=("vm", "machine")
        ),
        Requirement(
            "VIRTIO_PCI", "for the devices of `vm.machine: q35`", "virtio_pci", keys=("vm", "machine")
        ),
        Requirement("ACPI_BUTTON", "for the power button", "button", early=False, keys=("vm", "machine")),
        Requirement("INPUT_EVDEV", "for the power button", "evdev", early=False, keys=("vm", "machine")),
    ),
    "microvm": (
        Requirement(
            "VIRTIO_MMIO", "for the devices of `vm.machine: microvm`", "virtio_mmio", keys=("vm", "machine")
        ),
        Requirement(
            "VIRTIO_MMIO_CMDLINE_DEVICES",
            "to find the devices of `vm.machine: microvm`",
            keys=("vm", "machine"),
        ),
    ),
}
SMP = (Requirement("SMP", "for `vm.cpus`", keys=("vm", "cpus")),)
NETWORK = (Requirement("VIRTIO_NET", "for `network`", "virtio_net", keys=("network",)),)
DHCP = (Requirement("PACKET", "for `network.method: dhcp`", "af_packet", keys=("network",)),)
SSH = (
    Requirement(
        "FW_CFG_SYSFS",
        "for the keys that runvm.sh hands over",
        "qemu_fw_cfg",
        early=False,
        keys=("ssh", "server"),
    ),
)
SSH_MICROVM = (
    Requirement(
        "FW_CFG_SYSFS_CMDLINE", "for the keys that runvm.sh hands over to a microvm", keys=("vm", "machine")
    ),
)
NIX = tuple(
    Requirement(symbol, "for Nix's sandbox", keys=("nix", "enable"))
    for symbol in ("NAMESPACES", "USER_NS", "PID_NS", "NET_NS", "SECCOMP_FILTER")
)
DISK = (Requirement("EXT4_FS", "for `disk`", "ext4", keys=("disk",)),)
DISK_NIX = (
    Requirement("BLK_DEV_LOOP", "to keep what Nix needs of earlier images on `disk`", "loop", keys=("disk",)),
)


def requirements(machine: Machine) -> tuple[Requirement, ...]:
    """Return what `machine` needs of its kernel; modules come in the order in which stage-1 loads them."""
    target = machine.target
    console = Requirement(target.console_symbol, f"for the console on {target.console}")
    needs: tuple[Requirement, ...] = (*MACHINE[machine.vm.machine], *ALWAYS, console)
    if machine.vm.cpus > 1:
        needs += SMP
    if machine.network.method != "none":
        needs += NETWORK
    if machine.network.method == "dhcp":
        needs += DHCP
    if machine.ssh.server != "none":
        needs += SSH
        if machine.vm.machine == "microvm":
            needs += SSH_MICROVM
    if machine.nix.enable:
        needs += NIX
    if machine.disk is not None:
        needs += DISK + (DISK_NIX if machine.nix.enable else ())
    return needs


def implied(config: "Config", wanted: Iterable[Requirement]) -> list[str]:
    """Return the modules that stage-1 loads without being listed: those that meet a requirement."""
    return [each.module for each in wanted if each.module and each.early and config.get(each.symbol) == "m"]


def lacking(config: "Config", wanted: Iterable[Requirement]) -> list[Requirement]:
    """Those that a kernel configured as `config` cannot meet."""

    def met(each: Requirement) -> bool:
        value = config.get(each.symbol, "n")
        return value == "y" or (value == "m" and bool(each.module))

    return [each for each in wanted if not met(each)]


def check(config: "Config", wanted: Iterable[Requirement]) -> None:
    """Raise KernelError naming every requirement that a kernel configured as `config` cannot meet."""
    errors.raise_all(
        KernelError(
            f"the kernel has CONFIG_{each.symbol}={config.get(each.symbol, 'n')}, "
            f"but =y is needed {each.why}",
            hint=_OTHER if each.keys == _KERNEL else f"change this, or {_OTHER}",
            keys=each.keys,
        )
        for each in lacking(config, wanted)
    )


def check_signed(config: "Config") -> None:
    """Raise KernelError where modules would be signed by a key that each build makes up anew."""
    if config.get("MODULE_SIG") == "y" and config.get("MODULE_SIG_KEY") == '"certs/signing_key.pem"':
        raise KernelError(
            "MODULE_SIG=y signs modules by a key that each build makes anew, so no two builds are the same",
            hint="give one as kernel.signing_key, or turn MODULE_SIG off",
            keys=("kernel", "options", "MODULE_SIG"),
        )
