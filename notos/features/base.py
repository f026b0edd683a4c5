"""The base of every machine: runit, busybox, initial accounts, terminals, and their kernel symbols."""

from notos.config.model import Machine, Package, PackageName
from notos.config.reader import Checks
from notos.debian import name_sources
from notos.features.model import Copy, EtcFile, Feature, Text
from notos.kernel.requirements import Requirement

KEYS = ()
CHECKS: Checks = {}

# Descriptions of common terminals (terminfo(5)): in ncurses-base, and only in ncurses-term.
_TERMINALS = """
ansi dumb linux rxvt* screen screen-256color screen.xterm-256color tmux tmux-256color vt100 vt220 xterm
xterm-256color xterm-color
"""
_MORE_TERMINALS = """
alacritty foot ghostty gnome gnome-256color kitty konsole konsole-256color putty putty-256color
st st-256color vte vte-256color wezterm xterm-direct
"""


def _terminfo(names: str) -> tuple[str, ...]:
    """Return globs for the descriptions in `names`, separated by blanks."""
    return tuple(f"usr/*/terminfo/{name[0]}/{name}" for name in names.split())


def _package(name: str, *only: str) -> Package:
    return Package(name=PackageName(name), only=only)  # type: ignore[arg-type]


# Initial accounts, runit, the programs that its scripts run, and the tables that nsswitch.conf refers to.
PACKAGES = (
    _package("busybox"),
    _package("base-passwd", "usr/share/base-passwd/*"),
    _package("ncurses-base", *_terminfo(_TERMINALS)),
    _package("ncurses-term", *_terminfo(_MORE_TERMINALS)),
    _package("kitty-terminfo", *_terminfo("xterm-kitty")),
    _package("netbase", "etc/protocols", "etc/services"),
    _package("runit", "usr/bin/*", "usr/sbin/*", "usr/lib/sysusers.d/*"),
)

# Without these a machine does not reach its services.
REQUIREMENTS = (
    Requirement("BLK_DEV_INITRD", "to unpack the initrd"),
    Requirement("RD_ZSTD", "to unpack the initrd"),
    Requirement("MULTIUSER", "for services with their own users"),
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
    Requirement("MAGIC_SYSRQ", "to sync and unmount file systems at shutdown"),
    Requirement("VIRTIO_BLK", "for the root's drive", "virtio_blk"),
    Requirement("SQUASHFS", "to mount the root", "squashfs"),
    Requirement("SQUASHFS_ZSTD", "to read the root"),
    Requirement("OVERLAY_FS", "for the writable store", "overlay"),
)

_MEMORY = 24  # MiB, measured with the services of config.yaml except Nix

_ACCOUNTS = "declare accounts in sysusers.d/NAME.conf"
_RESERVED = {
    **dict.fromkeys(("passwd", "group", "shadow", "gshadow"), _ACCOUNTS),
    **dict.fromkeys(("runit", "service"), "declare services under services"),
    "mtab": "it lists the mounted file systems",
}


def feature(machine: Machine) -> Feature:
    """Return the base."""
    release = f'NAME=Notos\nID=notos\nID_LIKE=debian\nPRETTY_NAME="Notos ({machine.debian.suite})"\n'
    target = machine.target
    console = Requirement(target.console_symbol, f"for the console on {target.console}")
    return Feature(
        packages=PACKAGES,
        requirements=(*REQUIREMENTS, console),
        etc=(
            EtcFile(path="nsswitch.conf", content=Text(name_sources.TEXT), yields=True),
            EtcFile(path="profile", content=Copy("profile")),
            EtcFile(path="os-release", content=Text(release)),
        ),
        memory=_MEMORY,
        reserved_etc=_RESERVED,
    )
