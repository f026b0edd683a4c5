"""Check for files of the config at places that nothing in the machine reads.

Known are the places whose readers belong to Debian's boot: systemd, ifupdown, cron, udev and others. A user
who puts a file there expects an effect. It is accepted if the machine has a program that reads the place.
"""

import fnmatch
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from notos.errors import NotosError
from notos.formats.tree import Entry, Symlink, Tree

Keys = tuple[str, ...]  # of the config


class _Place(NamedTuple):
    """Paths, as globs whose `*` also matches a slash, the programs of /usr that read them, and advice."""

    globs: tuple[str, ...]
    readers: tuple[str, ...]
    advice: str


_SYSTEMD = ("etc/systemd/", "usr/lib/systemd/", "usr/local/lib/systemd/")
_FOLDERS = ("bin/", "sbin/", "lib/")  # of programs
_CRON = ("sbin/cron", "sbin/crond", "sbin/anacron", "bin/systemd-cron*")
_NETWORK = "write the network's settings in `network`"


def _systemd(*names: str) -> tuple[str, ...]:
    return tuple(f"{folder}*{name}" for folder in _SYSTEMD for name in names)


# The first that matches counts.
_PLACES = (
    _Place(_systemd(".network", ".netdev", ".link"), (), _NETWORK),
    _Place(_systemd(".timer"), (), "write timers: {NAME: {unit: ./NAME.timer}}"),
    _Place(_systemd(".mount", ".automount", ".swap"), (), "write mounts: {/data: {device: /dev/vdc}}"),
    _Place(_systemd(".service.d/*", ".socket.d/*"), (), "write services: {NAME: {set: {KEY: VALUE}}}"),
    _Place(_systemd(".service", ".socket"), (), "write services: {NAME: {unit: ./NAME.service}}"),
    _Place(
        ("etc/systemd/*", "usr/lib/systemd/system*"), (), "systemd does not run in this machine; remove it"
    ),
    _Place(("etc/network/interfaces*", "etc/network/if-*"), ("sbin/ifup",), _NETWORK),
    _Place(("etc/netplan/*",), (), _NETWORK),
    _Place(("etc/NetworkManager/*",), ("sbin/NetworkManager",), _NETWORK),
    _Place(
        ("etc/fstab",),
        ("bin/mount",),
        "write mounts: {/data: {device: /dev/vdc}}; or add the package mount, and run mount -a in a script",
    ),
    _Place(
        ("etc/crypttab",),
        ("sbin/cryptsetup",),
        "add the package cryptsetup-bin, and open the drive in a script: boot: {NAME: …}",
    ),
    _Place(
        ("etc/rc.local", "etc/rc[0-6S].d/*"), (), "write boot: {NAME: …} for a script that runs once at boot"
    ),
    _Place(("etc/inittab", "etc/init/*.conf"), (), "write services: {NAME: {run: …}}"),
    _Place(
        ("etc/crontab", "etc/cron.*", "etc/anacrontab"),
        _CRON,
        "write timers: {NAME: {every: day, run: …}}; or add the package cron and run it as a service",
    ),
    _Place(
        ("etc/udev/*", "usr/lib/udev/rules.d/*"),
        ("lib/systemd/systemd-udevd", "lib/udev/udevd", "bin/udevadm"),
        "add the package udev, which then runs as a service",
    ),
    _Place(("etc/sudoers*",), ("bin/sudo*",), "write users: {NAME: {sudo: true}}, or add the package sudo"),
    _Place(("etc/doas.conf",), ("bin/doas",), "add the package opendoas"),
    _Place(
        ("etc/logrotate*",),
        ("sbin/logrotate",),
        "logs of services are rotated without it; for other files add the package logrotate and a timer",
    ),
    _Place(("etc/rsyslog*",), ("sbin/rsyslogd",), "add the package rsyslog and run it as a service"),
    _Place(("etc/ssh/sshd_config*",), ("sbin/sshd",), "write ssh: {server: openssh}"),
    _Place(
        ("etc/nftables*",), ("sbin/nft",), "add the package nftables, and start nft -f in a script of `boot`"
    ),
    _Place(
        ("etc/iptables/*",),
        ("sbin/iptables*", "sbin/netfilter-persistent"),
        "add the package iptables, and start iptables-restore in a script of `boot`",
    ),
    _Place(
        ("etc/modules", "etc/modules-load.d/*", "usr/lib/modules-load.d/*"),
        (),
        "write modules_load: [NAME], and the module comes with the machine",
    ),
    _Place(
        ("etc/default/keyboard", "etc/vconsole.conf", "etc/default/console-setup"), (), "write keymap: de"
    ),
    _Place(("etc/locale.gen", "etc/locale.conf"), (), "write locale: de_DE.UTF-8"),
    _Place(
        ("etc/default/grub*", "etc/kernel/*", "etc/initramfs-tools/*", "etc/dracut*"),
        (),
        "Notos makes the initrd and the kernel's command line; see `kernel`, `boot` and kernel_params",
    ),
    _Place(
        ("etc/apt/*",), ("bin/apt-get",), "a machine's packages come from its config: system: {packages: […]}"
    ),
    _Place(
        ("etc/cloud/*", "etc/cloud-init*"),
        ("bin/cloud-init",),
        "see docs/howto/instances.md for data at boot",
    ),
)


def unread(files: Iterable[tuple[str, Keys]], system: Tree) -> Iterator[NotosError]:
    """Yield an error for each key with a file that nothing reads.

    `files` are absolute paths with the keys that define them, () for those of others; `system` is the tree of
    /usr. busybox' programs are links, and do not count as readers.
    """
    found: dict[tuple[Keys, int], list[str]] = {}
    for path, keys in files:
        if keys and (number := _place(path.lstrip("/"))) is not None:
            found.setdefault((keys, number), []).append(path)
    if not found:
        return
    programs = [path for path, entry in system.items() if path.startswith(_FOLDERS) and not _is_applet(entry)]
    for (keys, number), paths in found.items():
        place = _PLACES[number]
        if any(fnmatch.filter(programs, reader) for reader in place.readers):
            continue
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        yield NotosError(f"nothing in this machine reads {min(paths)}{more}", hint=place.advice, keys=keys)


def _is_applet(entry: Entry) -> bool:
    return isinstance(entry, Symlink) and entry.target.rpartition("/")[2] == "busybox"


def _place(path: str) -> int | None:
    return next(
        (
            number
            for number, place in enumerate(_PLACES)
            if any(fnmatch.fnmatchcase(path, each) for each in place.globs)
        ),
        None,
    )
