"""Folders of /etc that the drive keeps (`disk.etc`): their first contents, which are files of packages.

In /etc there is a link to the folder on the drive. The files are part of the initial state (state.py), so an
update of a package replaces a file that the machine has not changed.
"""

import json
from collections.abc import Iterable, Iterator

from notos.features.files import KEPT
from notos.formats.tree import Directory, File, Symlink, Tree
from notos.integration import permissions
from notos.system.state import Member

_TABLE = permissions.ETC.removeprefix("usr/")
_PREFIX = "etc/"


def members(system: Tree, kept: Iterable[str]) -> Iterator[Member]:
    """Yield what packages have in the folders `kept` of /etc, and these; `system` is system-path's tree."""
    table = system.get(_TABLE)
    modes = json.loads(table.read()) if isinstance(table, File) else {}
    folders = tuple(kept)
    for path, entry in system.items():
        name = path.removeprefix(_PREFIX)
        inside = name in folders or name.startswith(tuple(f"{each}/" for each in folders))
        if not path.startswith(_PREFIX) or not inside or not isinstance(entry, File | Directory | Symlink):
            continue
        usual = (
            "0755"
            if isinstance(entry, Directory) or (isinstance(entry, File) and entry.executable)
            else "0644"
        )
        mode, owner, group = modes.get(name, [usual, "", ""])
        if isinstance(entry, Symlink):
            mode, owner, group = "0777", "", ""
        yield Member(f"{KEPT}/{name}", entry, mode, owner or "root", group or owner or "root")


def unlink(tree: Tree, placed: Iterable[Member], own: Iterable[str]) -> None:
    """Remove folders of packages from /etc's `tree` in whose place `placed` has the link to the drive.

    A folder with a built-in file, of which `own` has the paths, stays, and is then an error.
    """
    files = tuple(own)
    for member in placed:
        path = member.path.removeprefix("/etc/")
        is_kept = isinstance(member.entry, Symlink) and member.entry.target == f"{KEPT}/{path}"
        if (
            is_kept
            and isinstance(tree.get(path), Directory)
            and not any(each.startswith(f"{path}/") for each in files)
        ):
            tree.remove(path)
