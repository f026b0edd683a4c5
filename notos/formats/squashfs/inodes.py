"""The metadata tables of a squashfs image: inodes and directory listings.

Source: the kernel's Documentation/filesystems/squashfs.rst and fs/squashfs/squashfs_fs.h.
"""

import os
import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from notos.errors import ArchiveError
from notos.formats import names, times
from notos.formats.squashfs.blocks import METADATA, Data, compressor
from notos.formats.tree import Directory, Entry, File, Symlink, Tree

TIME = 1  # of the image

_STORED_METADATA = 1 << 15
_DIRECTORY, _FILE, _SYMLINK, _BLOCK_DEVICE, _CHARACTER_DEVICE, _EXTENDED = 1, 2, 3, 4, 5, 7
_RUN = 256  # names under one header of a listing
_INODE = struct.Struct("<4H2I")  # type mode uid gid time number


class Metadata:
    """A table in compressed blocks of 8 KiB. A position is a block's offset and an offset in the block."""

    def __init__(self) -> None:
        self.starts = [0]
        self._done = bytearray()
        self._open = bytearray()

    def place(self) -> tuple[int, int]:
        """Return the position of the next bytes: the block's offset in the table, the offset in the block."""
        return len(self._done), len(self._open)

    def write(self, data: bytes) -> None:
        """Add `data`."""
        self._open += data
        while len(self._open) >= METADATA:
            self._flush()

    def bytes(self) -> bytes:
        """Return the compressed table."""
        if self._open:
            self._flush()
        return bytes(self._done)

    def _flush(self) -> None:
        data = bytes(self._open[:METADATA])
        del self._open[:METADATA]
        small = compressor.metadata.compress(data)
        if len(small) < len(data):
            self._done += struct.pack("<H", len(small)) + small
        else:
            self._done += struct.pack("<H", len(data) | _STORED_METADATA) + data
        self.starts.append(len(self._done))


class _Named(NamedTuple):
    """An entry of a listing: the name, and the type, number and position of the inode."""

    name: bytes
    kind: int
    number: int
    block: int
    offset: int


class Inodes:
    """The inode table and the listing table. Inodes of a directory's entries come before the directory's."""

    def __init__(self, tree: Tree, data: Mapping[int, Data]) -> None:
        self.table = Metadata()
        self.listings = Metadata()
        self._tree = tree
        self._data = data
        self._children = tree.children()
        self._times = times.of_tree(tree)
        self._numbers: dict[object, int] = {}
        self._links: dict[int, int] = {}
        self._files: dict[int, _Named] = {}
        for path, entry in tree.items():
            self._numbers.setdefault(_identity(path, entry), len(self._numbers) + 1)
            self._links[id(entry)] = self._links.get(id(entry), 0) + 1
        self.count = len(self._numbers) + 1

    def add_root(self) -> int:
        """Add all entries of the tree; return the reference to the root's inode."""
        root = self._directory("", self.count, self.count + 1)
        return root.block << 16 | root.offset

    def _add(self, path: str, parent: int) -> _Named:
        entry = self._tree.get(path)
        assert entry is not None
        number = self._numbers[_identity(path, entry)]
        if isinstance(entry, Directory):
            return self._directory(path, number, parent)
        if isinstance(entry, File):
            if id(entry) not in self._files:
                self._files[id(entry)] = self._file(path, entry, number)
            return self._files[id(entry)]._replace(name=_name(path))
        if isinstance(entry, Symlink):
            target = names.encode(entry.target)
            body = struct.pack("<II", 1, len(target)) + target
            return self._inode(path, _SYMLINK, 0o777, number, body)
        kind = _CHARACTER_DEVICE if entry.kind == "c" else _BLOCK_DEVICE
        device = os.makedev(entry.major, entry.minor) & 0xFFFFFFFF
        return self._inode(path, kind, entry.mode, number, struct.pack("<II", 1, device))

    def _directory(self, path: str, number: int, parent: int) -> _Named:
        names = self._children[path]
        below = [self._add(f"{path}/{name}" if path else name, number) for name in names]
        block, offset = self.listings.place()
        listing = b"".join(_listing(below))
        self.listings.write(listing)
        links = 2 + sum(each.kind == _DIRECTORY for each in below)
        size = len(listing) + 3  # includes "." and "..", although they are not stored
        if size <= 0xFFFF:
            body = struct.pack("<IIHHI", block, links, size, offset, parent)
            return self._inode(path, _DIRECTORY, 0o555, number, body)
        body = struct.pack("<IIIIHHI", links, size, block, parent, 0, offset, 0xFFFFFFFF)
        return self._inode(path, _DIRECTORY, 0o555, number, body, extended=True)

    def _file(self, path: str, entry: File, number: int) -> _Named:
        data = self._data[id(entry)]
        start = data.blocks[0].start if data.blocks else 0
        size, links = entry.size, self._links[id(entry)]
        sizes = b"".join(struct.pack("<I", each.size) for each in data.blocks)
        mode = 0o555 if entry.executable else 0o444
        if links == 1 and start < 1 << 32 and size < 1 << 32:
            body = struct.pack("<IIII", start, data.fragment, data.offset, size)
            return self._inode(path, _FILE, mode, number, body + sizes)
        body = struct.pack("<QQQIIII", start, size, 0, links, data.fragment, data.offset, 0xFFFFFFFF)
        return self._inode(path, _FILE, mode, number, body + sizes, extended=True)

    def _inode(
        self, path: str, kind: int, mode: int, number: int, body: bytes, *, extended: bool = False
    ) -> _Named:
        block, offset = self.table.place()
        written = kind + _EXTENDED if extended else kind
        self.table.write(_INODE.pack(written, mode, 0, 0, self._times[path], number) + body)
        return _Named(_name(path), kind, number, block, offset)


def _identity(path: str, entry: Entry) -> object:
    """Return the key of an entry's inode: hard links to a file share one."""
    return id(entry) if isinstance(entry, File) else path


def _name(path: str) -> bytes:
    name = names.encode(path.rpartition("/")[2])
    if len(name) > 256:
        raise ArchiveError(f"{path[:60]}… has a name of {len(name)} bytes; squashfs allows 256")
    return name


def _listing(entries: list[_Named]) -> Iterator[bytes]:
    """Yield a directory's listing in runs of entries whose inodes share a block and have close numbers."""
    run: list[_Named] = []
    for each in entries:
        first = run[0] if run else each
        near = -0x8000 <= each.number - first.number <= 0x7FFF
        if run and not (len(run) < _RUN and each.block == first.block and near):
            yield _run(run)
            run = []
        run.append(each)
    if run:
        yield _run(run)


def _run(entries: list[_Named]) -> bytes:
    first = entries[0]
    parts = [struct.pack("<III", len(entries) - 1, first.block, first.number)]
    for each in entries:
        delta = each.number - first.number
        parts.append(struct.pack("<HhHH", each.offset, delta, each.kind, len(each.name) - 1) + each.name)
    return b"".join(parts)
