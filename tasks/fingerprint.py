"""File states: a file is compared by its stat, and by its bytes if the stat differs.

A state is a list, because doit saves it as JSON: [size, mtime_ns, ctime_ns, inode, executable, sha256] for a
file, ["link", target] for a symbolic link.

doit's own checkers trust an unchanged mtime, although it is 1 in all canonical trees. They also compare the
contents of a touched file in every later run.
"""

import os
import stat
from typing import Any

from doit.dependency import FileChangedChecker

State = list[Any]

_QUICK = 5  # number of members of a state that come from stat
NEVER = ["changed while its task ran"]  # a state that no file has

rehashed: list[str] = []  # files with new times and the same contents; session.py saves their new states


def take(path: str, *, follow: bool = True) -> State:
    """Return the state of the file at `path`. Raises OSError."""
    now = os.stat(path, follow_symlinks=follow)
    if stat.S_ISLNK(now.st_mode):
        return ["link", os.readlink(path)]
    return [*quick_of(now), _sha256(path)]


def same(path: str, state: State, now: os.stat_result) -> bool:
    """Return True if the file at `path`, whose stat is `now`, has the contents and mode of `state`.

    If only its times differ, they are put into `state`.
    """
    if stat.S_ISLNK(now.st_mode):
        return state == ["link", os.readlink(path)]
    if len(state) != _QUICK + 1:
        return False
    quick = quick_of(now)
    if quick == state[:_QUICK]:
        return True
    size, executable = quick[0], quick[4]
    if size != state[0] or executable != state[4] or _sha256(path) != state[_QUICK]:
        return False
    state[:_QUICK] = quick
    rehashed.append(path)
    return True


class Checker(FileChangedChecker):  # type: ignore[misc]  # doit has no types
    """doit's checker of file_dep, with states of this module."""

    def __init__(self) -> None:
        self._before: dict[str, State] = {}

    def begin(self, paths: set[str]) -> None:
        """Note that a task that reads these files starts now."""
        self._before = {path: quick_of(os.stat(path)) for path in paths if os.path.exists(path)}

    def check_modified(self, file_path: str, file_stat: os.stat_result, state: State) -> bool:
        """Return True if the file changed since the task ran."""
        return not same(file_path, state, file_stat)

    def get_state(self, dep: str, current_state: State | None) -> State:
        """Return the state to save; for a file edited during the run, one that causes another run."""
        state = take(dep)
        before = self._before.get(dep)
        return state if before in (None, state[:_QUICK]) else NEVER


def quick_of(now: os.stat_result) -> State:
    """Return the members of a file's state that come from stat."""
    executable = bool(now.st_mode & stat.S_IXUSR)
    return [now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino, executable]


def _sha256(path: str) -> str:
    import hashlib

    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
