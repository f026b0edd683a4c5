"""The files of packages as one usr-merged tree, without files that no machine of Notos reads.

This module reads .debs; the lock selects them and their versions.
"""

import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from notos.debian import deb
from notos.errors import PackageError
from notos.formats.tree import Directory, Entry, File, Symlink, Tree

# Folders that usr-merge turned into links (Debian policy 9.1.1.1): /bin/x and /usr/bin/x are one file.
ALIASED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

# Left out unless `keep` names the group.
OPTIONAL = {
    "doc": ("usr/share/doc/*", "usr/share/doc-base/*", "usr/share/info/*"),
    "man": ("usr/share/man/*",),
    "locales": ("usr/share/locale/*", "usr/share/i18n/*"),
    "gconv": ("usr/lib/*/gconv/*",),
    "headers": ("usr/include/*",),
}

# Only read by dpkg, debconf, lintian, other init systems and hooks of packages, which do not run here.
UNUSED = (
    "etc/alternatives/*",
    "etc/apparmor.d/*",
    "etc/apport/*",
    "etc/cron.*/*",
    "etc/default/*",
    "etc/dhcp/*",
    "etc/dpkg/*",
    "etc/init.d/*",
    "etc/init/*",
    "etc/kernel/*",
    "etc/logcheck/*",
    "etc/logrotate.d/*",
    "etc/network/*",
    "etc/ppp/*",
    "etc/rc?.d/*",
    "etc/runit/*",
    "etc/skel/*",
    "etc/sv/*",
    "etc/systemd/*",
    "etc/ufw/*",
    "etc/update-motd.d/*",
    "usr/lib/NetworkManager/*",
    "usr/lib/networkd-dispatcher/*",
    "usr/lib/runit-helper/*",
    "usr/lib/systemd/system/*",
    "usr/lib/systemd/user/*",
    "usr/lib/systemd/system-preset/*",
    "usr/lib/systemd/ssh_config.d/*",
    "usr/share/apport/*",
    "usr/share/bash-completion/*",
    "usr/share/bug/*",
    "usr/share/debconf/*",
    "usr/share/dpkg/*",
    "usr/share/fish/*",
    "usr/share/gcc/*",
    "usr/share/gdb/*",
    "usr/share/initramfs-tools/*",
    "usr/share/lintian/*",
    "usr/share/menu/*",
    "usr/share/reportbug/*",
    "usr/share/runit/*",
    "usr/share/zsh/*",
)


@dataclass(frozen=True)
class Unpack:
    """A .deb on this host, with globs that select its files by their usr-merged paths.

    `package` is the name of the package, for messages.
    """

    path: Path
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    package: str = ""

    def __str__(self) -> str:
        return self.package or self.path.name


def unpack(debs: Sequence[Unpack], *, keep: Iterable[str] = (), jobs: int = 2) -> Tree:
    """Return one tree of all `debs`, with the usr-merged paths usr/…, etc/…, boot/… and so on.

    The .debs are decompressed by `jobs` threads (the libraries release the GIL). The result does not
    depend on the order of `debs`. Raises PackageError if two packages have different files at a path, or if
    `only` matches no file of a package.
    """
    left_out = unwanted(keep)
    result = Tree()
    owners: dict[str, Unpack] = {}
    with ThreadPoolExecutor(jobs) as pool:
        trees = pool.map(lambda each: deb.read(each.path, wanted=_wanted(each, left_out)), debs)
        for each, tree in sorted(zip(debs, trees, strict=True), key=lambda pair: pair[0].path):
            wanted = _wanted(each, left_out)
            files = {
                path: entry
                for path, entry in tree.items()
                if not isinstance(entry, Directory) and wanted(path)
            }
            if each.only and not files:
                raise PackageError(
                    f"`only` matches no file of the package {each}: {', '.join(each.only)}",
                    hint="paths begin with usr/ or etc/, as in usr/bin/ssh-*; dpkg -L PACKAGE lists them",
                    package=each.package,
                )
            for path, entry in files.items():
                _add(result, owners, merged(path), entry, each)
    return result


def merged(path: str) -> str:
    """Return `path` after usr-merge: usr/bin/sh for bin/sh."""
    top, slash, _ = path.partition("/")
    return f"usr/{path}" if slash and top in ALIASED else path


def unwanted(keep: Iterable[str]) -> Callable[[str], bool]:
    """Return a predicate for usr-merged paths that are left out; `keep` names groups of OPTIONAL to keep."""
    kept = frozenset(keep)
    optional = (glob for name, globs in OPTIONAL.items() if name not in kept for glob in globs)
    return _matcher((*UNUSED, *optional))


def _add(tree: Tree, owners: dict[str, Unpack], path: str, entry: Entry, owner: Unpack) -> None:
    present = tree.get(path)
    if present is None:
        tree.add(path, entry)
        owners[path] = owner
    elif not _same(present, entry):
        raise PackageError(
            f"the packages {owners[path]} and {owner} have different files at {path}",
            hint="remove one of the packages, or leave the file out with `exclude`",
            package=owner.package,
        )


def _same(one: Entry, other: Entry) -> bool:
    if isinstance(one, File) and isinstance(other, File):
        return one.executable == other.executable and one.read() == other.read()
    return isinstance(one, Symlink) and one == other


def chosen(only: tuple[str, ...], exclude: tuple[str, ...]) -> Callable[[str], bool]:
    """Return a predicate for paths that match a glob in `only`, unless it is empty, and none in `exclude`."""
    taken = _matcher(only) if only else None
    left = _matcher(exclude) if exclude else None

    def wanted(path: str) -> bool:
        return not (taken is not None and not taken(path)) and not (left is not None and left(path))

    return wanted


def _wanted(each: Unpack, left_out: Callable[[str], bool]) -> Callable[[str], bool]:
    taken = chosen(each.only, each.exclude)

    def wanted(path: str) -> bool:
        place = merged(path)
        return taken(place) and not left_out(place)

    return wanted


@cache
def _matcher(globs: tuple[str, ...]) -> Callable[[str], bool]:
    pattern = re.compile("|".join(fnmatch.translate(glob) for glob in globs))
    return lambda path: pattern.match(path) is not None
