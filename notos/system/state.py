"""The initial state: files in writable folders (/var, /srv, /home, /root, …), as a store object.

tree/PATH   the files
table       a row for each path of the object: path, kind (d, f or l), mode, owner, group, content

The fields of a row are separated by tabs, and rows are sorted by the bytes of their paths. The content of a
file is its sha256, that of a link its target, that of a folder "-". Parents without a row are created with
mode 0755.

scripts/stage2/copy-state copies what is missing at boot, and updates unchanged copies at a switch. It
compares the table with that of its last run, /var/lib/notos/state.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from notos.errors import NotosError
from notos.formats.tree import Directory, Entry, File, Symlink, Tree

NAME = "state"
TABLE = "table"
_ROOT = "tree"
_KINDS: dict[type, str] = {Directory: "d", File: "f", Symlink: "l"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Member(NamedTuple):
    """A path of the initial state.

    path   absolute
    mode   octal, four digits; of no effect for a link
    keys   the key in the config that defines it; empty for a file of a package
    """

    path: str
    entry: Entry
    mode: str
    owner: str = "root"
    group: str = "root"
    keys: tuple[str, ...] = ()


def build(members: Iterable[Member]) -> Tree:
    """Return the object's tree. A later member replaces an earlier one at its path, with all below it.

    Two folders at one path are merged: the later one has the mode and owner. Raises NotosError for a member
    below a file or link, and for a path or target with a control character.
    """
    found: dict[str, Member] = {}
    for member in members:
        _check(member, found)
        if not isinstance(member.entry, Directory):
            for below in [path for path in found if path.startswith(f"{member.path}/")]:
                del found[below]
        found[member.path] = member
    tree = Tree()
    rows = []
    for path in sorted(found, key=os.fsencode):
        member = found[path]
        tree.add(f"{_ROOT}{path}", _stored(member))
        fields = (path, _KINDS[type(member.entry)], member.mode, member.owner, member.group)
        rows.append("\t".join((*fields, _content(member.entry))))
    tree.file(TABLE, os.fsencode("".join(f"{row}\n" for row in rows)))
    return tree


def members(tree: Tree) -> Iterator[Member]:
    """Yield the members of a tree that build() returned."""
    table = tree.get(TABLE)
    text = os.fsdecode(table.read()) if isinstance(table, File) else ""
    for row in text.split("\n")[:-1]:
        path, _, mode, owner, group, _ = row.split("\t")
        entry = tree.get(f"{_ROOT}{path}")
        assert entry is not None, "each row has an entry"
        yield Member(path, entry, mode, owner, group)


def is_empty(tree: Tree) -> bool:
    """Return True if a tree that build() returned has no member."""
    return len(tree) == 1


def _check(member: Member, found: dict[str, Member]) -> None:
    target = member.entry.target if isinstance(member.entry, Symlink) else ""
    if _CONTROL.search(member.path + target):
        raise NotosError(
            f"{member.path + target!r} contains a control character", hint="rename it", keys=member.keys
        )
    parts = member.path.split("/")
    for above in ("/".join(parts[:length]) for length in range(2, len(parts))):
        if above in found and not isinstance(found[above].entry, Directory):
            kind = "link" if isinstance(found[above].entry, Symlink) else "file"
            raise NotosError(
                f"{member.path} lies below {above}, which is a {kind}", hint="rename it", keys=member.keys
            )


def _stored(member: Member) -> Entry:
    """Return the member's entry; a file is executable in the store if it is for its owner."""
    if not isinstance(member.entry, File):
        return member.entry
    return File(member.entry.content, executable=bool(int(member.mode, 8) & 0o100))


def _content(entry: Entry) -> str:
    """Return the last field of a row."""
    if isinstance(entry, Symlink):
        return entry.target
    if not isinstance(entry, File):
        return "-"
    digest = hashlib.sha256()
    for piece in entry.chunks():
        digest.update(piece)
    return digest.hexdigest()
