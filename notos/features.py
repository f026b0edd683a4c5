"""Which packages a machine is made of: those that its config names, and those that features bring."""

from collections.abc import Iterable

from notos.machine import Machine, Package, PackageName

# Sets of packages, each with a closure of its own, resolved together.
SYSTEM, INITRD, KERNEL, FIRMWARE = "system", "initrd", "kernel", "firmware"
TOOLS_IMAGE, TOOLS_QEMU = "tools/image", "tools/qemu"

IMAGE_TOOLS = ("kmod", "squashfs-tools")
QEMU_TOOLS = ("openssh-client", "qemu-system-data", "qemu-system-x86", "seabios")


def package(name: str, *, only: tuple[str, ...] = ()) -> Package:
    """A package that a feature brings."""
    return Package(name=PackageName(name), only=only)  # type: ignore[arg-type]


# What every machine has: accounts to start from, runit, and what its scripts run.
BASE = (
    package("busybox"),
    package("base-passwd", only=("usr/share/base-passwd/*",)),
    package("runit", only=("usr/bin/*", "usr/sbin/*", "usr/lib/sysusers.d/*")),
)
SSH = {
    "openssh": (
        package("openssh-server"),
        package("openssh-client", only=("usr/bin/ssh-keygen",)),
        package("openssh-sftp-server"),
    ),
    "dropbear": (package("dropbear-bin", only=("usr/sbin/dropbear", "usr/bin/dropbear*")),),
    "none": (),
}
NIX = (package("nix-bin"), package("ca-certificates"))
TIME = (package("chrony", only=("usr/sbin/chronyd", "usr/lib/sysusers.d/*")),)


def system_packages(machine: Machine) -> tuple[Package, ...]:
    """All packages of the system; one that the config names overrides how a feature takes it."""
    brought = (
        *BASE,
        *SSH[machine.ssh.server],
        *(NIX if machine.nix.enable else ()),
        *(TIME if machine.time_servers else ()),
    )
    named = (
        *machine.system.packages,
        *(each for service in machine.services.values() for each in service.packages),
    )
    by_name: dict[str, Package] = {each.name: each for each in brought}
    by_name.update({each.name: each for each in named})
    return tuple(by_name[name] for name in sorted(by_name))


def requests(machine: Machine) -> dict[str, dict[str, str]]:
    """What config.lock must cover: by set, the closure wanted of each package."""
    sets: dict[str, dict[str, str]] = {
        SYSTEM: _closures(system_packages(machine)),
        INITRD: _closures(machine.initrd.packages),
        KERNEL: {machine.kernel.package: "package"},
        TOOLS_IMAGE: dict.fromkeys(IMAGE_TOOLS, "elf"),
        TOOLS_QEMU: dict.fromkeys(QEMU_TOOLS, "elf"),
    }
    if machine.kernel.firmware:
        sets[FIRMWARE] = dict.fromkeys(machine.kernel.firmware, "package")
    return sets


def _closures(packages: Iterable[Package]) -> dict[str, str]:
    return {each.name: each.closure for each in packages}
