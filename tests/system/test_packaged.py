"""Files and folders of packages in /var, /srv and /opt."""

from pathlib import Path

import pytest

from notos.architecture import AMD64
from notos.cache import Cache
from notos.debian.deb import Attributes
from notos.debian.unpack import Unpack
from notos.formats.tree import Directory, File, Symlink, Tree
from notos.integration import folders
from notos.integration.model import Context
from notos.system import packaged, system_path
from notos.system.state import Member
from tests.conftest import Tool
from tests.dpkg import Dpkg
from tests.integration.packages import script
from tests.signed_archive import Deb

FILES: dict[str, bytes | str] = {
    "var/lib/made-up/index": b"1",
    "var/lib/made-up/private": b"2",
    "var/lib/made-up/latest": "index",
    "srv/made-up/hello.txt": b"hello",
    "opt/made-up/bin/run": b"#!/bin/sh\n",
    "usr/bin/made-up": b"#!/bin/sh\n",
}
MODES = {"var/lib/made-up/index": 0o644, "var/lib/made-up/private": 0o2640, "srv/made-up/hello.txt": 0o644}


def built(folder: Path, only: tuple[str, ...] = ()) -> tuple[Tree, Tree]:
    """Return system-path and the other object of a package."""
    path = folder / "made-up.deb"
    made = Deb("made-up", files=FILES, modes=MODES)
    path.write_bytes(made.build())
    apart = Tree()
    deb = Unpack(path, package="made-up", only=only)
    return system_path.build([deb], AMD64, Cache(folder / "cache"), apart=apart), apart


def test_files_are_the_initial_state(tmp_path: Path) -> None:
    system, apart = built(tmp_path)
    members = {each.path: each for each in packaged.members(apart)}
    assert {path: each.mode for path, each in members.items()} == {
        "/srv/made-up/hello.txt": "0644",
        "/var/lib/made-up/index": "0644",
        "/var/lib/made-up/latest": "0777",
        "/var/lib/made-up/private": "2640",
    }
    assert members["/var/lib/made-up/latest"] == Member(
        "/var/lib/made-up/latest", Symlink("index"), "0777", "root", "root"
    )
    assert [path for path, entry in packaged.opt(apart).items() if isinstance(entry, File)] == [
        "made-up/bin/run"
    ]
    assert not any(path.startswith(("var", "srv", "opt")) for path, _ in system.items())


def test_a_secret_of_a_script_has_its_mode_from_the_start(tmp_path: Path) -> None:
    """Lines of tmpfiles.d come later in the boot."""
    path = tmp_path / "made-up.deb"
    lines = ("umask 077", "mkdir -p /var/lib/made-up", "echo secret >/var/lib/made-up/key", "umask 022")
    path.write_bytes(Deb("made-up", scripts={"postinst": script(*lines)}).build())
    apart = Tree()
    system_path.build([Unpack(path, package="made-up")], AMD64, Cache(tmp_path / "cache"), apart=apart)
    members = {each.path: each for each in packaged.members(apart)}
    assert members["/var/lib/made-up/key"].mode == "0600"


def test_empty_folders_of_etc(tmp_path: Path, tool: Tool) -> None:
    """nsd.conf includes a folder that its package has empty. dpkg is the judge."""
    files = {
        "etc/made-up/conf": b"1",
        "etc/made-up/conf.d": None,
        "etc/made-up/private": None,
        "etc/init.d": None,  # for files that a machine leaves out
    }
    dpkg = Dpkg(tool, tmp_path)
    path = dpkg.build(tmp_path / "made-up.deb", files)
    assert dpkg.unpack(tmp_path / "root", [path]) == ""
    system = system_path.build([Unpack(path, package="made-up")], AMD64, Cache(tmp_path / "cache"))
    found = [
        name for name, entry in system.items() if isinstance(entry, Directory) and name.startswith("etc/")
    ]
    unpacked = Tree.from_directory(tmp_path / "root")
    folders_of_dpkg = [
        name for name, entry in unpacked.items() if isinstance(entry, Directory) and name.startswith("etc/")
    ]
    assert found == [each for each in folders_of_dpkg if each != "etc/init.d"]


def test_folders_are_lines_of_tmpfiles() -> None:
    """An owner that no package creates is root."""
    known = Attributes(0o2775, "root", "mail")
    context = Context(
        AMD64,
        {},
        attributes={"var/lib/a": known, "var/lib/b": Attributes(0o700, "absent", "absent")},
        accounts={"a.conf": "g mail -\nu root 0\n"},
        folders=frozenset(("var/lib", "var/lib/a", "var/lib/b", "var/run/x", "srv/50% off", "etc/x")),
    )
    tree = Tree()
    folders.apply(tree, context)
    entry = tree.get(folders.TMPFILES)
    assert isinstance(entry, File)
    assert entry.read().decode().splitlines() == [
        'd "/srv/50%% off" 0755 root root',
        'd "/var/lib/a" 2775 root mail',
        'd "/var/lib/b" 0700 root root',
    ]


def test_removed_folders_are_no_lines() -> None:
    paths = ("var/a", "var/a/b", "var/ab", 'srv/50% "off"\\')
    tree = Tree()
    folders.apply(tree, Context(AMD64, {}, folders=frozenset(paths)))
    entry = tree.get(folders.TMPFILES)
    assert entry is not None

    def kept(*patterns: str) -> set[str]:
        usr = Tree()
        usr.add(folders.TMPFILES.removeprefix("usr/"), entry)
        packaged.remove_folders(usr, patterns)
        return set(packaged.folder_paths(usr))

    assert kept() == {f"/{path}" for path in paths}
    assert kept("/var/a") == {"/var/ab", '/srv/50% "off"\\'}
    assert kept("/var/a/*", "/srv/50% *") == {"/var/a", "/var/ab"}
    assert kept("/var", "/srv") == set()


@pytest.mark.parametrize("only", [("usr/bin/*",)])
def test_a_partial_package_has_none(tmp_path: Path, only: tuple[str, ...]) -> None:
    system, apart = built(tmp_path, only)
    assert len(apart) == 0
    assert folders.TMPFILES.removeprefix("usr/") not in system
