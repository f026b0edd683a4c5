"""Files anywhere: the trees to which they belong, and folders of this host with all kinds of entries."""

import os
import socket
from pathlib import Path

import pytest

from notos.errors import NotosError
from notos.features.files import is_excluded
from notos.features.model import Copy, Folder, Link, Placed, Removal, Text
from notos.formats.tree import Directory, File, Symlink
from notos.system.placed import area, members, unknown_owners


@pytest.fixture
def site(tmp_path: Path) -> Path:
    made = tmp_path / "site"
    (made / "doc/deep").mkdir(parents=True)
    (made / "empty").mkdir()
    (made / ".git").mkdir()
    (made / ".git/config").write_text("x")
    (made / "doc/deep/a.pyc").write_text("x")
    (made / "index").write_text("index")
    (made / "prog").write_text("#!/bin/sh\n")
    (made / "prog").chmod(0o755)
    (made / "dangling").symlink_to("/nowhere")
    Path(os.fsdecode(os.fsencode(made) + b"/caf\xe9")).write_text("latin")
    return made


def test_areas() -> None:
    paths = ("/usr/bin/x", "/opt/x", "/etc/x", "/var/x", "/data", "/usrlocal/x")
    assert [area(each) for each in paths] == ["usr", "opt", "etc", "state", "state", "state"]


def test_a_folder_is_copied_with_all_kinds_of_entries(site: Path) -> None:
    found = {
        each.path: each
        for each in members([Placed("/srv/s", Folder(str(site), (".git/", "*.pyc")), owner="www", group="")])
    }
    assert sorted(found) == [
        *("/srv/s", "/srv/s/caf\udce9", "/srv/s/dangling", "/srv/s/doc", "/srv/s/doc/deep", "/srv/s/empty"),
        *("/srv/s/index", "/srv/s/prog"),
    ]
    assert found["/srv/s/dangling"].entry == Symlink("/nowhere")
    assert isinstance(found["/srv/s/empty"].entry, Directory)
    assert [found[f"/srv/s{each}"].mode for each in ("", "/index", "/prog")] == ["0755", "0644", "0755"]
    assert {each.owner for each in found.values()} == {"www"}


def test_the_mode_of_a_folder_is_that_of_its_files(site: Path) -> None:
    found = {each.path: each.mode for each in members([Placed("/srv/s", Folder(str(site)), "0640")])}
    assert [found[f"/srv/s{each}"] for each in ("", "/doc", "/index", "/prog")] == [
        "0750",
        "0750",
        "0640",
        "0750",
    ]


def test_single_files(site: Path) -> None:
    placed = [
        Placed("/srv/a", Text("x"), "4755"),
        Placed("/srv/b", Copy(str(site / "prog"))),
        Placed("/srv/c", Copy(str(site / "index"))),
        Placed("/srv/d", Link("/a")),
    ]
    found = list(members(placed))
    assert [each.mode for each in found] == ["4755", "0755", "0644", "0777"]
    assert [isinstance(each.entry, File) and each.entry.executable for each in found] == [
        True,
        True,
        False,
        False,
    ]


def test_removed_paths_are_left_out_of_folders_only(site: Path) -> None:
    placed = [Placed("/srv/s", Folder(str(site))), Placed("/srv/s/doc/own", Text("x"))]
    found = [each.path for each in members(placed, [Removal("/srv/s/doc"), Removal("/srv/s/.g*")])]
    assert "/srv/s/doc/own" in found
    assert not [each for each in found if each.startswith(("/srv/s/.git", "/srv/s/doc/deep"))]


def test_byte_code_of_this_host_is_left_out(site: Path) -> None:
    (site / "doc/__pycache__").mkdir()
    (site / "doc/__pycache__/a.cpython-311.pyc").touch()
    (site / "doc/a.py").touch()
    found = [each.path for each in members([Placed("/opt/s", Folder(str(site)))])]
    assert "/opt/s/doc/a.py" in found
    assert not [each for each in found if "__pycache__" in each]


def test_standard_folders_keep_their_modes(site: Path) -> None:
    (site / "tmp").mkdir()
    (site / "tmp/x").touch()
    found = [each.path for each in members([Placed("/var", Folder(str(site)))])]
    assert "/var" not in found
    assert "/var/tmp" not in found
    assert "/var/tmp/x" in found


def test_a_socket_is_refused(site: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(site / "s"))
    with pytest.raises(NotosError) as caught:
        list(members([Placed("/srv/s", Folder(str(site)), keys=("files", "/srv/s"))]))
    assert caught.value.message == f"{site}/s is not a file, folder or link"
    assert caught.value.hint == "remove it, or write exclude: [s]"
    assert list(members([Placed("/srv/s", Folder(str(site), ("s",)))]))


@pytest.mark.parametrize(
    ("path", "pattern", "excluded"),
    [
        (".git", ".git", True),
        ("a/.git", ".git", True),
        ("a/.git", "./.git", False),
        ("doc/x/y", "doc/*", True),
        ("a/doc/x", "doc/*", False),
        ("x.pyc", "*.pyc", True),
        ("x.py", "*.pyc", False),
    ],
)
def test_patterns(path: str, pattern: str, *, excluded: bool) -> None:
    assert is_excluded(path, [pattern]) is excluded


def test_unknown_owners() -> None:
    placed = [
        Placed("/a", Text(""), owner="wwv", group="", keys=("files", "/a")),
        Placed("/b", Text(""), group="staf", keys=("files", "/b")),
    ]
    found = list(unknown_owners(placed, "root:x:0\nwww:x:33\n", "root:x:0\n"))
    assert [(each.message, each.hint, each.keys[-1]) for each in found] == [
        ("there is no user wwv", "did you mean www?", "owner"),
        ("there is no group staf", "add groups: {staf: {}}", "group"),
    ]
