"""Folders, owners and modes that maintainer scripts set."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notos.architecture import AMD64
from notos.features.model import Features
from notos.formats.tree import File, Symlink, Tree
from notos.integration import permissions, registry
from notos.system import etc, toplevel
from tests.integration.packages import laid_out, script
from tests.integration.test_accounts import BASE, text
from tests.signed_archive import Deb


def applied(folder: Path, *lines: str, files: dict[str, bytes | str] | None = None) -> Tree:
    made = Deb("made-up", files=files or {}, scripts={"postinst": script(*lines)})
    tree, context = laid_out(folder, [BASE, made])
    registry.apply(tree, context)
    return tree


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["mkdir -p /var/lib/a/"], ['d "/var/lib/a" 0755 - -']),
        (["mkdir -p -m 700 /var/lib/a", "chown root:adm /var/lib/a"], ['d "/var/lib/a" 0700 root adm']),
        (
            ["install -d -o root -gadm -m2750 /var/a /run/b"],
            ['d "/run/b" 2750 root adm', 'd "/var/a" 2750 root adm'],
        ),
        (["chown -R root:adm /var/lib/a", "chmod 0750 /var/lib/a"], ['Z "/var/lib/a" 0750 root adm']),
        (["install -d /var/run/a", "chmod g+ws,o-rx /var/run/a"], ['d "/run/a" 2770 - -']),
        (["dpkg-statoverride --update --add root adm 02710 /var/a"], ['z "/var/a" 2710 root adm']),
        (["touch /var/log/a", "chmod 640 /var/log/a", "chgrp adm /var/log/a"], ['f "/var/log/a" 0640 - adm']),
        (["ln -s /run/a /var/a"], ['L "/var/a" - - - - /run/a']),
        (["chown absent: /var/lib/a"], []),
        (["mkdir /usr/local/a /home/a"], []),
    ],
)
def test_of_state_becomes_tmpfiles(tmp_path: Path, lines: list[str], found: list[str]) -> None:
    assert text(applied(tmp_path, *lines), permissions.TMPFILES).splitlines() == found


def test_of_etc_reaches_the_activation(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {"etc/redis/redis.conf": b"port 1\n", "etc/plain.conf": b"plain\n"}
    tree = applied(
        tmp_path,
        "adduser --system --group redis",
        "dpkg-statoverride --update --add redis redis 640 /etc/redis/redis.conf",
        "ln -s /etc/plain.conf /etc/other.conf",
        files=files,
    )
    assert tree.get("etc/other.conf") == Symlink("/etc/plain.conf")
    system = Tree()
    for path, entry in tree.items():
        if path != "usr":
            system.add(path.removeprefix("usr/"), entry)
    made = etc.build(
        Features(),
        packages=system,
        system=system,
        system_path="/nix/store/x-sw",
        opt=Tree(),
        target=AMD64,
        runit=Tree(),
        runit_path="/r",
        own=tmp_path,
    )
    number = next(line for line in text(made.tree, "passwd").splitlines() if line.startswith("redis:")).split(
        ":"
    )[2]
    assert isinstance(made.tree.get("redis/redis.conf"), File)
    assert made.tree.get("plain.conf") == Symlink("/nix/store/x-sw/etc/plain.conf")
    lines = toplevel._permissions(made).splitlines()
    assert lines == [
        f'chown -h {number}:{number} "$etc"/redis/redis.conf',
        'chmod 0600 "$etc"/gshadow "$etc"/shadow',
        'chmod 0640 "$etc"/redis/redis.conf',
    ]


def test_texts_of_scripts_are_files_in_etc(tmp_path: Path) -> None:
    tree = applied(
        tmp_path,
        "if [ ! -e /etc/made ]; then",
        "cat >/etc/made <<EOF",
        "a $1",
        "EOF",
        "fi",
        "echo one two >/etc/second",
        "echo x >/etc/present; echo $(hostname) >/etc/unknown; echo more >>/etc/extended",
        "if unknown; then echo yes >/etc/either; else echo no >/etc/either; fi",
        files={"etc/present": b"of the package"},
    )
    names = ("made", "second", "present", "unknown", "extended", "either")
    assert [text(tree, f"etc/{name}") for name in names] == [
        "a configure\n",
        "one two\n",
        "of the package",
        *[""] * 3,
    ]


CLAUSES = st.from_regex(r"\A[ugoa]{0,3}[-+=][rwxXst]{0,4}\Z").filter(lambda each: each[0] in "ugoa")


@given(mode=st.integers(0, 0o7777), text=st.lists(CLAUSES, min_size=1, max_size=3).map(",".join))
def test_chmod_agrees(tmp_path_factory: pytest.TempPathFactory, mode: int, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "chmod"
    path.write_bytes(b"")
    path.chmod(mode)
    subprocess.run(["chmod", text, str(path)], check=True)
    assert permissions.changed(mode, text) == path.stat().st_mode & 0o7777
