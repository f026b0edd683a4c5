"""The bytes of files in a squashfs image: blocks and fragments, compressed by threads that run ahead.

mksquashfs offers only zstd's levels. Of the parameters behind them, short matches (3 bytes) make programs
some 8 % smaller at little more than the price of level 15; no level below 18 has them.
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
BLOCK = 1 << BLOCK_LOG  # bytes; what is compressed together, and what a page fault in the machine unpacks
METADATA = 8192  # bytes; of inodes and names
NO_FRAGMENT = 0xFFFFFFFF
_STORED = 1 << 24  # a block that compression does not make smaller stands there as it is


@dataclass(slots=True)
class Block:
    """A stretch of data that is compressed as one: where in the image it starts, and its size field."""

    start: int = 0
    size: int = 0


@dataclass(slots=True)
class Data:
    """Where a file's bytes are: whole blocks one after the other, or a part of a fragment."""

    blocks: list[Block] = field(default_factory=list)
    fragment: int = NO_FRAGMENT
    offset: int = 0


def parameters(log: int) -> dict[str, int]:
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
                compression_params=zstandard.ZstdCompressionParameters(**parameters(log))
            )
            for log in (BLOCK_LOG, METADATA.bit_length() - 1)
        )


compressor = _Compressor()


class Area:
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
        self.fragments: list[Block] = []
        self._out = out
        self._pool = pool
        self._ahead = ahead
        self._reuse = reuse
        self._pack = pack
        self._pending: deque[tuple[Block, int, Future[Piece]]] = deque()
        self._open = bytearray()  # the fragment that is being filled

    def block(self, data: bytes) -> Block:
        """Add a block; its place is known when all is finished."""
        block = Block()
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


def smaller(data: bytes) -> bytes:
    """`data` compressed, or itself where that is not smaller."""
    small = compressor.data.compress(data)
    return small if len(small) < len(data) else data


def as_it_is(data: bytes) -> bytes:
    return data


def place(tree: Tree, area: Area) -> dict[int, Data]:
    """Put the bytes of all files into `area`; where they are, by the id of each File."""
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
        placed[id(entry)] = _put(path, entry, area)
        if key:
            twins[key] = placed[id(entry)]
    return placed


def _put(path: str, entry: File, area: Area) -> Data:
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
