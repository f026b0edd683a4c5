"""Kinds of files that most machines do not need, by their usr-merged paths.

A machine has the files of a kind if one of these is true:

    system.keep names the kind
    a package with a program that reads them is installed (`readers`), or named by the config (`viewers`)
    the package consists of them (`owners`), or the config names it and it has no other files
    the config names the package, or a package that needs it, and expects them (`requested`)

Other files are never left out. unpack.py applies these rules.
"""

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from notos.config.value_types import FileKind


@dataclass(frozen=True)
class Kind:
    """A kind of files: globs of their paths, and globs of package names.

    All packages have their files of this kind where one of the packages `readers` is installed, or where the
    config names one of `viewers`. The packages `owners` always have theirs. If `requested` is True, so have
    the packages that the config names and those that they need.
    """

    globs: tuple[str, ...]
    readers: tuple[str, ...] = ()
    viewers: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    requested: bool = False


_COMPILERS = ("cpp-[0-9]*", "clang-[0-9]*", "tcc", "golang-[0-9]*-go", "bindgen", "swig*")

KINDS: Mapping[FileKind, Kind] = {
    "doc": Kind(("usr/share/doc/*", "usr/share/doc-base/*", "usr/share/info/*"), viewers=("info",)),
    "man": Kind(("usr/share/man/*",), viewers=("man-db", "mandoc")),
    "locales": Kind(("usr/share/locale/*", "usr/share/i18n/*"), owners=("locales", "locales-all")),
    # Samba converts to CP850, and so do the tools for FAT file systems. libc-bin has iconv(1).
    "gconv": Kind(
        ("usr/lib/*/gconv/*",),
        readers=("dosfstools", "mtools", "samba-libs"),
        viewers=("libc-bin",),
        owners=("libc-gconv-modules-extra",),
    ),
    "headers": Kind(("usr/include/*",), readers=_COMPILERS, owners=("*-dev",)),
    "completions": Kind(
        ("usr/share/bash-completion/*", "usr/share/fish/*", "usr/share/zsh/*"),
        readers=("bash-completion", "fish", "zsh"),
        owners=("fish-*", "zsh-*"),
    ),
    "cron": Kind(("etc/cron.*/*",), readers=("cron", "anacron", "bcron", "cronie", "systemd-cron", "cron-*")),
    "logrotate": Kind(("etc/logrotate.d/*",), readers=("logrotate",)),
    "defaults": Kind(("etc/default/*",), requested=True),
    "skel": Kind(("etc/skel/*",), readers=("adduser", "passwd")),
    "dhcp": Kind(("etc/dhcp/*",), readers=("isc-dhcp-*", "dhcpcd*")),
    "ifupdown": Kind(("etc/network/*",), readers=("ifupdown*",)),
    "ppp": Kind(("etc/ppp/*",), readers=("ppp", "pppoe*")),
    "networkd": Kind(("usr/lib/networkd-dispatcher/*",), readers=("networkd-dispatcher",)),
    "networkmanager": Kind(("usr/lib/NetworkManager/*",), readers=("network-manager*",)),
    "firewall": Kind(("etc/ufw/*",), readers=("ufw",)),
    "apparmor": Kind(("etc/apparmor.d/*",), readers=("apparmor",), owners=("apparmor-profiles*",)),
    "debuggers": Kind(("usr/share/gdb/*", "usr/share/gcc/*"), readers=("gdb", "gdb-*", "lldb-*")),
    "systemd": Kind(
        (
            "etc/systemd/*",
            "usr/lib/systemd/ssh_config.d/*",
            "usr/lib/systemd/system/*",
            "usr/lib/systemd/system-preset/*",
            "usr/lib/systemd/user/*",
        ),
        owners=("systemd",),
    ),
    "init": Kind(
        (
            "etc/init.d/*",
            "etc/init/*",
            "etc/rc?.d/*",
            "etc/runit/*",
            "etc/sv/*",
            "etc/update-motd.d/*",
            "usr/lib/runit-helper/*",
            "usr/share/runit/*",
        )
    ),
    # Read by dpkg, debconf, lintian, bug reporters, and hooks of kernel packages.
    "packaging": Kind(
        (
            "etc/apport/*",
            "etc/dpkg/*",
            "etc/kernel/*",
            "etc/logcheck/*",
            "usr/share/apport/*",
            "usr/share/bug/*",
            "usr/share/debconf/*",
            "usr/share/dpkg/*",
            "usr/share/initramfs-tools/*",
            "usr/share/lintian/*",
            "usr/share/menu/*",
            "usr/share/reportbug/*",
        ),
        readers=("logcheck",),
        owners=("debconf", "dpkg", "dpkg-dev", "initramfs-tools*", "lintian", "reportbug"),
    ),
}

# Links that update-alternatives(1) makes on Debian.
_NEVER = ("etc/alternatives/*",)


# Files about a package itself (Debian policy 12): they do not count as its contents.
_NOTICES = (
    "usr/share/doc/*/copyright",
    "usr/share/doc/*/changelog*",
    "usr/share/doc/*/NEWS*",
    "usr/share/doc/*/README*",
    *KINDS["packaging"].globs,
)


def kept_kinds(keep: Iterable[str], packages: Iterable[str], named: Iterable[str]) -> frozenset[str]:
    """Return the kinds that all packages keep: those in `keep`, and those with a program that reads them.

    `packages` are the names of the installed packages, `named` those that the config names.
    """
    names, chosen = list(packages), list(named)
    return frozenset(keep) | {
        kind for kind, each in KINDS.items() if _any(each.readers, names) or _any(each.viewers, chosen)
    }


def unwanted(
    kept: Iterable[str] = (), package: str = "", *, requested: bool = False
) -> Callable[[str], bool]:
    """Return a predicate for the usr-merged paths of `package` that are left out.

    `kept` are the kinds that all packages keep. `requested` is True if the config names the package, or one
    that needs it.
    """
    names = frozenset(kept)
    left_out = (
        glob
        for name, kind in KINDS.items()
        if name not in names
        and not (requested and kind.requested)
        and not (package and _any(kind.owners, [package]))
        for glob in kind.globs
    )
    return matcher((*_NEVER, *left_out))


def has_contents(paths: Iterable[str]) -> bool:
    """Return True if one of `paths` is not just a notice about its package (copyright, changelog)."""
    notice = matcher(_NOTICES)
    return not all(map(notice, paths))


def _any(globs: tuple[str, ...], names: Iterable[str]) -> bool:
    match = matcher(globs)
    return bool(globs) and any(match(name) for name in names)


@cache
def matcher(globs: tuple[str, ...]) -> Callable[[str], bool]:
    """Return a predicate for names that match one of `globs`."""
    pattern = re.compile("|".join(fnmatch.translate(glob) for glob in globs))
    return lambda path: pattern.match(path) is not None
