"""Accounts that services and tmpfiles.d name."""

from pathlib import Path

import pytest

from notos import loader
from notos.features import registry
from notos.formats.tree import Tree
from notos.system import account_names


def said(tmp_path: Path, script: str = "", tmpfiles: str = "") -> list[str]:
    """Return the accounts that are missing with this run script and these lines of tmpfiles.d."""
    (tmp_path / "c.yaml").write_text("name: x\nservices: {web: {run: placeholder}}\n")
    features = registry.features(loader.load(tmp_path / "c.yaml").machine)
    runit, etc = Tree(), Tree()
    runit.text("services/web/run", f"#!/bin/sh\n{script}", executable=True)
    etc.text("passwd", "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/sh\n")
    etc.text("group", "root:x:0:\nwww-data:x:33:\nssl-cert:x:101:\n")
    found = account_names.lacking(features, etc=etc, runit=runit, tmpfiles={"web.conf": tmpfiles})
    messages = []
    for each in found:
        assert each.keys in (("services", "web", "run"), ())
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
    ],
)
def test_services(tmp_path: Path, script: str, missing: list[str]) -> None:
    assert said(tmp_path, script) == missing


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("d /run/web 0755 www-data ssl-cert - -", []),
        ("d /run/web 0755 web keys - -", ["user web", "group keys"]),
        ("d /run/web 0755 - - - -", []),
        ("d /run/web 0755 33 :33 - -", []),
        ("f+ /run/web 0644 :web", ["user web"]),
        ("D\t/run/web\t\t0755\tweb \troot", ["user web"]),
        ("# d /run/web 0755 web web", []),
        ("L /run/web - web web - /srv", []),
        ("d /run/web", []),
    ],
)
def test_tmpfiles(tmp_path: Path, line: str, missing: list[str]) -> None:
    assert said(tmp_path, tmpfiles=f"{line}\n") == missing


def test_the_message_says_where_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        'name: x\netc: {tmpfiles.d/web.conf: {text: "d /run/a\\nd /run/b 0755 web"}}\n'
    )
    features = registry.features(loader.load(tmp_path / "c.yaml").machine)
    texts = {"web.conf": "d /run/a\nd /run/b 0755 web"}
    (error,) = account_names.lacking(features, etc=Tree(), runit=Tree(), tmpfiles=texts)
    assert error.message == "etc.tmpfiles.d/web.conf:2 names the user web, which nothing creates"
    assert error.hint == "declare it in sysusers.d/NAME.conf below `etc`: u web - - /nonexistent"
    assert error.keys == ("etc", "tmpfiles.d/web.conf")
