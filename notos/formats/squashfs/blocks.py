"""The contents of files in a squashfs image: blocks and fragments, compressed in parallel.

mksquashfs only has zstd levels. Here zstd's parameters are set individually: matches of 3 bytes make programs
8 % smaller and take little more time than level 15, but only levels from 18 on use them.
"""

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import BinaryIO

import zstandard

from notos.errors import ArchiveError
from notos.formats.piece_cache import Piece, Reuse
from notos.formats.tree import File, Tree

BLOCK_LOG = 19
BLOCK = 1 << BLOCK_LOG  # bytes; the unit of compression, which a page fault in the machine decompresses
METADATA = 8192  # bytes; the block size of metadata tables
NO_FRAGMENT = 0xFFFFFFFF
_STORED = 1 << 24  # the flag of an uncompressed block, used if compression does not make it smaller


@dataclass(slots=True)
class Block:
    """A data block. `start`, its offset in the image, and `size`, its size field, are set by the writer."""

    start: int = 0
    size: int = 0


@dataclass(slots=True)
class Data:
    """The location of a file's contents: consecutive blocks, or a part of a fragment."""

    blocks: list[Block] = field(default_factory=list)
    fragment: int = NO_FRAGMENT
    offset: int = 0


def parameters(log: int) -> dict[str, int]:
    """Return zstd's parameters for blocks of 2^log bytes (zstd.h); the tables fit into a core's cache."""
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
    """The zstd compressors for data and for metadata, one pair per thread."""

    def __init__(self) -> None:
        self.data, self.metadata = (
            zstandard.ZstdCompressor(
                compression_params=zstandard.ZstdCompressionParameters(**parameters(log))
            )
            for log in (BLOCK_LOG, METADATA.bit_length() - 1)
        )


compressor = _Compressor()


class Area:
    """The data area of the image. Blocks are compressed in parallel and written in order."""

    def __init__(
        self,
        out: BinaryIO,
        pool: ThreadPoolExecutor,
        ahead: int,
        reuse: Reuse,
        pack: Callable[[bytes], bytes],
    ) -> None:
        self.end = out.tell()
        self.fragments: list[Block] = []
        self._out = out
        self._pool = pool
        self._ahead = ahead
        self._reuse = reuse
        self._pack = pack
        self._pending: deque[tuple[Block, int, Future[Piece]]] = deque()
        self._open = bytearray()  # the current fragment

    def block(self, data: bytes) -> Block:
        """Add a block and return it; its fields are set once it is written."""
        block = Block()
        self._pending.append((block, len(data), self._pool.submit(self._reuse.compressed, data, self._pack)))
        if len(self._pending) > self._ahead:
            self._write()
        return block

    def fragment(self, data: bytes) -> tuple[int, int]:
        """Add the contents of a small file; return the number of the fragment and the offset in it."""
        if len(self._open) + len(data) > BLOCK:
            self.close_fragment()
        offset = len(self._open)
        self._open += data
        return len(self.fragments), offset

    def end_of_folder(self) -> None:
        """Close a fragment that is half full, so that a new file moves few files of other folders."""
        if len(self._open) >= BLOCK // 2:
            self.close_fragment()

    def close_fragment(self) -> None:
        """Close the current fragment; the next small file begins a new one."""
        if self._open:
            self.fragments.append(self.block(bytes(self._open)))
            self._open.clear()

    def finish(self) -> None:
        """Write all pending blocks."""
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


def smaller(data: bytes) -> bytes:
    """Return `data` compressed, or `data` itself if that is not larger."""
    small = compressor.data.compress(data)
    return small if len(small) < len(data) else data


def as_it_is(data: bytes) -> bytes:
    return data


def place(tree: Tree, area: Area) -> dict[int, Data]:
    """Add the contents of all files to `area`; return their locations by the id of each File."""
    same = _same_sized(tree)
    twins: dict[str, Data] = {}
    placed: dict[int, Data] = {}
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
        placed[id(entry)] = _place_file(path, entry, area)
        if key:
            twins[key] = placed[id(entry)]
    return placed


def _place_file(path: str, entry: File, area: Area) -> Data:
    size = entry.size
    data = Data()
    seen = 0
    for piece in _blocks(entry):
        seen += len(piece)
        if size < BLOCK and seen == size:
            data.fragment, data.offset = area.fragment(piece)
        else:
            data.blocks.append(area.block(piece))
    if seen != size:
        raise ArchiveError(f"{path} changed during the read", hint="build again")
    return data


def _blocks(entry: File) -> Iterator[bytes]:
    """Yield the contents of a file in blocks. All chunks of a File but the last are multiples of a block."""
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
    """Return the ids of files that share their size with another file: only these may be duplicates."""
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
