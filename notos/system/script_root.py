"""The root folder in which a script of `system.scripts` runs.

It has the packages' files in /usr, /etc, /opt, /var and /srv, the config's files in /usr and /opt, and the
changes of earlier scripts. It also has the packages that only the script needs (`apart`). A file of the
machine wins over one of theirs at the same path.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from notos.formats import names
from notos.formats.tree import Directory, Entry, File, Symlink, Tree
from notos.formats.usr_merge import ALIASED
from notos.integration import permissions
from notos.system.state import Member
from notos.toolchain.fixed_clock import EPOCH

PLAIN, EXECUTABLE = "0644", "0755"
# Folders of every Debian system (base-files).
_FOLDERS = (
    *("boot", "etc", "home", "media", "mnt", "opt", "root", "srv", "var/cache", "var/lib", "var/log"),
    *(f"usr/local/{name}" for name in ("bin", "games", "include", "lib", "sbin", "share", "src")),
)
# What a script sees of the host and of the running system, which is not kept.
_ACCOUNTS = {"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n"}
_LINKS = {"var/run": "/run", "var/lock": "/run/lock"}
_MOUNTED = ("dev", "proc", "run", "tmp", "var/tmp")


@dataclass(frozen=True, eq=False)
class Root:
    """A root folder.

    tree    all files, by path without the leading slash
    modes   the modes of files and folders in octal by path, without those that mode() knows
    owners  owner and group by path, without root's
    apart   the paths of `tree` that the machine does not have
    """

    tree: Tree
    modes: Mapping[str, str]
    owners: Mapping[str, tuple[str, str]]
    apart: frozenset[str]

    def mode(self, path: str) -> str:
        """Return the mode of the file or folder at `path`."""
        entry = self.tree.get(path)
        plain = PLAIN if isinstance(entry, File) and not entry.executable else EXECUTABLE
        return self.modes.get(path, plain)


def build(
    system: Tree,
    opt: Tree,
    members: Iterable[Member],
    *,
    state: Iterable[Member] = (),
    removed: Iterable[str] = (),
    tools: Tree | None = None,
) -> Root:
    """Return the root folder for a script.

    `system` is the tree of /usr with packages' files of /etc in etc/, and `opt` that of /opt; `state`
    are the packages' members of other folders. The absolute paths `removed` are left out of all three.
    `members` come next, with their modes and owners; one may be at a removed path. `tools` has the packages
    that only the script needs, in the layout of unpack().
    """
    tree = system.as_usr()
    if len(opt):
        tree.graft("opt", opt)
    modes: dict[str, str] = {"root": "0700"}
    owners: dict[str, tuple[str, str]] = {}
    table = tree.get(permissions.ETC)
    if isinstance(table, File):
        for path, (mode, owner, group) in json.loads(table.read()).items():
            modes[f"etc/{path}"] = mode
            owners[f"etc/{path}"] = owner, group
    _put(tree, modes, owners, state)
    for path in removed:
        tree.remove(path.lstrip("/"))
    _put(tree, modes, owners, members)
    for path in _FOLDERS:
        if path not in tree:
            tree.directory(path)
    own = {path for path, _ in tree.items()}
    _add_others(tree, tools or Tree())
    apart = frozenset(path for path, _ in tree.items() if path not in own)
    return Root(tree, modes, owners, apart)


def _put(
    tree: Tree, modes: dict[str, str], owners: dict[str, tuple[str, str]], members: Iterable[Member]
) -> None:
    for member in members:
        path = member.path.lstrip("/")
        if not isinstance(member.entry, Directory) or not isinstance(tree.get(path), Directory):
            tree.replace(path, member.entry)
        if not isinstance(member.entry, Symlink):
            modes[path] = member.mode
        owners[path] = member.owner, member.group


def _add_others(tree: Tree, tools: Tree) -> None:
    """Add what only a script sees."""
    others = Tree()
    for path, text in _ACCOUNTS.items():
        others.text(path, text)
    for path, target in _LINKS.items():
        others.symlink(path, target)
    for name in ALIASED:
        if f"usr/{name}" in tree or f"usr/{name}" in tools:
            others.symlink(name, f"usr/{name}")
    for path in _MOUNTED:
        others.directory(path)
    for source in (others, tools):
        for path, entry in source.items():
            if path not in tree and _is_free(tree, path):
                tree.add(path, entry)


def _is_free(tree: Tree, path: str) -> bool:
    """Return True if all parents of `path` are folders or missing."""
    parts = path.split("/")
    above = ("/".join(parts[:length]) for length in range(1, len(parts)))
    return all(isinstance(tree.get(each), Directory | None) for each in above)


def lay_out(root: Root, folder: Path, *, backwards: bool = False) -> None:
    """Write the root folder into the empty folder `folder`; with `backwards`, in the opposite order.

    All times are EPOCH. Raises OSError.
    """
    below = root.tree.children()
    written: dict[int, bytes] = {}

    def fill(parent: str, place: bytes) -> None:
        for name in reversed(below[parent]) if backwards else below[parent]:
            path = f"{parent}/{name}" if parent else name
            inside = place + b"/" + names.encode(name)
            entry = root.tree.get(path)
            if isinstance(entry, Directory):
                os.mkdir(inside, 0o700)
                fill(path, inside)
                os.chmod(inside, int(root.mode(path), 8))
            else:
                _write(entry, inside, int(root.mode(path), 8), written)
            os.utime(inside, (EPOCH, EPOCH), follow_symlinks=False)

    fill("", os.fsencode(folder))


def _write(entry: Entry | None, place: bytes, mode: int, written: dict[int, bytes]) -> None:
    if isinstance(entry, Symlink):
        os.symlink(names.encode(entry.target), place)
        return
    assert isinstance(entry, File), "packages have no device nodes"
    twin = written.setdefault(id(entry), place)
    if twin != place:
        os.link(twin, place)
        return
    if isinstance(entry.content, Path):
        shutil.copyfile(entry.content, place)
    else:
        Path(os.fsdecode(place)).write_bytes(entry.content)
    os.chmod(place, mode)
