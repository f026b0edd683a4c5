"""Which packages a machine is made of: those that its config names, and those of its features."""

from collections.abc import Iterable
from typing import Literal

from notos.config.model import Machine, Package, PackageName
from notos.features.model import Features
from notos.lock.request import Request

# Sets of packages, each with a closure of its own, resolved together.
SYSTEM, INITRD, KERNEL, SOURCE, FIRMWARE = "system", "initrd", "kernel", "source", "firmware"
TOOLS_IMAGE, TOOLS_KERNEL, TOOLS_QEMU = "tools/image", "tools/kernel", "tools/qemu"


def package(
    name: str,
    *,
    closure: Literal["elf", "depends"] = "elf",
    only: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
) -> Package:
    """Return a package of a tools tree."""
    return Package(name=PackageName(name), closure=closure, only=only, exclude=exclude)  # type: ignore[arg-type]


COMPILERS = "binutils bison flex gcc libc6-dev libelf-dev libncurses-dev libssl-dev make perl-base"
CALLED = """
bash bc bubblewrap bzip2 ccache coreutils cpio dash diffutils distcc dwarves findutils grep gzip icecc lz4
mawk ncurses-base patch sed tar xz-utils zstd
"""

# Programs that the build runs on this host, without what only serves other processors and displays.
TOOLS = {
    TOOLS_IMAGE: (package("kmod", only=("usr/bin/kmod", "usr/sbin/depmod")),),
    # What compiles a kernel: with all that it depends on, and what makefiles call besides.
    TOOLS_KERNEL: (
        *(package(name, closure="depends") for name in COMPILERS.split()),
        *(package(name) for name in CALLED.split()),
    ),
    TOOLS_QEMU: (
        package("openssh-client", only=("usr/bin/ssh", "usr/bin/ssh-keygen")),
        package(
            "qemu-system-data",
            only=("usr/share/qemu/*.bin", "usr/share/qemu/*.rom", "usr/share/qemu/keymaps/*"),
            exclude=("usr/share/qemu/slof.bin", "usr/share/qemu/u-boot*"),
        ),
        package("qemu-system-x86", only=("usr/bin/qemu-system-x86_64",)),
        package("seabios"),
    ),
}

# What of a tools tree is otherwise left out of packages (packages.OPTIONAL).
KEEP = {TOOLS_KERNEL: ("headers",)}


def system_packages(machine: Machine, features: Features) -> tuple[Package, ...]:
    """Return all packages of the system; one that the config names overrides how a feature takes it."""
    packages = (*features.packages, *machine.system.packages)
    by_name: dict[str, Package] = {each.name: each for each in packages}
    return tuple(by_name[name] for name in sorted(by_name))


def initrd_packages(machine: Machine, features: Features) -> tuple[Package, ...]:
    """Return all packages of the initrd; one that the config names overrides how a feature takes it."""
    named = {each.name for each in machine.initrd.packages}
    return (
        *machine.initrd.packages,
        *(each for each in features.initrd_packages if each.name not in named),
    )


def tools(machine: Machine, features: Features) -> dict[str, tuple[Package, ...]]:
    """Return the sets of programs that building `machine` takes, each with its packages."""
    own = (name for name in TOOLS if name != TOOLS_KERNEL or machine.kernel.source is not None)
    added = {f"tools/{name}": packages for name, packages in features.tools.items()}
    return {**{name: TOOLS[name] for name in own}, **added}


def requests(machine: Machine, features: Features) -> dict[str, dict[str, Request]]:
    """Return what config.lock must cover: by set, how much is wanted of each package."""
    sets: dict[str, dict[str, Request]] = {
        SYSTEM: _requests(system_packages(machine, features)),
        INITRD: _requests(initrd_packages(machine, features)),
        **{name: _requests(packages) for name, packages in tools(machine, features).items()},
    }
    source = machine.kernel.source
    if source is None:
        sets[KERNEL] = {machine.kernel.package: Request("package")}
    elif source.package is not None:
        sets[SOURCE] = {source.package: Request("package")}
    if machine.kernel.firmware:
        sets[FIRMWARE] = dict.fromkeys(machine.kernel.firmware, Request("package"))
    return sets


def _requests(packages: Iterable[Package]) -> dict[str, Request]:
    return {each.name: Request(each.closure, each.only, each.exclude) for each in packages}
