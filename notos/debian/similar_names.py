"""Suggestions for a package name that does not exist.

The first of these searches with a result counts: packages that provide the name; packages with a program
of that name, and names that begin with it; names with two adjacent letters swapped; names with a similar
spelling; the name without its last part; short names with one different letter; names that end with it.
Results are sorted by the number of packages that depend on them.
"""

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence

from notos.architecture import Architecture

MOST = 3
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789+-."  # of a package's name (Debian policy 5.6.1)
_SHORT = range(3, 6)  # lengths of names for which difflib does not find a single wrong letter

# Programs whose package has another name, and names in other distributions. The archive's Contents file has
# the programs too, but is a download of 13 MB.
PROGRAMS: Mapping[str, Sequence[str]] = {
    name: packages.split()
    for names, packages in (
        ("sshd ssh-server", "openssh-server"),
        ("ssh scp sftp ssh-keygen", "openssh-client"),
        ("java jre", "default-jre-headless default-jre"),
        ("javac jdk openjdk", "default-jdk-headless default-jdk"),
        ("node npx", "nodejs"),
        ("go golang", "golang-go"),
        ("rust", "rustc cargo"),
        ("pip pip3", "python3-pip"),
        ("docker dockerd moby", "docker.io"),
        ("mysql", "default-mysql-server default-mysql-client"),
        ("mysqld", "default-mysql-server mariadb-server"),
        ("psql", "postgresql-client"),
        ("redis-cli", "redis-tools"),
        ("ip ss bridge", "iproute2"),
        ("ifconfig netstat route arp", "net-tools"),
        ("dig nslookup nsupdate", "bind9-dnsutils"),
        ("host", "bind9-host"),
        ("named bind", "bind9"),
        ("nc ncat netcat", "netcat-openbsd"),
        ("ntpd ntp", "ntpsec chrony"),
        ("chronyd", "chrony"),
        ("ps top free vmstat pgrep pkill watch uptime", "procps"),
        ("killall pstree fuser", "psmisc"),
        ("lspci", "pciutils"),
        ("lsusb", "usbutils"),
        ("lsmod modprobe insmod", "kmod"),
        ("lsblk mkswap swapon", "util-linux"),
        ("mkfs.ext4 mke2fs fsck.ext4 resize2fs", "e2fsprogs"),
        ("mkfs.vfat", "dosfstools"),
        ("crontab crond cronie", "cron"),
        ("vi", "vim-tiny"),
        ("xxd", "xxd"),
        ("apache apache2ctl", "apache2"),
        ("docker-compose-plugin", "docker-compose"),
        ("ld as objdump strip", "binutils"),
        ("cc c++ g++ make", "build-essential"),
        ("ls cp mv cat", "coreutils"),
        ("awk", "mawk gawk"),
        ("7z 7za", "7zip"),
        ("rg", "ripgrep"),
        ("fd", "fd-find"),
        ("gpg", "gpg"),
        ("journalctl systemctl", "systemd"),
        ("wg wg-quick", "wireguard-tools"),
        ("nft", "nftables"),
        ("glibc", "libc6"),
    )
    for name in names.split()
}

# Language bindings: a user who writes only the name of a library seldom means these.
_BINDINGS = re.compile(
    r"(?:cl|elpa|erlang|gambas3|golang|lib\w*|lua|node|ocaml|php[0-9.]*|puppet|python3?|r|ruby|tcl)-"
)


def programs(target: Architecture) -> Mapping[str, Sequence[str]]:
    """Return the packages of each program, with those that every architecture has by another name."""
    kernels = [target.general_kernel_package, target.kernel_package]
    return {
        **PROGRAMS,
        **dict.fromkeys(("kvm", "qemu"), list(target.qemu_packages)[:1]),
        **dict.fromkeys(("kernel", "linux", "linux-kernel"), kernels),
    }


def meant(
    name: str,
    names: Collection[str],
    providers: Sequence[str],
    popularity: Callable[[str], int],
    target: Architecture,
) -> list[str]:
    """Return at most three of `names` that `name` may mean, the most likely first.

    `providers` have `name` in their Provides; `popularity` is the number of packages that depend on one.
    """

    def ranked(found: Collection[str]) -> list[str]:
        return sorted(found, key=lambda each: (-popularity(each), len(each), each))

    known = [each for each in programs(target).get(name, ()) if each in names]
    if providers:
        return ranked(providers)[:MOST]
    stem = re.escape(name)
    begins = re.compile(rf"{stem}(?:[0-9][0-9a-z.]*|[-.][a-z].*|js|s|ql|d)")
    if found := [*known, *ranked([each for each in names if begins.fullmatch(each)])]:
        return list(dict.fromkeys(found))[:MOST]
    return (
        ranked(_swapped(name) & {*names})[:MOST]
        or difflib.get_close_matches(name, names, MOST, 0.9)
        or [each for each in _shorter(name) if each in names][:1]
        or difflib.get_close_matches(name, names, MOST, 0.8)
        or ranked(_replaced(name) & {*names} if len(name) in _SHORT else ())[:MOST]
        or sorted(ranked([each for each in names if each.endswith(f"-{name}")]), key=_is_binding)[:MOST]
    )


def _is_binding(package: str) -> bool:
    return _BINDINGS.match(package) is not None


def _swapped(name: str) -> set[str]:
    """Return all names that become `name` when two adjacent letters are swapped."""
    swaps = range(len(name) - 1)
    return {name[:at] + name[at + 1] + name[at] + name[at + 2 :] for at in swaps} - {name}


def _replaced(name: str) -> set[str]:
    """Return all names that differ from `name` in one letter."""
    return {name[:at] + each + name[at + 1 :] for at in range(len(name)) for each in _LETTERS} - {name}


def _shorter(name: str) -> list[str]:
    """Return `name` without its last parts, the longest first: nginx for nginx-server, vim for vim8."""
    parts = re.split(r"(?=[-.])|(?<=[a-z])(?=[0-9]+$)", name)
    return ["".join(parts[:length]) for length in range(len(parts) - 1, 0, -1)]
