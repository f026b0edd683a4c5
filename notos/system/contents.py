"""Which packages a machine is made of: those that its config names, and those that features bring."""

from collections.abc import Iterable
from typing import Literal

from notos.architecture import Architecture
from notos.config.model import Machine, Package, PackageName
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
    """A package that a feature brings."""
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
    ),
}

# What of a tools tree is otherwise left out of packages (packages.OPTIONAL).
KEEP = {TOOLS_KERNEL: ("headers",)}


# Descriptions of the terminals that people log in from (terminfo(5)): those of ncurses-base, and the usual
# ones that only ncurses-term has.
TERMINALS = """
ansi dumb linux rxvt* screen screen-256color screen.xterm-256color tmux tmux-256color vt100 vt220 xterm
xterm-256color xterm-color
"""
MORE_TERMINALS = """
alacritty foot ghostty gnome gnome-256color kitty konsole konsole-256color putty putty-256color
st st-256color vte vte-256color wezterm xterm-direct
"""


def terminfo(names: str) -> tuple[str, ...]:
    """Globs of the descriptions called `names`, which are separated by blanks."""
    return tuple(f"usr/*/terminfo/{name[0]}/{name}" for name in names.split())


# What every machine has: accounts to start from, runit, what its scripts run, the tables that nsswitch.conf
# refers to, and terminals.
BASE = (
    package("busybox"),
    package("base-passwd", only=("usr/share/base-passwd/*",)),
    package("ncurses-base", only=terminfo(TERMINALS)),
    package("ncurses-term", only=terminfo(MORE_TERMINALS)),
    package("kitty-terminfo", only=terminfo("xterm-kitty")),
    package("netbase", only=("etc/protocols", "etc/services")),
    package("runit", only=("usr/bin/*", "usr/sbin/*", "usr/lib/sysusers.d/*")),
)
SSH = {
    "openssh": (
        # sshd has an sftp server in itself, and offers no key exchange that would read moduli.
        package("openssh-server", exclude=("etc/ssh/moduli",)),
        package("openssh-client", only=("usr/bin/ssh-keygen",)),
    ),
    "dropbear": (package("dropbear-bin", only=("usr/sbin/dropbear", "usr/bin/dropbear*")),),
    "none": (),
}
NIX = (package("nix-bin"), package("ca-certificates"))
# Of the initrd: what makes, checks and enlarges the file system of `disk`.
DISK = (package("e2fsprogs", only=("usr/sbin/mke2fs", "usr/sbin/e2fsck", "usr/sbin/resize2fs")),)
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


def initrd_packages(machine: Machine) -> tuple[Package, ...]:
    """All packages of the initrd; one that the config names overrides how a feature takes it."""
    named = {each.name for each in machine.initrd.packages}
    brought = DISK if machine.disk else ()
    return (*machine.initrd.packages, *(each for each in brought if each.name not in named))


def tools(machine: Machine, build: Architecture) -> dict[str, tuple[Package, ...]]:
    """The programs that building `machine` on the architecture `build` takes, by set."""
    target = machine.target
    sets = dict(TOOLS)
    sets[TOOLS_QEMU] += tuple(package(name, only=only) for name, only in target.qemu_packages.items())
    if machine.kernel.source is None:
        del sets[TOOLS_KERNEL]
    elif build != target:
        sets[TOOLS_KERNEL] += tuple(package(name, closure="depends") for name in target.cross_packages)
    return sets


def requests(machine: Machine, build: Architecture) -> dict[str, dict[str, Request]]:
    """What config.lock must cover to build `machine` on `build`: by set, how much of each package."""
    sets: dict[str, dict[str, Request]] = {
        SYSTEM: _requests(system_packages(machine)),
        INITRD: _requests(initrd_packages(machine)),
        **{name: _requests(packages) for name, packages in tools(machine, build).items()},
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
