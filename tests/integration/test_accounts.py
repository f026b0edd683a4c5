"""Accounts that packages create, by scripts and by units."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from notos.debian.maintainer_scripts import ScriptCall
from notos.debian.shell_calls import Call
from notos.formats.tree import File, Tree
from notos.integration import accounts, folders, registry
from notos.system import sysusers
from tests.integration.packages import laid_out, script
from tests.signed_archive import Deb

BASE = Deb(
    "base-passwd",
    files={
        "usr/share/base-passwd/passwd.master": b"root:*:0:0:root:/root:/bin/bash\n",
        "usr/share/base-passwd/group.master": b"root:*:0:\nadm:*:4:\nnogroup:*:65534:\n",
    },
)


def text(tree: Tree, path: str) -> str:
    entry = tree.get(path)
    return entry.read().decode() if isinstance(entry, File) else ""


def postinst(name: str, *lines: str) -> Deb:
    return Deb(name, scripts={"postinst": script(*lines)})


def lines(folder: Path, *made: Deb) -> list[str]:
    """Return the lines of the sysusers.d file; the file is valid."""
    tree, context = laid_out(folder, [BASE, *made])
    accounts.apply(tree, context)
    found = text(tree, accounts.SYSUSERS)
    names = sorted(path for path, _ in tree.items() if path.startswith("usr/lib/sysusers.d/"))
    sysusers.accounts(
        {path: text(tree, path) for path in names},
        passwd=text(tree, "usr/share/base-passwd/passwd.master"),
        group=text(tree, "usr/share/base-passwd/group.master"),
    )
    return found.splitlines()


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        (
            ["adduser --system --group --quiet --home /var/lib/a --no-create-home --gecos 'An a' a"],
            ['u a - "An a" /var/lib/a /usr/sbin/nologin'],
        ),
        (
            ["adduser --system --no-create-home a"],
            ["g nogroup -", 'u a -:nogroup "" /nonexistent /usr/sbin/nologin'],
        ),
        (
            ["addgroup --system g", "adduser --system --ingroup g --shell=/bin/sh a"],
            ["g g -", 'u a -:g "" /nonexistent /bin/sh'],
        ),
        (["getent group g || groupadd -r -g 120 g"], ["g g 120"]),
        (
            ["if ! getent passwd a; then", "useradd --system -U -M -d /srv/a -s /bin/false -u 150 a", "fi"],
            ['u a 150 "" /srv/a /bin/false'],
        ),
        (
            ["adduser --system --group a", "usermod -aG adm a"],
            ['u a - "" /nonexistent /usr/sbin/nologin', "m a adm"],
        ),
        (
            ["adduser --system --group a", "adduser a adm"],
            ['u a - "" /nonexistent /usr/sbin/nologin', "m a adm"],
        ),
        (
            ["adduser --system --group a", "gpasswd -a a adm"],
            ['u a - "" /nonexistent /usr/sbin/nologin', "m a adm"],
        ),
        (["adduser --system --group a", "adduser a absent"], ['u a - "" /nonexistent /usr/sbin/nologin']),
        # A fixed number counts, also if the group is some user's primary group.
        (
            ["groupadd -r -g 123 g", "useradd -r -g g -d /srv -s /bin/sh a"],
            ["g g 123", 'u a -:g "" /srv /bin/sh'],
        ),
        (
            ["addgroup --system --gid 123 a", "adduser --system --ingroup a --uid 124 a"],
            ["g a 123", 'u a 124 "" /nonexistent /usr/sbin/nologin'],
        ),
        (
            ["adduser --system --group --gid 123 --uid 124 a"],
            ["g a 123", 'u a 124 "" /nonexistent /usr/sbin/nologin'],
        ),
        (["adduser --system --gid 4 a"], ['u a -:4 "" /nonexistent /usr/sbin/nologin']),
        (
            ["groupadd -g 123 g", "adduser --system --gid 123 a"],
            ["g g 123", 'u a -:123 "" /nonexistent /usr/sbin/nologin'],
        ),
        (
            ["adduser --system --gid 123 a"],
            ["g a 123", 'u a - "" /nonexistent /usr/sbin/nologin'],
        ),
        # A user without a group of its own.
        (
            ["adduser --system a", "adduser --system --group b", "adduser b a"],
            ['u a -:nogroup "" /nonexistent /usr/sbin/nologin', 'u b - "" /nonexistent /usr/sbin/nologin'],
        ),
        (["for g in one two; do addgroup --system $g; done"], ["g one -", "g two -"]),
    ],
)
def test_calls(tmp_path: Path, calls: Sequence[str], found: list[str]) -> None:
    made = [each for each in lines(tmp_path, postinst("made-up", *calls)) if each not in ("g nogroup -",)]
    assert made == [each for each in found if each != "g nogroup -"]


def test_homes_are_created_unless_the_call_says_no(tmp_path: Path) -> None:
    made = postinst(
        "made-up",
        "adduser --system --group --home /var/lib/a a",
        "adduser --system --group --home /var/lib/b --no-create-home b",
        "adduser --system --group c",
    )
    tree, context = laid_out(tmp_path, [BASE, made])
    accounts.apply(tree, context)
    assert text(tree, accounts.HOMES) == "d /var/lib/a 0755 a a\n"


def test_the_mode_that_a_script_gives_a_home_counts(tmp_path: Path) -> None:
    """The first line for a path counts, in the order of the files' names (tmpfiles.d(5))."""
    made = postinst(
        "redis-tools",
        "adduser --system --group --home /var/lib/redis redis",
        "install -d -o redis -g redis -m 750 /var/lib/redis",
    )
    tree, context = laid_out(tmp_path, [BASE, made])
    registry.apply(tree, context)
    files = [path for path, _ in tree.items() if path.startswith("usr/lib/tmpfiles.d/")]
    found = [line for path in sorted(files) for line in text(tree, path).splitlines()]
    assert found == ['d "/var/lib/redis" 0750 redis redis', "d /var/lib/redis 0755 redis redis"]
    assert folders.TMPFILES < accounts.HOMES


def test_a_sysusers_file_wins(tmp_path: Path) -> None:
    own = Deb("own", files={"usr/lib/sysusers.d/a.conf": b'u a 180 "mine" /var/lib/mine\ng h 181\n'})
    made = postinst("made-up", "addgroup --system h", "adduser --system --group a", "adduser a h")
    assert lines(tmp_path, own, made) == ["m a h"]


def test_units_name_accounts(tmp_path: Path) -> None:
    units = {
        "lib/systemd/system/a.service": b"[Service]\nUser=a\nGroup=g\nSupplementaryGroups=adm\n",
        "usr/lib/systemd/system/b.service": b"[Service]\nDynamicUser=yes\nUser = b\n",
        "usr/lib/systemd/system/c.socket": b"[Socket]\nSocketUser=root\nSocketGroup=%i\n",
        "usr/lib/systemd/system/d@.service": b"[Service]\nUser=%i\n#User=e\n",
    }
    tree, context = laid_out(tmp_path, [BASE, Deb("units", files=dict(units))])
    accounts.apply(tree, context)
    assert text(tree, accounts.SYSUSERS).splitlines() == [
        "g g -",
        'u a -:g "" /nonexistent /usr/sbin/nologin',
        'u b - "" /nonexistent /usr/sbin/nologin',
    ]
    assert not any("systemd/system" in path for path, _ in tree.items())


@pytest.mark.parametrize(
    "words",
    [
        ("adduser", "--system", None),
        ("adduser", "person"),
        ("useradd", "-r", None),
        ("addgroup", "--system", None, "g"),
        ("usermod", "-L", "a"),
        ("gpasswd", "-a", None, "g"),
        # Accounts that sysusers.d(5) cannot have.
        ("adduser", "--system", "a.b"),
        ("adduser", "--system", "--uid", "x", "a"),
        ("adduser", "--system", "--uid", "65535", "a"),
        ("adduser", "--system", "--ingroup", "a.b", "a"),
        ("adduser", "--system", "--gecos", "two\nlines", "a"),
        ("adduser", "--system", "--home", "/srv/../a", "a"),
        ("adduser", "--system", "--home", "/srv/%H", "a"),
        ("addgroup", "--system", "--gid", "012", "g"),
        ("groupadd", "-g", "4294967296", "g"),
        ("useradd", "-r", "-G", "a.b", "a"),
        ("usermod", "-s", "sh", "a"),
    ],
)
def test_unclear_calls_are_not_understood(words: tuple[str | None, ...]) -> None:
    assert not accounts.understood(ScriptCall("made-up", "postinst", Call(words, "", 1)))


def test_an_account_without_a_group_of_its_own_has_no_members(tmp_path: Path) -> None:
    own = Deb("own", files={"usr/lib/sysusers.d/a.conf": b"u web -:nogroup\nu app 180\n"})
    made = postinst("made-up", "adduser --system --group a", "adduser a web", "adduser a app")
    assert lines(tmp_path, own, made) == ['u a - "" /nonexistent /usr/sbin/nologin', "m a app"]


def test_a_usermod_counts_before_the_call_that_creates_the_account(tmp_path: Path) -> None:
    """Packages are read in the order of their names."""
    made = (postinst("a", "usermod -d /srv/x x"), postinst("b", "adduser --system --group x"))
    assert lines(tmp_path, *made) == ['u x - "" /srv/x /usr/sbin/nologin']
