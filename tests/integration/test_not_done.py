"""The report of maintainer scripts' commands that are not done."""

from pathlib import Path

import pytest

from notos.architecture import AMD64
from notos.integration import not_done
from tests.integration.packages import laid_out, script
from tests.signed_archive import Deb


def reported(folder: Path, *lines: str, name: str = "made-up", text: str = "") -> list[str]:
    _, context = laid_out(folder, [Deb(name, scripts={"postinst": text or script(*lines)})])
    return [str(each) for each in not_done.find(context.packages.values(), AMD64)]


@pytest.mark.parametrize(
    "line",
    [
        "adduser --system --group made-up",
        "update-alternatives --install /usr/bin/x x /usr/bin/y 1",
        "dpkg-statoverride --update --add root adm 0750 /var/lib/x",
        "chown -R root:adm /var/lib/x",
        "dpkg-divert --add --rename --divert /usr/bin/x.other /usr/bin/x",
        "setcap cap_net_raw+ep /usr/bin/x",
        "systemctl daemon-reload || true",
        "deb-systemd-helper enable x.service >/dev/null",
        ". /usr/share/debconf/confmodule",
        "db_input low x/y || true; db_go",
        "ldconfig; py3compile -p x",
        "systemd-hwdb --usr update || true",
        'case "`ucfq -w /etc/x`" in *:old:*) f=--force ;; *) f= ;; esac; ucfr $f made-up /etc/x',
        "/usr/lib/x86_64-linux-gnu/glib-2.0/gio-querymodules /usr/lib/x86_64-linux-gnu/gio/modules",
        "/usr/lib/x/gdk-pixbuf-query-loaders >/usr/lib/x/2.10.0/loaders.cache 2>/var/log/x.log",
        "dbus-uuidgen --ensure; update-shells",
        "rm -f /etc/old.conf; echo done >&2",
        "echo 1 >/run/x 2>/dev/null",
        'if [ "$1" = upgrade ]; then unknown-program; fi',
        "install -m 644 /dev/null /etc/apparmor.d/local/x",
        "[ ! -e /etc/x ] || mv /etc/x /etc/y",
        "chown root:adm /var/log/x/*",
        "x=$(perl -e 'print 1')",
        "c=$(uname); if [ -e /proc/x ]; then $c /etc/x; fi",
        "if [ -d /run/systemd/system ]; then unknown-program; fi",
        "if [ -e /etc/absent ]; then unknown-program; fi",
    ],
)
def test_what_is_done_or_has_no_effect_is_not_reported(tmp_path: Path, line: str) -> None:
    assert reported(tmp_path, line) == []


@pytest.mark.parametrize(
    ("line", "end"),
    [
        ("make-ssl-cert generate-default-snakeoil", "calls make-ssl-cert generate-default-snakeoil"),
        ("hostname >/etc/mailname", "writes /etc/mailname"),
        ("hostname >/etc/x.tmp; mv -f /etc/x.tmp /etc/x", "writes /etc/x"),
        ("perl -e 1 >/etc/x.ucftmp; ucf --three-way /etc/x.ucftmp /etc/x; rm /etc/x.ucftmp", "writes /etc/x"),
        ('f() { "$@"; }; f make-x $(hostname) /etc', "calls make-x … /etc"),
        ("date >>/etc/x", "writes /etc/x"),
        ('adduser --system "$(cat /etc/name)"', 'calls adduser --system "$(cat /etc/name)"'),
        ("adduser person", "calls adduser person"),
        (". /usr/share/x/functions", "calls . /usr/share/x/functions"),
        ("eval $(hostname)", "calls eval $(hostname)"),
        ("update-mime", "calls update-mime"),
        ("mandb -c", "calls mandb -c"),
        ("update-info-dir", "calls update-info-dir"),
        ("for each in a b; do configure_it; done", "calls configure_it"),
        ("cp /usr/share/x/x.conf /etc/x.conf", "calls cp /usr/share/x/x.conf /etc/x.conf"),
        ("sed -i s/a/b/ /etc/x", "calls sed -i s/a/b/ /etc/x"),
        ("[ -e /proc/x ] && cp /usr/share/y /etc/y", "calls cp /usr/share/y /etc/y"),
    ],
)
def test_the_rest_is_reported_once(tmp_path: Path, line: str, end: str) -> None:
    assert reported(tmp_path, line) == [f"postinst of made-up {end}, which is not done"]


def test_scripts_that_are_not_understood_are_reported(tmp_path: Path) -> None:
    assert reported(tmp_path, text="#!/usr/bin/perl\n") == [
        "postinst of made-up is not understood (it is a script for /usr/bin/perl), which is not done"
    ]


def test_the_base_of_a_system_is_done(tmp_path: Path) -> None:
    assert reported(tmp_path, "unknown-program", name="base-files") == []


def test_a_change_of_an_account_that_no_script_creates_is_reported(tmp_path: Path) -> None:
    base = Deb(
        "base-passwd",
        files={
            "usr/share/base-passwd/passwd.master": b"www-data:*:33:33::/var/www:/bin/sh\n",
            "usr/share/base-passwd/group.master": b"www-data:*:33:\nadm:*:4:\n",
        },
    )
    own = Deb("own", files={"usr/lib/sysusers.d/own.conf": b"u own -\n"})
    other = Deb("other", scripts={"postinst": script("adduser --system --group other")})
    made = Deb(
        "made-up",
        scripts={
            "postinst": script(
                "usermod -s /bin/bash www-data",
                "usermod -aG adm www-data",
                "usermod --home /srv own",
                "adduser --system own",
                "usermod -d /srv other",
            )
        },
    )
    _, context = laid_out(tmp_path, [base, own, other, made])
    assert [each.text for each in not_done.find(context.packages.values(), AMD64)] == [
        "calls usermod -s /bin/bash www-data",
        "calls usermod --home /srv own",
    ]
