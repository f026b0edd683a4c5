"""Folders of systemd's units."""

from pathlib import Path

import pytest

from notos.integration import permissions, registry
from tests.integration.packages import laid_out, script
from tests.integration.test_accounts import BASE, text
from tests.signed_archive import Deb

_USER = ["User=redis", "Group=redis"]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        # redis-server
        (
            [*_USER, "RuntimeDirectory=redis", "RuntimeDirectoryMode=2755"],
            ['d "/run/redis" 2755 redis redis'],
        ),
        # mosquitto: as root, and then for its account
        (
            [
                "ExecStartPre=/bin/mkdir -m 740 -p /run/mosquitto",
                "ExecStartPre=-/bin/chown redis:redis /run/mosquitto",
            ],
            ['d "/run/mosquitto" 0740 redis redis'],
        ),
        (["User=redis", "ExecStartPre=mkdir -p /run/x"], ['d "/run/x" 0755 redis redis']),
        (["User=redis", "ExecStartPre=+mkdir -p /run/x"], ['d "/run/x" 0755 - -']),
        (["ExecStartPre=/bin/sh -c 'mkdir -p /run/x && chmod 700 /run/x'"], ['d "/run/x" 0700 - -']),
        (
            [
                "# StateDirectory=comment",
                "StateDirectory=a \\",
                "  # within",
                "  b/c:link",
                "CacheDirectory=%p",
                "LogsDirectory=lost",
                "LogsDirectory=",
            ],
            [
                'd "/var/cache/made-up" 0755 root root',
                'd "/var/lib/a" 0755 root root',
                'd "/var/lib/b/c" 0755 root root',
            ],
        ),
        (["User=redis", "RuntimeDirectory=x-%i", "ExecStartPre=mkdir /run/%I"], []),
        (["User=%i", "RuntimeDirectory=x"], []),
        (["ExecStartPre=/usr/sbin/check --it 'now", "RuntimeDirectory=x"], ['d "/run/x" 0755 root root']),
        (["[Socket]", "RuntimeDirectory=x"], []),
        (
            ["StateDirectory=a", "ExecStartPre=/bin/sh -c 'echo x &&'", "ExecStartPre=mkdir /run/b"],
            ['d "/run/b" 0755 - -', 'd "/var/lib/a" 0755 root root'],
        ),
        (
            [
                "ExecStartPre=sh -c 'exit 0'",
                "ExecStartPre=sh -c 'umask 077; mkdir /run/a'",
                "RuntimeDirectory=b",
            ],
            ['d "/run/a" 0700 - -', 'd "/run/b" 0755 root root'],
        ),
    ],
)
def test_become_tmpfiles(tmp_path: Path, lines: list[str], found: list[str]) -> None:
    made = Deb(
        "made-up",
        files={
            "usr/bin/made-up": b"",
            "usr/lib/systemd/system/made-up.service": "\n".join(["[Unit]", "[Service]", *lines, ""]).encode(),
        },
        scripts={"postinst": script("adduser --system --group redis")},
    )
    tree, context = laid_out(tmp_path, [BASE, made])
    registry.apply(tree, context)
    got = text(tree, permissions.TMPFILES).splitlines() if found else permissions.TMPFILES in tree
    assert got == (found or False)


def test_templates_have_only_what_is_the_same_for_all(tmp_path: Path) -> None:
    unit = b"[Service]\nRuntimeDirectory=%p/%i\nStateDirectory=shared\n"
    files: dict[str, bytes | str] = {"usr/bin/x": b"", "usr/lib/systemd/system/made-up@.service": unit}
    made = Deb("made-up", files=files)
    tree, context = laid_out(tmp_path, [BASE, made])
    registry.apply(tree, context)
    assert text(tree, permissions.TMPFILES) == 'd "/var/lib/shared" 0755 root root\n'


def test_sockets_have_their_folders(tmp_path: Path) -> None:
    """dbus has no other declaration of /run/dbus."""
    unit = b"[Socket]\nListenStream=/run/dbus/system_bus_socket\nListenStream=/run/x\nListenStream=22\n"
    files: dict[str, bytes | str] = {"usr/bin/x": b"", "usr/lib/systemd/system/dbus.socket": unit}
    tree, context = laid_out(tmp_path, [BASE, Deb("made-up", files=files)])
    registry.apply(tree, context)
    assert text(tree, permissions.TMPFILES) == 'd "/run/dbus" 0755 - -\n'
