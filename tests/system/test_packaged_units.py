"""The units object, from .debs: units, drop-ins, links, init scripts and configuration files."""

from pathlib import Path

from notos.debian.unpack import Aside, Unpack, unpack
from notos.integration.model import installed
from notos.system import packaged_units
from notos.system.packaged_units import PackagedUnits
from tests.signed_archive import Deb

UNITS = "usr/lib/systemd/system"
WEB = Deb(
    "web-common",
    files={
        f"{UNITS}/web.service": b"[Service]\nExecStart=/usr/sbin/web\n",
        f"{UNITS}/web@.service": b"[Service]\n",
        f"{UNITS}/web.timer": b"[Timer]\n",
        f"{UNITS}/web.service.d/more.conf": b"[Service]\nNice=1\n",
        f"{UNITS}/www.service": "web.service",
        "lib/systemd/system/old.socket": b"[Socket]\n",
        "etc/init.d/web": b"#!/bin/sh\n",
        "etc/web/web.conf": b"x\n",
        "usr/sbin/web": b"#!/bin/sh\n",
    },
    scripts={"conffiles": "/etc/init.d/web\nremove-on-upgrade /etc/old\n/etc/web/web.conf\n"},
)
OLD = Deb("old-daemon", files={"etc/init.d/old-daemon": b"#!/bin/sh\n", "usr/sbin/old": b""})


def made(folder: Path) -> tuple[PackagedUnits, set[str], Aside]:
    """Return the contents of the object, the paths in the machine, and what was read aside."""
    debs = []
    for each in (WEB, OLD):
        path = folder / each.file_name
        path.write_bytes(each.build())
        debs.append(Unpack(path, package=each.name, named=True))
    aside = Aside()
    tree = unpack(debs, aside=aside)
    return (
        packaged_units.read(packaged_units.build(aside, installed(debs))),
        {path for path, _ in tree.items()},
        aside,
    )


def test_the_object_has_all_units_which_the_machine_lacks(tmp_path: Path) -> None:
    units, machine, aside = made(tmp_path)
    assert set(units.texts) == {
        *(
            f"{UNITS}/{name}"
            for name in ("web.service", "web@.service", "web.timer", "web.service.d/more.conf")
        ),
        f"{UNITS}/old.socket",
    }
    assert units.texts[f"{UNITS}/web.service"] == b"[Service]\nExecStart=/usr/sbin/web\n"
    assert units.links == {f"{UNITS}/www.service": "web.service"}
    assert units.conf_files == {"web-common": ("/etc/init.d/web", "/etc/web/web.conf")}
    assert not any("systemd" in path or "init.d" in path for path in machine)
    assert set(aside.accounts) == {f"{UNITS}/web.service", f"{UNITS}/web@.service", f"{UNITS}/old.socket"}


def test_owners(tmp_path: Path) -> None:
    units, _, _ = made(tmp_path)
    for name in ("web.service", "www.service", "web@one.service", "web.timer"):
        assert units.has(name) and units.owner(name) == "web-common"
    assert not units.has("old-daemon.service")
    assert units.owner("old-daemon.service") == "old-daemon", "its init script"
    assert units.owner("nothing.service") == ""
