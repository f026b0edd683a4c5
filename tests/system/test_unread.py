"""Files of the config at places that nothing in the machine reads."""

import pytest

from notos.formats.tree import File, Symlink, Tree
from notos.system.unread import unread

KEYS = ("etc", "x")


def messages(path: str, *programs: str) -> list[str]:
    tree = Tree()
    for each in programs:
        tree.add(each, File(b"", executable=True))
    tree.symlink("bin/busybox", "busybox")
    return [str(error) for error in unread([(path, KEYS)], tree)]


@pytest.mark.parametrize(
    ("path", "advice", "reader"),
    [
        ("/etc/fstab", "mounts", "bin/mount"),
        ("/etc/systemd/system/web.service", "services", None),
        ("/etc/systemd/system/web.service.d/limits.conf", "services", None),
        ("/usr/lib/systemd/system/web.timer", "timers", None),
        ("/etc/systemd/network/10-lan.network", "network", None),
        ("/etc/systemd/journald.conf", "systemd does not run", None),
        ("/etc/network/interfaces.d/lan", "network", "sbin/ifup"),
        ("/etc/netplan/01.yaml", "network", None),
        ("/etc/rc.local", "boot", None),
        ("/etc/cron.d/backup", "timers", "sbin/cron"),
        ("/etc/cron.daily/backup", "timers", "sbin/anacron"),
        ("/etc/udev/rules.d/90-x.rules", "package udev", "lib/systemd/systemd-udevd"),
        ("/etc/sudoers.d/alice", "sudo: true", "bin/sudo"),
        ("/etc/ssh/sshd_config.d/x.conf", "openssh", "sbin/sshd"),
        ("/etc/nftables.conf", "nft -f", "sbin/nft"),
        ("/etc/default/keyboard", "keymap", None),
        ("/etc/modules-load.d/x.conf", "modules_load", None),
        ("/etc/locale.gen", "locale", None),
    ],
)
def test_the_advice_names_what_does_it(path: str, advice: str, reader: str | None) -> None:
    (message,) = messages(path)
    assert message.startswith(f"nothing in this machine reads {path}: ")
    assert advice in message
    if reader:
        assert messages(path, reader) == []


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/profile.d/x.sh", "/etc/nginx/nginx.conf", "/etc/sysctl.d/x.conf", "/etc/modprobe.d/x.conf"),
        *(
            "/etc/default/locale",
            "/etc/default/nginx",
            "/etc/init.d/x",
            "/etc/ssh/ssh_config",
            "/srv/etc/fstab",
        ),
    ],
)
def test_other_files_are_accepted(path: str) -> None:
    assert messages(path) == []


def test_an_applet_of_busybox_is_no_reader() -> None:
    tree = Tree()
    tree.symlink("bin/mount", "busybox")
    assert len(list(unread([("/etc/fstab", KEYS)], tree))) == 1
    tree.replace("bin/mount", Symlink("mount.real"))
    assert not list(unread([("/etc/fstab", KEYS)], tree))


def test_a_key_has_one_error_and_other_files_have_none() -> None:
    files = [(f"/etc/systemd/system/{name}.service", KEYS) for name in "cab"]
    (error,) = unread([*files, ("/etc/fstab", ())], Tree())
    assert str(error).startswith("nothing in this machine reads /etc/systemd/system/a.service and 2 more: ")
    assert error.keys == KEYS
