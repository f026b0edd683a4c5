"""The changes that a script of `system.scripts` made to its root folder, as a store object.

tree/…, table   new and changed files, folders and links, in the layout of state.py
removed         absolute paths, one a line

No machine has the object: the objects `files` and `state` and the toplevel have copies of its parts.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from notos.architecture import Architecture
from notos.errors import ClosureError, NotosError, raise_all
from notos.formats import names
from notos.formats.shared_libraries import closure, is_plugin
from notos.formats.tree import Directory, Entry, File, Symlink, Tree
from notos.system import state
from notos.system.script_root import EXECUTABLE, PLAIN, Root
from notos.system.state import Member

_REMOVED = "removed"
_KEPT = ("etc", "home", "opt", "root", "srv", "usr", "var")
_STORED = ("usr", "opt")  # read-only, of root, with two modes
# Not of the machine: other file systems, and a file with inode numbers that ldconfig writes for itself.
_FRESH = frozenset(("dev", "proc", "run", "tmp", "var/tmp", "var/cache/ldconfig"))
# Files that follow from keys of the config.
_ACCOUNTS = frozenset(
    f"etc/{name}{end}" for name in ("passwd", "group", "shadow", "gshadow") for end in ("", "-")
)
_MOST = 5  # paths in a message
_CHUNK = 1 << 20  # bytes


class Changes(NamedTuple):
    """New and changed members, folders first, and absolute paths that were removed with all below them.

    A removed path may have a new member, of another kind.
    """

    members: tuple[Member, ...] = ()
    removed: tuple[str, ...] = ()

    def below(self, *areas: str) -> tuple[Member, ...]:
        """Return the members in these top folders."""
        return tuple(each for each in self.members if each.path.split("/")[1] in areas)

    def elsewhere(self, *areas: str) -> tuple[Member, ...]:
        """Return the members in other top folders."""
        return tuple(each for each in self.members if each.path.split("/")[1] not in areas)


def combined(changes: Iterable[Changes]) -> Changes:
    """Return the changes by several scripts, in order, as those of one."""
    members: dict[str, Member] = {}
    removed: dict[str, None] = {}
    for each in changes:
        for gone in each.removed:
            removed[gone] = None
            for path in [path for path in members if f"{path}/".startswith(f"{gone}/")]:
                del members[path]
        for member in each.members:
            members.pop(member.path, None)
            members[member.path] = member
    return Changes(tuple(members.values()), tuple(removed))


def find(root: Root, folder: Path, keys: tuple[str, ...]) -> Changes:
    """Return the changes in `folder`, where `root` was laid out.

    `keys` are those of the script, for errors. Raises NotosError with all changes that cannot be kept.
    """
    name = ".".join(keys)
    members: list[Member] = []
    removed: list[str] = []
    seen: set[str] = set()
    wrong: dict[tuple[str, str], list[str]] = {}
    for path, status in _walk(folder):
        seen.add(path)
        mode = stat.S_IMODE(status.st_mode)
        entry = _entry(folder, path, status)
        before = root.tree.get(path)
        if entry is None:
            wrong.setdefault(_KIND, []).append(path)
            continue
        if path.partition("/")[0] in _STORED and not isinstance(entry, Symlink):
            plain = EXECUTABLE if isinstance(entry, Directory) or mode & 0o100 else PLAIN
            found = Member(f"/{path}", entry, plain)
            if (fault := _unfit(entry, mode)) and not _is_same(root, path, found, mode):
                wrong.setdefault(fault, []).append(path)
        else:
            found = Member(f"/{path}", entry, f"{mode:04o}", *root.owners.get(path, ("root", "root")), keys)
            if isinstance(entry, File) and mode & 0o6000:
                wrong.setdefault(_SETUID, []).append(path)
        if _is_same(root, path, found, mode):
            continue
        if (fault := _misplaced(path)) is not None:
            wrong.setdefault(fault, []).append(path)
        if before is not None and isinstance(before, Directory) != isinstance(entry, Directory):
            removed.append(path)
        members.append(found._replace(keys=keys))
    removed += [
        path for path, _ in root.tree.items() if path not in seen | root.apart and not _is_fresh(path)
    ]
    wrong_removals = [path for path in removed if path.partition("/")[0] not in _KEPT]
    if wrong_removals:
        wrong.setdefault(_ELSEWHERE, []).extend(wrong_removals)
    raise_all(
        NotosError(f"{name} {fault} {_listed(paths)}", hint=hint, keys=keys)
        for (fault, hint), paths in wrong.items()
    )
    return Changes(tuple(members), tuple(f"/{path}" for path in _topmost(removed)))


_KIND = (
    "made a device, a socket or a pipe:",
    "remove it at the end of the script; tmpfiles.d makes it at boot",
)
_SETUID = "made setuid or setgid programs:", "run chmod a-s; only programs of packages can be setuid"
_UNREADABLE = (
    "made files that not everyone can read:",
    "all files in /usr and /opt are readable: chmod a+rX, or put them below /etc or /var",
)
_ELSEWHERE = (
    "changed paths that are not kept:",
    "only changes in /usr, /opt, /etc, /var, /srv, /home and /root are kept",
)
_OF_ACCOUNTS = "changed the accounts:", "describe them with the keys users and groups"


def _misplaced(path: str) -> tuple[str, str] | None:
    """Return the fault of a change at `path`, None if it can be kept."""
    if path.partition("/")[0] not in _KEPT or path.startswith("usr/etc/") or path == "usr/etc":
        return _ELSEWHERE
    return _OF_ACCOUNTS if path in _ACCOUNTS else None


def _unfit(entry: Entry, mode: int) -> tuple[str, str] | None:
    """Return the fault of a file or folder in the store, None if it has none."""
    if isinstance(entry, File) and mode & 0o6000:
        return _SETUID
    needed = 0o555 if isinstance(entry, Directory) else 0o444
    return _UNREADABLE if mode & needed != needed else None


def _is_same(root: Root, path: str, found: Member, mode: int) -> bool:
    """Return True if `path` had this entry; `mode` is its present mode."""
    before = root.tree.get(path)
    if before is None or type(before) is not type(found.entry):
        return False
    if isinstance(before, Symlink):
        return before == found.entry
    had = root.mode(path)
    if path.partition("/")[0] in _STORED:
        same = found.mode == (EXECUTABLE if int(had, 8) & 0o100 else PLAIN) and not _unfit(found.entry, mode)
    else:
        same = found.mode == had
    return same and (isinstance(before, Directory) or _same_content(before, found.entry))


def _same_content(one: Entry, other: Entry) -> bool:
    assert isinstance(one, File)
    assert isinstance(other, File)
    if one.size != other.size:
        return False
    return all(mine == others for mine, others in zip(_pieces(one), _pieces(other), strict=True))


def _pieces(file: File) -> Iterator[bytes]:
    if isinstance(file.content, bytes):
        for start in range(0, len(file.content), _CHUNK):
            yield file.content[start : start + _CHUNK]
    else:
        yield from file.chunks()


def _walk(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield all paths below `folder` with their states, sorted, folders before what they contain.

    The owner gets the right to read each file and folder.
    """

    def walk(place: bytes, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
        with os.scandir(place) as entries:
            ordered = sorted(entries, key=lambda each: each.name)
        for each in ordered:
            path = prefix + names.decode(each.name)
            if path in _FRESH:
                continue
            status = each.stat(follow_symlinks=False)
            needed = {stat.S_IFDIR: 0o700, stat.S_IFREG: 0o400}.get(stat.S_IFMT(status.st_mode), 0)
            if status.st_mode & needed != needed:
                os.chmod(each.path, stat.S_IMODE(status.st_mode) | needed)
            yield path, status
            if stat.S_ISDIR(status.st_mode):
                yield from walk(each.path, f"{path}/")

    yield from walk(os.fsencode(folder), "")


def _entry(folder: Path, path: str, status: os.stat_result) -> Entry | None:
    """Return the file, folder or link at `path`; None for other kinds."""
    place = os.fsencode(folder) + b"/" + names.encode(path)
    if stat.S_ISLNK(status.st_mode):
        return Symlink(names.decode(os.readlink(place)))
    if stat.S_ISDIR(status.st_mode):
        return Directory()
    if stat.S_ISREG(status.st_mode):
        return File(Path(os.fsdecode(place)), executable=bool(status.st_mode & 0o100))
    return None


def _is_fresh(path: str) -> bool:
    return any(f"{path}/".startswith(f"{each}/") for each in _FRESH)


def _topmost(paths: Iterable[str]) -> list[str]:
    """Return the sorted paths that are not below another one."""
    found: list[str] = []
    for path in sorted(set(paths), key=lambda each: names.encode(f"{each}/")):
        if not found or not path.startswith(f"{found[-1]}/"):
            found.append(path)
    return found


def _listed(paths: Iterable[str]) -> str:
    found = [f"/{path}" for path in _topmost(paths)]
    return ", ".join(found[:_MOST]) + (f" and {len(found) - _MOST} more" if len(found) > _MOST else "")


def lacking(root: Root, changes: Changes, target: Architecture) -> Iterator[ClosureError]:
    """Yield an error for each new or changed program in /usr and /opt without a library in the machine.

    The machine lacks the libraries of packages that only the script needs.
    """
    tree = Tree()
    for path, entry in root.tree.items():
        if path not in root.apart:
            tree.add(path, entry)
    for path in changes.removed:
        tree.remove(path.lstrip("/"))
    for each in changes.members:
        put = tree.add if isinstance(each.entry, Directory) else tree.replace
        put(each.path.lstrip("/"), each.entry)
    for each in changes.below(*_STORED):
        path = each.path.lstrip("/")
        if isinstance(each.entry, File) and not is_plugin(path, target):
            try:
                closure(tree, [path], target)
            except ClosureError as error:
                yield ClosureError(
                    f"{'.'.join(each.keys)} made {each.path}, but {error.message}",
                    hint="add the package with it to system.packages",
                    keys=each.keys,
                )


def taken(changes: Changes, files: Mapping[str, tuple[str, ...]]) -> Iterator[NotosError]:
    """Yield an error for each file that the script made at one of the absolute paths `files`.

    The values are the keys of the config that make these paths; empty for a file of Notos.
    """
    for each in changes.elsewhere(*_STORED):
        if each.path in files and not isinstance(each.entry, Directory):
            yield _taken(each, each.path, files[each.path])


def blocked(changes: Changes, files: Mapping[str, tuple[str, ...]]) -> Iterator[NotosError]:
    """Yield an error, as taken() does, for each of `files` where the script made a folder or a path below it.

    `files` are without folders.
    """
    found: dict[str, Member] = {}
    for each in changes.elsewhere(*_STORED):
        parts = each.path.split("/")
        end = len(parts) + isinstance(each.entry, Directory)
        for path in ("/".join(parts[:length]) for length in range(2, end)):
            if path in files:
                found.setdefault(path, each)
    yield from (_taken(member, path, files[path]) for path, member in found.items())


def _taken(member: Member, path: str, others: tuple[str, ...]) -> NotosError:
    return NotosError(
        f"{'.'.join(member.keys)} and {'.'.join(others) or 'Notos'} both make {path}",
        hint="leave one out" if others else "change it by its key in the config",
        keys=member.keys,
    )


def differences(one: Changes, other: Changes) -> list[str]:
    """Return the absolute paths at which two runs of a script had other results, sorted."""
    by_path, others = ({each.path: each for each in changes.members} for changes in (one, other))
    found = {
        path for path in by_path.keys() | others.keys() if not _agree(by_path.get(path), others.get(path))
    }
    found.update(set(one.removed) ^ set(other.removed))
    return [f"/{path}" for path in _topmost(each.lstrip("/") for each in found)]


def _agree(one: Member | None, other: Member | None) -> bool:
    if one is None or other is None or one._replace(entry=other.entry) != other:
        return False
    if isinstance(one.entry, File) and isinstance(other.entry, File):
        return _same_content(one.entry, other.entry)
    return one.entry == other.entry


def build(changes: Changes) -> Tree:
    """Return the object's tree. Raises NotosError for a name with a control character."""
    tree = state.build(changes.members)
    tree.file(_REMOVED, b"".join(names.encode(f"{path}\n") for path in changes.removed))
    return tree


def read(tree: Tree, keys: tuple[str, ...]) -> Changes:
    """Return the changes of a tree that build() returned, with the script's keys."""
    removed = tree.get(_REMOVED)
    assert isinstance(removed, File), "build() adds it"
    paths = names.decode(removed.read()).split("\n")[:-1]
    return Changes(tuple(each._replace(keys=keys) for each in state.members(tree)), tuple(paths))
