"""The folder of a service on this host, with its links made right for the machine.

A link within the folder stays a link. One that leads out of it is replaced by a copy of its target, because
the machine has no such place. An absolute link is for the machine and stays, except for a script that runsv
runs.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from notos import errors
from notos.errors import NotosError, PackageError
from notos.formats.tree import Directory, File, Symlink, Tree

_SCRIPTS = ("run", "finish", "check", "log/run", "log/finish")
_STATE = ("supervise", "log/supervise")  # left by runsv if it ran in this folder
_DEEPEST = 20


def read(folder: Path, keys: Sequence[str]) -> Tree:
    """Return the tree of a service's folder. Scripts are executable, also without the mode for it.

    Raises NotosError, for the config's `keys`, with all links that lead nowhere. A pipe, a socket or
    a device is an error too.
    """
    tree = Tree()
    errors.raise_all(_Part(tree, folder, "", tuple(keys)).read())
    return tree


def sources(folder: str) -> Iterator[str]:
    """Yield the paths of this host that `read` reads: all in the folder, and what its copied links lead to.

    A link that leads nowhere, or into itself, is a path like others: `read` reports it.
    """
    return _sources(Path(folder), "", 0)


def _sources(folder: Path, prefix: str, depth: int) -> Iterator[str]:
    yield str(folder)
    for parent, folders, names in os.walk(folder):
        inner = f"{prefix}{os.path.relpath(parent, folder)}/".removesuffix("./")
        folders[:] = [each for each in folders if not _is_state(f"{inner}{each}")]
        for name in (*folders, *names):
            place = Path(parent, name)
            yield str(place)
            if not place.is_symlink() or _stays(folder, place, os.readlink(place), f"{inner}{name}"):
                continue
            if place.is_file():
                yield str(place.resolve())
            elif place.is_dir() and depth < _DEEPEST:
                yield from _sources(place.resolve(), f"{inner}{name}/", depth + 1)


@dataclass(frozen=True)
class _Part:
    """A folder of this host that is read into `tree` at `prefix`; links may not leave it."""

    tree: Tree
    folder: Path
    prefix: str
    keys: tuple[str, ...]
    depth: int = 0

    def read(self) -> Iterator[NotosError]:
        """Read the folder; yield an error for each link that leads nowhere, or for another kind of file."""
        try:
            found = Tree.from_directory(self.folder, left_out=lambda name: _is_state(f"{self.prefix}{name}"))
        except PackageError as error:
            yield NotosError(error.message, hint="remove it", keys=self.keys)
            return
        for name, entry in found.items():
            path = f"{self.prefix}{name}"
            if isinstance(entry, Directory):
                self.tree.directory(path)
            elif isinstance(entry, File):
                _put(self.tree, path, entry)
            elif isinstance(entry, Symlink):
                yield from self._link(self.folder / name, entry.target, path)

    def _link(self, place: Path, target: str, path: str) -> Iterator[NotosError]:
        if _stays(self.folder, place, target, path):
            self.tree.symlink(path, target)
        elif place.is_file():
            _put(self.tree, path, File(place.resolve(), os.access(place, os.X_OK)))
        elif place.is_dir() and self.depth < _DEEPEST:
            self.tree.directory(path)
            yield from _Part(self.tree, place.resolve(), f"{path}/", self.keys, self.depth + 1).read()
        else:
            reason = "which does not exist"
            if place.is_dir():
                reason = "which contains itself"
            elif place.exists():
                reason = "which is not a file or folder"
            message = f"{place} is a link to {target}, {reason}"
            yield NotosError(message, hint="correct it or remove it", keys=self.keys)


def _is_state(path: str) -> bool:
    return f"{path}/".startswith(tuple(f"{each}/" for each in _STATE))


def _stays(folder: Path, place: Path, target: str, path: str) -> bool:
    """Return True if the link `place`, in `folder` of this host, is a link in the machine too."""
    if target.startswith("/"):
        return path not in _SCRIPTS
    found = Path(os.path.normpath(place.parent / target))
    return found.is_relative_to(folder) and os.path.lexists(found)


def _put(tree: Tree, path: str, file: File) -> None:
    data = file.read()
    tree.file(path, data, executable=file.executable or data[:2] == b"#!")
