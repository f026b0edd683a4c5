"""Folders of /etc that the drive keeps: their first contents."""

import json

from notos.features.files import KEPT
from notos.formats.tree import Directory, File, Symlink, Tree
from notos.integration import permissions
from notos.system import kept
from notos.system.state import Member

LINK = Member("/etc/cups", Symlink(f"{KEPT}/cups"), "0777", keys=("disk", "etc", "cups"))


def system() -> Tree:
    tree = Tree()
    tree.file("etc/cups/cupsd.conf", b"Listen 631\n")
    tree.file("etc/cups/secret", b"x\n")
    tree.directory("etc/cups/ppd")
    tree.symlink("etc/cups/link", "cupsd.conf")
    tree.file("etc/cups-browsed.conf", b"")
    modes = {"cups": ["0755", "", "lp"], "cups/secret": ["0640", "root", "lp"]}
    tree.text(permissions.ETC.removeprefix("usr/"), json.dumps(modes))
    return tree


def test_the_files_of_packages_with_their_modes_and_owners() -> None:
    found = {each.path: each[2:5] for each in kept.members(system(), ["cups"])}
    assert found == {
        f"{KEPT}/cups": ("0755", "root", "lp"),
        f"{KEPT}/cups/cupsd.conf": ("0644", "root", "root"),
        f"{KEPT}/cups/link": ("0777", "root", "root"),
        f"{KEPT}/cups/ppd": ("0755", "root", "root"),
        f"{KEPT}/cups/secret": ("0640", "root", "lp"),
    }


def test_a_link_takes_the_place_of_a_folder_of_packages() -> None:
    tree = Tree()
    tree.file("cups/cupsd.conf", b"")
    kept.unlink(tree, [LINK], [])
    assert "cups" not in tree


def test_a_folder_with_a_built_in_file_stays() -> None:
    tree = Tree()
    tree.file("cups/cupsd.conf", b"")
    kept.unlink(tree, [LINK], ["cups/cupsd.conf"])
    assert isinstance(tree.get("cups"), Directory)
    kept.unlink(tree, [LINK._replace(path="/etc/other")], [])
    assert isinstance(tree.get("cups/cupsd.conf"), File)
