"""The files that a config and its features put anywhere, as members of the trees to which they belong.

    usr, opt   a store object (usr.py)
    etc        the toplevel's etc/
    state      writable copies in all other folders (state.py)

The contents of a folder on this host are read here: links are kept as they are, also those that lead nowhere.
"""

import difflib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from notos import errors
from notos.debian import base_folders
from notos.errors import NotosError
from notos.features.files import is_excluded
from notos.features.model import Copy, Folder, Link, Placed, Removal, Text
from notos.formats.tree import Directory, File, Symlink
from notos.system import usr
from notos.system.state import Member

STORED = ("usr", "opt", "etc")
STATE = "state"
# Folders that every machine has, each with its own mode.
_STANDARD = frozenset(("/etc", "/usr", "/var", *(f"/{path}" for path in base_folders.PATHS)))
_BYTE_CODE = "__pycache__"  # made by this host's Python; the machine's own compiles the sources (bytecode.py)
PLAIN, EXECUTABLE = "0644", "0755"


def area(path: str) -> str:
    """Return the tree to which an absolute path belongs: usr, opt, etc or state."""
    first = path.split("/")[1]
    return first if first in STORED else STATE


def members(placed: Iterable[Placed], removed: Sequence[Removal] = ()) -> Iterator[Member]:
    """Yield all members, folders before what they contain. Raises NotosError with all mistakes.

    What is removed is left out of copied folders.
    """
    patterns = [each.path for each in removed]
    found: list[Member] = []
    wrong: list[NotosError] = []
    for each in placed:
        try:
            found += [member for member in _members(each) if not _is_removed(member, each, patterns)]
        except NotosError as error:
            wrong.append(error)
    errors.raise_all(wrong)
    yield from found


def _members(placed: Placed) -> Iterator[Member]:
    match placed.content:
        case Text(text):
            yield _member(placed, placed.path, File(text.encode()), placed.mode or PLAIN)
        case Copy(source):
            executable = os.stat(source).st_mode & stat.S_IXUSR
            mode = placed.mode or (EXECUTABLE if executable else PLAIN)
            yield _member(placed, placed.path, File(Path(source)), mode)
        case Link(target):
            yield _member(placed, placed.path, Symlink(target), "0777")
        case Folder(source, exclude):
            # A folder of every machine keeps its mode and owner, unless the config gives others.
            if placed.path not in _STANDARD or placed.mode or placed.owner != "root":
                yield _member(placed, placed.path, Directory(), _searchable(placed.mode) or EXECUTABLE)
            if source:
                yield from _below(placed, source, exclude, "")


def _below(placed: Placed, source: str, exclude: Sequence[str], prefix: str) -> Iterator[Member]:
    """Yield what the folder `source` contains at `prefix`, sorted by name."""
    with os.scandir(os.path.join(source, prefix)) as scanned:
        entries = sorted(scanned, key=lambda entry: os.fsencode(entry.name))
    for entry in entries:
        relative = f"{prefix}{entry.name}"
        if entry.name == _BYTE_CODE or is_excluded(relative, exclude):
            continue
        path = f"{placed.path}/{relative}"
        if entry.is_symlink():
            yield _member(placed, path, Symlink(os.readlink(entry.path)), "0777")
        elif entry.is_dir() and path in _STANDARD:
            yield from _below(placed, source, exclude, f"{relative}/")
        elif entry.is_dir():
            yield _member(placed, path, Directory(), _searchable(placed.mode) or EXECUTABLE)
            yield from _below(placed, source, exclude, f"{relative}/")
        elif entry.is_file():
            executable = entry.stat().st_mode & stat.S_IXUSR
            mode = _searchable(placed.mode) if executable else placed.mode
            yield _member(placed, path, File(Path(entry.path)), mode or (EXECUTABLE if executable else PLAIN))
        else:
            raise NotosError(
                f"{entry.path} is not a file, folder or link",
                hint=f"remove it, or write exclude: [{relative}]",
                keys=placed.keys,
            )


def unknown_owners(placed: Iterable[Placed], passwd: str, group: str) -> Iterator[NotosError]:
    """Yield an error for each owner and group that the texts of /etc/passwd and /etc/group do not have."""
    names = {
        key: [row.partition(":")[0] for row in text.splitlines()]
        for key, text in (("owner", passwd), ("group", group))
    }
    for each in placed:
        for key, name in (("owner", each.owner), ("group", each.group)):
            if name and name not in names[key]:
                near = difflib.get_close_matches(name, names[key], 1)
                kind = "user" if key == "owner" else "group"
                hint = f"did you mean {near[0]}?" if near else f"add {kind}s: {{{name}: {{}}}}"
                yield NotosError(f"there is no {kind} {name}", hint=hint, keys=(*each.keys, key))


def _is_removed(member: Member, placed: Placed, patterns: Sequence[str]) -> bool:
    """Return True if a pattern matches a path between `placed` and `member`."""
    if not patterns or not isinstance(placed.content, Folder):
        return False
    parts = member.path.removeprefix(placed.path).split("/")
    inner = (f"{placed.path}{'/'.join(parts[:length])}" for length in range(2, len(parts) + 1))
    return any(usr.matched(path, patterns) for path in inner)


def _searchable(mode: str) -> str:
    """Return `mode` with the bits for execution where it has those for reading; "" for ""."""
    number = int(mode or "0", 8)
    return f"{number | (number & 0o444) >> 2:04o}" if mode else ""


def _member(placed: Placed, path: str, entry: File | Directory | Symlink, mode: str) -> Member:
    if isinstance(entry, File):
        entry = File(entry.content, executable=bool(int(mode, 8) & 0o100))
    return Member(path, entry, mode, placed.owner, placed.group, placed.keys)
