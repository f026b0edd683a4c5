"""Accounts that scripts of the config name."""

from pathlib import Path

import pytest

from notos import loader
from notos.features import registry
from notos.formats.tree import Tree
from notos.system import account_names


def said(tmp_path: Path, script: str = "") -> list[str]:
    """Return the accounts that are missing with this run script."""
    (tmp_path / "c.yaml").write_text("name: x\nservices: {web: {run: placeholder}}\n")
    features = registry.features(loader.load(tmp_path / "c.yaml").machine)
    runit, etc = Tree(), Tree()
    runit.text("services/web/run", f"#!/bin/sh\n{script}", executable=True)
    etc.text("passwd", "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/sh\n")
    etc.text("group", "root:x:0:\nwww-data:x:33:\nssl-cert:x:101:\n")
    found = account_names.lacking(features, etc=etc, runit=runit)
    messages = []
    for each in found:
        assert each.keys == ("services", "web", "run")
        messages.append(each.message.partition(" names the ")[2].partition(",")[0])
    return messages


@pytest.mark.parametrize(
    ("script", "missing"),
    [
        ("exec chpst -u www-data httpd -f", []),
        ("exec chpst -u www-data:ssl-cert -e ./env httpd", []),
        ("exec chpst -u web httpd", ["user web"]),
        ("exec chpst -n 5 -uweb:www-data:keys httpd", ["group keys", "user web"]),
        ("exec chpst -u :1000:1000 httpd", []),
        ('exec chpst -u "$user" httpd -u web', []),
        ("exec chpst -e env -U web \\\n  httpd", ["user web"]),
        ("exec setuidgid web httpd", ["user web"]),
        ("exec runuser -u web -- httpd", ["user web"]),
        ("exec setpriv --reuid=web --regid keys --init-groups httpd", ["group keys", "user web"]),
        ("exec su -s /bin/sh -c httpd www-data", []),
        ("exec su web -c httpd", ["user web"]),
        ("exec su -c httpd web", ["user web"]),
        ("echo su nobody-else", []),
        ("# exec chpst -u web httpd\nexec httpd", []),
        ("exec curl -u web:secret http://x", []),
        # Only commands count, not their arguments.
        ("echo use sudo -u bob", []),
        ("grep -q chpst -u bob x", []),
        ("cat >/run/x <<EOF\nexec chpst -u bob x\nEOF\nexec httpd", []),
        ("trap 'chpst -u bob x' EXIT\nexec httpd", []),
        ("id bob || adduser -D bob; exec chpst -u bob x", []),
        ("if getent passwd bob >/dev/null; then exec setuidgid bob x; fi", []),
        ("groupadd -f keys; useradd -r bob\nexec chpst -u bob:keys x", []),
        ('exec chpst -u "${owner:-bob}" x', []),
        ("f() { exec chpst -u bob x; }\nif cd /srv; then f; fi", ["user bob"]),
        ("[ -e /run/x ] || exit 0\nexec env A=b nice -n 5 timeout 9 chpst -P -u bob x", ["user bob"]),
        ("exec chpst -e ./env setuidgid bob x", ["user bob"]),
        ("x | sudo -u bob y &\nwait", ["user bob"]),
        ("exec 2>&1\nexec /usr/bin/chpst -/ /srv -u bob x", ["user bob"]),
        ("exec chpst -u bob 'x", []),
    ],
)
def test_services(tmp_path: Path, script: str, missing: list[str]) -> None:
    assert said(tmp_path, script) == missing


def test_the_message_says_where_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "name: x\ntimers: {backup: {every: day, user: web, run: exec chpst -u :1 x}}\n"
        "boot: {prepare: exec chpst -u root:keys x}\n"
    )
    features = registry.features(loader.load(tmp_path / "c.yaml").machine)
    etc = Tree()
    etc.text("passwd", "root:x:0:0::/root:/bin/sh\n")
    etc.text("group", "root:x:0:\n")
    user, group = account_names.lacking(features, etc=etc, runit=Tree())
    assert user.message == "timers.backup.user names the user web, which nothing creates"
    assert user.hint == "add it to the config: users: {web: {system: true}}"
    assert user.keys == ("timers", "backup", "user")
    assert group.message == "boot.prepare.run names the group keys, which nothing creates"
    assert group.hint == "add it to the config: groups: {keys: {}}"
    assert group.keys == ("boot", "prepare", "run")


def test_an_account_that_another_script_creates(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "name: x\nboot: {prepare: adduser -D bob}\n"
        "timers: {backup: {every: day, user: bob, run: exec chpst -u bob x}}\n"
    )
    features = registry.features(loader.load(tmp_path / "c.yaml").machine)
    assert not list(account_names.lacking(features, etc=Tree(), runit=Tree()))


def test_scripts_in_other_languages_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text('name: x\nboot: {prepare: "#!/usr/bin/python3\\nchpst -u bob x"}\n')
    features = registry.features(loader.load(tmp_path / "c.yaml").machine)
    assert not list(account_names.lacking(features, etc=Tree(), runit=Tree()))
