"""A writer of squashfs 4.0 images, as the kernel mounts a machine's root; it reads none.

Source: the kernel's Documentation/filesystems/squashfs.rst and fs/squashfs/squashfs_fs.h. The image is a
function of the tree alone: sorted, owner 0, time 1, blocks laid out in one order however many threads
compress them. Nothing needs root, for device nodes are only described.

mksquashfs offers only zstd's levels. Of the parameters behind them, short matches (3 bytes) make programs
some 8 % smaller at little more than the price of level 15; no level below 18 has them.
"""

import hashlib
import os
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

import zstandard

from notos.errors import ArchiveError
from notos.reuse import Piece, Reuse
from notos.tree import Directory, Entry, File, Symlink, Tree

BLOCK_LOG = 19
BLOCK = 1 << BLOCK_LOG  # bytes; what is compressed together, and what a page fault in the machine unpacks
METADATA = 8192  # bytes; of inodes and names
PAGE = 4096  # bytes; the image's size is a multiple of it, as mksquashfs's is
TIME = 1

_MAGIC, _ZSTD, _VERSION = 0x73717368, 6, (4, 0)
_NO_XATTRS, _DUPLICATES = 0x200, 0x40
_NONE = 0xFFFFFFFFFFFFFFFF  # where a table would start that is not there
_NO_FRAGMENT = 0xFFFFFFFF
_STORED = 1 << 24  # a block that compression does not make smaller stands there as it is
_STORED_METADATA = 1 << 15
_DIRECTORY, _FILE, _SYMLINK, _BLOCK_DEVICE, _CHARACTER_DEVICE, _EXTENDED = 1, 2, 3, 4, 5, 7
_RUN = 256  # names under one header of a listing

_SUPERBLOCK = struct.Struct("<5I6H8Q")
_INODE = struct.Struct("<4H2I")  # type mode uid gid time number
_IN_FRAGMENT = struct.Struct("<QII")


@dataclass(slots=True)
class _Block:
    """A stretch of data that is compressed as one: where in the image it starts, and its size field."""

    start: int = 0
    size: int = 0


@dataclass(slots=True)
class _Data:
    """Where a file's bytes are: whole blocks one after the other, or a part of a fragment."""

    blocks: list[_Block] = field(default_factory=list)
    fragment: int = _NO_FRAGMENT
    offset: int = 0


def write_image(image: Path, tree: Tree, *, jobs: int | None = None, stored: bool = False) -> None:
    """Write `tree` to `image`, beside and renamed; what the image there has already is not compressed again.

    `jobs` threads compress, as many as there are cores by default; with `stored`, files' bytes stand there as
    they are. Raises ArchiveError.
    """
    beside = image.with_name(f".{image.name}.new")
    try:
        with Reuse(image, "stored" if stored else _made()) as reuse:
            with beside.open("wb") as out:
                write(out, tree, jobs=jobs, reuse=reuse, stored=stored)
                os.fchmod(out.fileno(), 0o644)
            beside.replace(image)
            reuse.save(image)
    finally:
        beside.unlink(missing_ok=True)


def write(
    out: BinaryIO, tree: Tree, *, jobs: int | None = None, reuse: Reuse | None = None, stored: bool = False
) -> None:
    """Write `tree` to the seekable `out` as one image; memory does not grow with the files' sizes.

    Raises ArchiveError for what squashfs cannot hold and for a file that changes while it is read.
    """
    out.write(bytes(_SUPERBLOCK.size))
    jobs = jobs or len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(jobs) as pool:
        area = _Area(out, pool, 4 * jobs, reuse or Reuse(), _as_it_is if stored else _smaller)
        data = _place(tree, area)
        area.finish()
    inodes = _Inodes(tree, data)
    root = inodes.add_root()
    inode_table = area.end
    directory_table = inode_table + out.write(inodes.table.bytes())
    fragment_table = directory_table + out.write(inodes.listings.bytes())
    fragments = _Metadata()
    for each in area.fragments:
        fragments.write(_IN_FRAGMENT.pack(each.start, each.size, 0))
    fragment_index = _write_table(out, fragments, fragment_table)
    ids = _Metadata()
    ids.write(struct.pack("<I", 0))
    id_index = _write_table(out, ids, out.tell())
    size = out.tell()
    out.write(bytes(-size % PAGE))
    out.seek(0)
    out.write(
        _SUPERBLOCK.pack(
            *(_MAGIC, inodes.count, TIME, BLOCK, len(area.fragments)),
            *(_ZSTD, BLOCK_LOG, _NO_XATTRS | _DUPLICATES, 1, *_VERSION),
            *(root, size, id_index, _NONE, inode_table, directory_table),
            *(fragment_index if area.fragments else _NONE, _NONE),
        )
    )


def _made() -> str:
    return f"zstandard {zstandard.__version__} {_parameters(BLOCK_LOG)}"


def _parameters(log: int) -> dict[str, int]:
    """How zstd compresses blocks of 2^log bytes (zstd.h); the tables are small enough for a core's cache."""
    return {
        "window_log": log,
        "chain_log": log - 1,
        "hash_log": log - 2,
        "search_log": 2,
        "min_match": 3,
        "target_length": 32,
        "strategy": zstandard.STRATEGY_BTULTRA,
    }


class _Compressor(threading.local):
    """zstd for data and for metadata; a compressor serves one thread at a time."""

    def __init__(self) -> None:
        self.data, self.metadata = (
            zstandard.ZstdCompressor(
                compression_params=zstandard.ZstdCompressionParameters(**_parameters(log))
            )
            for log in (BLOCK_LOG, METADATA.bit_length() - 1)
        )


_compressor = _Compressor()


# --- data


class _Area:
    """The part of the image that has the files' bytes, written in order by threads that run ahead."""

    def __init__(
        self,
        out: BinaryIO,
        pool: ThreadPoolExecutor,
        ahead: int,
        reuse: Reuse,
        pack: Callable[[bytes], bytes],
    ) -> None:
        self.end = out.tell()
        self.fragments: list[_Block] = []
        self._out = out
        self._pool = pool
        self._ahead = ahead
        self._reuse = reuse
        self._pack = pack
        self._pending: deque[tuple[_Block, int, Future[Piece]]] = deque()
        self._open = bytearray()  # the fragment that is being filled

    def block(self, data: bytes) -> _Block:
        """Add a block; its place is known when all is finished."""
        block = _Block()
        self._pending.append((block, len(data), self._pool.submit(self._reuse.compressed, data, self._pack)))
        if len(self._pending) > self._ahead:
            self._write()
        return block

    def fragment(self, data: bytes) -> tuple[int, int]:
        """Add a small file's bytes: the number of its fragment, and where in it they are."""
        if len(self._open) + len(data) > BLOCK:
            self.close_fragment()
        offset = len(self._open)
        self._open += data
        return len(self.fragments), offset

    def end_of_folder(self) -> None:
        """A fragment that is half full ends with its folder, so that a file more in one moves few others."""
        if len(self._open) >= BLOCK // 2:
            self.close_fragment()

    def close_fragment(self) -> None:
        """Begin a new fragment."""
        if self._open:
            self.fragments.append(self.block(bytes(self._open)))
            self._open.clear()

    def finish(self) -> None:
        """Write all that is pending."""
        self.close_fragment()
        while self._pending:
            self._write()

    def _write(self) -> None:
        block, size, future = self._pending.popleft()
        piece = future.result()
        block.start = self.end
        block.size = len(piece.data) | (_STORED if len(piece.data) == size else 0)
        self._reuse.placed(piece, self.end)
        self.end += self._out.write(piece.data)


def _smaller(data: bytes) -> bytes:
    """`data` compressed, or itself where that is not smaller."""
    small = _compressor.data.compress(data)
    return small if len(small) < len(data) else data


def _as_it_is(data: bytes) -> bytes:
    return data


def _place(tree: Tree, area: _Area) -> dict[int, _Data]:
    """Put the bytes of all files into `area`; where they are, by the id of each File."""
    same = _same_sized(tree)
    twins: dict[str, _Data] = {}
    placed: dict[int, _Data] = {}
    folder = ""
    for path, entry in tree.items():
        if not isinstance(entry, File) or id(entry) in placed:
            continue
        here = path.rpartition("/")[0]
        if here != folder:
            area.end_of_folder()
            folder = here
        key = _sha256(entry) if id(entry) in same else ""
        if key in twins:
            placed[id(entry)] = twins[key]
            continue
        placed[id(entry)] = _put(path, entry, area)
        if key:
            twins[key] = placed[id(entry)]
    return placed


def _put(path: str, entry: File, area: _Area) -> _Data:
    size = entry.size
    data = _Data()
    seen = 0
    for piece in _blocks(entry):
        seen += len(piece)
        if size < BLOCK and seen == size:
            data.fragment, data.offset = area.fragment(piece)
        else:
            data.blocks.append(area.block(piece))
    if seen != size:
        raise ArchiveError(f"{path} changed while it was read", hint="run it again")
    return data


def _blocks(entry: File) -> Iterator[bytes]:
    """The bytes of a file, cut into blocks; Tree's chunks are whole numbers of blocks but for the last."""
    rest = b""
    for chunk in entry.chunks():
        whole = rest + chunk if rest else chunk
        end = len(whole) - len(whole) % BLOCK
        for at in range(0, end, BLOCK):
            yield whole[at : at + BLOCK]
        rest = whole[end:]
    if rest:
        yield rest


def _same_sized(tree: Tree) -> set[int]:
    """The ids of the files that might have the bytes of another: only these are worth hashing."""
    by_size: dict[int, set[int]] = {}
    for _, entry in tree.items():
        if isinstance(entry, File) and (size := entry.size):
            by_size.setdefault(size, set()).add(id(entry))
    return {each for group in by_size.values() if len(group) > 1 for each in group}


def _sha256(entry: File) -> str:
    hasher = hashlib.sha256()
    for piece in entry.chunks():
        hasher.update(piece)
    return hasher.hexdigest()


# --- inodes and listings


class _Metadata:
    """A table, compressed in blocks of 8 KiB; a place in it is its block's offset and one in the block."""

    def __init__(self) -> None:
        self.starts = [0]
        self._done = bytearray()
        self._open = bytearray()

    def place(self) -> tuple[int, int]:
        """Where the next bytes will be."""
        return len(self._done), len(self._open)

    def write(self, data: bytes) -> None:
        """Add `data`."""
        self._open += data
        while len(self._open) >= METADATA:
            self._flush()

    def bytes(self) -> bytes:
        """The table as it stands in the image."""
        if self._open:
            self._flush()
        return bytes(self._done)

    def _flush(self) -> None:
        data = bytes(self._open[:METADATA])
        del self._open[:METADATA]
        small = _compressor.metadata.compress(data)
        if len(small) < len(data):
            self._done += struct.pack("<H", len(small)) + small
        else:
            self._done += struct.pack("<H", len(data) | _STORED_METADATA) + data
        self.starts.append(len(self._done))


def _write_table(out: BinaryIO, table: _Metadata, start: int) -> int:
    """Write a table and the list of its blocks' places; where the list is."""
    data = table.bytes()
    out.write(data)
    out.write(b"".join(struct.pack("<Q", start + each) for each in table.starts[:-1]))
    return start + len(data)


class _Named(NamedTuple):
    """What a listing says of a name."""

    name: bytes
    kind: int
    number: int
    block: int
    offset: int


class _Inodes:
    """The tables of inodes and of listings: what is in a directory comes before the directory."""

    def __init__(self, tree: Tree, data: Mapping[int, _Data]) -> None:
        self.table = _Metadata()
        self.listings = _Metadata()
        self._tree = tree
        self._data = data
        self._children = tree.children()
        self._numbers: dict[object, int] = {}
        self._links: dict[int, int] = {}
        self._files: dict[int, _Named] = {}
        for path, entry in tree.items():
            self._numbers.setdefault(_identity(path, entry), len(self._numbers) + 1)
            self._links[id(entry)] = self._links.get(id(entry), 0) + 1
        self.count = len(self._numbers) + 1

    def add_root(self) -> int:
        """Add everything; the reference to the root's inode."""
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
            target = os.fsencode(entry.target)
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
        size = len(listing) + 3  # "." and ".." count, though they are not there
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
        self.table.write(_INODE.pack(written, mode, 0, 0, TIME, number) + body)
        return _Named(_name(path), kind, number, block, offset)


def _identity(path: str, entry: Entry) -> object:
    """What has an inode of its own: a path, but for the hard links to one file."""
    return id(entry) if isinstance(entry, File) else path


def _name(path: str) -> bytes:
    name = os.fsencode(path.rpartition("/")[2])
    if len(name) > 256:
        raise ArchiveError(f"{path[:60]}… has a name of {len(name)} bytes; 256 fit in squashfs")
    return name


def _listing(entries: list[_Named]) -> Iterator[bytes]:
    """The listing of a directory: names in runs whose inodes are in one block and numbered closely."""
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
