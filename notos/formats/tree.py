"""A tree of files: readers (.deb) create it; writers (NAR, cpio, squashfs, the store) read it.

It has the entries of a canonical store object: directories, symbolic links, and files that are executable
or not, without owners, times and other modes. Device nodes are for the initrd only; the store refuses
them.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from notos.errors import PackageError
from notos.formats import names
from notos.formats.usr_merge import ALIASED

CHUNK = 1 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory. Its children are the entries at paths below it."""


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link; `target` is not normalised."""

    target: str


@dataclass(frozen=True, slots=True)
class Device:
    """A device node for the initrd; `kind` is "c" (character) or "b" (block)."""

    kind: str
    major: int
    minor: int
    mode: int = 0o600


@dataclass(frozen=True, slots=True, eq=False)
class File:
    """A regular file; `content` is its bytes, or the path of a file on this host.

    The same File object at two paths of a Tree is a hard link.
    """

    content: bytes | Path
    executable: bool = False

    @property
    def size(self) -> int:
        """Return the size in bytes."""
        if isinstance(self.content, bytes):
            return len(self.content)
        return self.content.stat().st_size

    def read(self) -> bytes:
        """Return the whole contents."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()

    def chunks(self) -> Iterator[bytes]:
        """Yield the contents: bytes as one piece, a file on this host in pieces of at most CHUNK bytes."""
        if isinstance(self.content, bytes):
            yield self.content
            return
        with self.content.open("rb") as stream:
            while piece := stream.read(CHUNK):
                yield piece


Entry = Directory | Symlink | File | Device


class Tree:
    """Entries by path relative to the root, without a leading slash ("usr/bin/env").

    The root is an implicit directory at "". Parents are added automatically. A second entry at a path
    raises PackageError, as does a child of an entry that is not a directory.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def add(self, path: str, entry: Entry) -> None:
        """Add `entry` at `path`. Only a directory may be added twice. Raises PackageError."""
        _check(path)
        present = self._entries.get(path)
        if present is not None:
            if isinstance(present, Directory) and isinstance(entry, Directory):
                return
            raise PackageError(f"duplicate entry: {path}")
        self._add_parents(path)
        self._entries[path] = entry

    def file(self, path: str, content: bytes | Path, *, executable: bool = False) -> None:
        """Add a regular file at `path`."""
        self.add(path, File(content, executable))

    def text(self, path: str, text: str, *, executable: bool = False) -> None:
        """Add a file of UTF-8 text at `path`."""
        self.add(path, File(text.encode(), executable))

    def symlink(self, path: str, target: str) -> None:
        """Add a symbolic link at `path`."""
        self.add(path, Symlink(target))

    def directory(self, path: str) -> None:
        """Add a directory at `path`, unless it exists."""
        self.add(path, Directory())

    def device(self, path: str, kind: str, major: int, minor: int, mode: int = 0o600) -> None:
        """Add a device node at `path`. This needs no privilege, since it is not created on disk."""
        self.add(path, Device(kind, major, minor, mode))

    def replace(self, path: str, entry: Entry) -> None:
        """Add `entry` at `path`, and remove an existing entry with all entries below it."""
        self.remove(path)
        self.add(path, entry)

    def remove(self, path: str) -> None:
        """Remove the entry at `path`, if any; remove a directory recursively."""
        entry = self._entries.pop(path, None)
        if isinstance(entry, Directory):
            prefix = path + "/"
            for below in [each for each in self._entries if each.startswith(prefix)]:
                del self._entries[below]

    def graft(self, path: str, other: "Tree") -> None:
        """Add all entries of `other` below `path` ("" for the root)."""
        if path:
            self.directory(path)
        for below, entry in other.items():
            self.add(f"{path}/{below}" if path else below, entry)

    def as_usr(self) -> "Tree":
        """Return the root of a machine whose /usr is this tree; the folder etc is the machine's /etc."""
        root = Tree()
        for path, entry in self.items():
            root.add(path if path.partition("/")[0] == "etc" else f"usr/{path}", entry)
        return root

    def get(self, path: str) -> Entry | None:
        """Return the entry at `path`, None if there is none; links are not followed."""
        return self._entries.get(path)

    def resolve(self, path: str) -> str | None:
        """Return `path` with all links followed within this tree, None if it does not exist.

        A folder of usr-merge that the root lacks (lib) is the one in usr.
        """
        pending = path.split("/")[::-1]
        done: list[str] = []
        hops = 0
        while pending:
            part = pending.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if done:
                    done.pop()
                continue
            here = "/".join([*done, part])
            entry = self._entries.get(here)
            if entry is None and not done and part in ALIASED:
                done = ["usr"]
                entry = self._entries.get(f"usr/{part}")
            if isinstance(entry, Symlink):
                hops += 1
                if hops > 40:
                    return None
                if entry.target.startswith("/"):
                    done = []
                pending.extend(entry.target.split("/")[::-1])
            elif entry is None:
                return None
            else:
                done.append(part)
        return "/".join(done)

    def items(self) -> Iterator[tuple[str, Entry]]:
        """Yield all entries, sorted by path bytes: a parent comes before its children."""
        for path in sorted(self._entries, key=names.encode):
            yield path, self._entries[path]

    def children(self) -> dict[str, list[str]]:
        """Return the sorted names in each directory, by the directory's path; the root is ""."""
        found: dict[str, list[str]] = {"": []}
        for path, entry in self.items():
            parent, _, name = path.rpartition("/")
            found[parent].append(name)
            if isinstance(entry, Directory):
                found[path] = []
        for each in found.values():
            each.sort(key=names.encode)
        return found

    def __contains__(self, path: str) -> bool:
        return path in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    @classmethod
    def from_directory(cls, root: Path, *, left_out: Callable[[str], bool] = lambda path: False) -> "Tree":
        """Return the tree of the folder `root`. Contents stay on disk until they are read.

        Paths for which `left_out` returns True are skipped with all below them. Raises
        PackageError for an entry that is not a file, directory or symbolic link.
        """
        tree = cls()

        def walk(folder: bytes, prefix: str) -> None:
            with os.scandir(folder) as entries:
                for entry in entries:
                    path = prefix + names.decode(entry.name)
                    if left_out(path):
                        continue
                    if entry.is_symlink():
                        tree._entries[path] = Symlink(names.decode(os.readlink(entry.path)))
                    elif entry.is_dir():
                        tree._entries[path] = Directory()
                        walk(entry.path, path + "/")
                    elif entry.is_file():
                        executable = bool(entry.stat().st_mode & 0o100)
                        tree._entries[path] = File(_content(entry.path), executable)
                    else:
                        shown = names.decode(entry.path)
                        raise PackageError(f"{shown} is not a file, directory or symbolic link")

        walk(os.fsencode(root), "")
        return tree

    def write_to(self, root: Path, *, canonical: bool = False) -> None:
        """Write all entries below the existing folder `root`; hard links are preserved.

        Modes are 0755 and 0644. With `canonical`, files are 0555 and 0444, and all times are 1, including
        that of `root`. Raises PackageError for a device node.
        """
        plain, executable = (0o444, 0o555) if canonical else (0o644, 0o755)
        folders = [os.fsencode(root)]
        written: dict[int, bytes] = {}
        for path, entry in self.items():
            place = folders[0] + b"/" + names.encode(path)
            if isinstance(entry, Directory):
                os.mkdir(place, 0o700)
                folders.append(place)
            elif isinstance(entry, Symlink):
                os.symlink(names.encode(entry.target), place)
                if canonical:
                    os.utime(place, (1, 1), follow_symlinks=False)
            elif isinstance(entry, File):
                twin = written.setdefault(id(entry), place)
                if twin != place:
                    os.link(twin, place)
                    continue
                handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with open(handle, "wb", buffering=0) as stream:
                    for piece in entry.chunks():
                        stream.write(piece)
                    os.fchmod(handle, executable if entry.executable else plain)
                    if canonical:
                        os.utime(handle, (1, 1))
            else:
                raise PackageError(f"{path} is a device node, which cannot be written to disk")
        # Last, and inner folders first: writing into a folder changes its time.
        for folder in reversed(folders):
            os.chmod(folder, 0o755)
            if canonical:
                os.utime(folder, (1, 1))

    def _add_parents(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        if not parent or isinstance(self._entries.get(parent), Directory):
            return
        if parent in self._entries:
            raise PackageError(f"{path} is below {parent}, which is not a directory")
        self._add_parents(parent)
        self._entries[parent] = Directory()


def _content(path: bytes) -> bytes | Path:
    """Return the path of a file, or its contents if the locale's encoding cannot represent the path (EUC)."""
    text = os.fsdecode(path)
    if os.fsencode(text) == path:
        return Path(text)
    with open(path, "rb") as stream:
        return stream.read()


def _check(path: str) -> None:
    if not path or path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")):
        raise PackageError(f"{path!r} is not a valid path in a tree")
    if "\0" in path:
        raise PackageError(f"{path!r} contains a zero byte")
