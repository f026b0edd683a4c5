"""A writer of cpio archives in the newc format, for an initrd. There is no reader.

Source: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst. The archive depends on the
tree alone: entries are sorted, owner and time are 0, inode numbers are consecutive. With `timed`, times
follow from contents (times.py). It does not need root, since device nodes are not created on disk.
"""

import io
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from notos import atomic
from notos.errors import ArchiveError
from notos.formats import names, times
from notos.formats.piece_cache import Piece, Reuse
from notos.formats.tree import Device, Directory, Entry, File, Symlink, Tree

MAGIC = b"070701"
TRAILER = "TRAILER!!!"
BLOCK = 512  # bytes; the archive's size is a multiple of it, as with GNU cpio
MAX_FIELD = 0xFFFFFFFF  # 8 hex digits
MAX_NAME = 4096  # bytes with the final zero: PATH_MAX; the kernel skips entries with longer names
_FORMATS = {"c": stat.S_IFCHR, "b": stat.S_IFBLK}


def write(out: BinaryIO, tree: Tree) -> None:
    """Write `tree` to `out` as one archive. Memory use does not depend on the files' sizes.

    A File at several paths is a hard link, and the last path has the contents, as with GNU cpio and in the
    kernel. Raises ArchiveError for entries that newc cannot represent, and for a file that changes during
    the read.
    """
    for piece in pieces(tree):
        out.write(piece)


def pieces(tree: Tree, *, timed: bool = False) -> Iterator[bytes]:
    """Yield the bytes that write() writes; with `timed`, entries have the times of times.py."""
    size = 0
    for piece in _entries(tree, times.of_tree(tree) if timed else {}):
        yield piece
        size += len(piece)
    yield bytes(-size % BLOCK)


def write_initrd(path: Path, trees: Sequence[Tree], *, level: int) -> None:
    """Write `trees` to `path` atomically, as one archive each, compressed by zstd at `level` (0: stored).

    The kernel unpacks consecutive archives. Compressed archives in the existing file are reused; the others
    are compressed in parallel. Raises ArchiveError.
    """
    import zstandard

    # threads=0 means a single thread: the bytes depend on the number of threads.
    parameters = zstandard.ZstdCompressionParameters.from_level(level or 1, threads=0, write_checksum=1)

    def compress(data: bytes) -> bytes:
        if not level:
            return data
        return zstandard.ZstdCompressor(compression_params=parameters).compress(data)

    def frame(tree: Tree) -> Piece:
        out = io.BytesIO()
        write(out, tree)
        return reuse.compressed(out.getvalue(), compress)

    with Reuse(path, f"zstandard {zstandard.__version__} {level}") as reuse:
        with atomic.file(path) as out, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            for piece in pool.map(frame, trees):
                reuse.placed(piece, out.tell())
                out.write(piece.data)
        reuse.save(path)


def _entries(tree: Tree, moments: Mapping[str, int]) -> Iterator[bytes]:
    links: dict[int, int] = {}
    for _, entry in tree.items():
        if isinstance(entry, File):
            links[id(entry)] = links.get(id(entry), 0) + 1
    pending = dict(links)
    inodes: dict[int, int] = {}
    children = {path: names for path, names in tree.children().items() if path}
    number = 0
    for path, entry in tree.items():
        time = moments.get(path, 0)
        if isinstance(entry, File):
            pending[id(entry)] -= 1
            if id(entry) not in inodes:
                number += 1
                inodes[id(entry)] = number
            size = 0 if pending[id(entry)] else entry.size
            yield _header(path, inodes[id(entry)], _mode(entry), links[id(entry)], size, time=time)
            if size:
                yield from _body(entry, path, size)
            continue
        number += 1
        if isinstance(entry, Symlink):
            target = names.encode(entry.target)
            yield _header(path, number, _mode(entry), 1, len(target), time=time)
            yield target + bytes(-len(target) % 4)
        elif isinstance(entry, Device):
            yield _header(path, number, _mode(entry), 1, 0, device=(entry.major, entry.minor))
        else:
            below = sum(isinstance(tree.get(f"{path}/{name}"), Directory) for name in children[path])
            yield _header(path, number, _mode(entry), 2 + below, 0, time=time)
    yield _header(TRAILER, 0, 0, 1, 0)


def _mode(entry: Entry) -> int:
    if isinstance(entry, Directory):
        return stat.S_IFDIR | 0o555
    if isinstance(entry, Symlink):
        return stat.S_IFLNK | 0o777
    if isinstance(entry, Device):
        return _FORMATS[entry.kind] | entry.mode
    return stat.S_IFREG | (0o555 if entry.executable else 0o444)


def _header(
    path: str,
    inode: int,
    mode: int,
    links: int,
    size: int,
    *,
    device: tuple[int, int] = (0, 0),
    time: int = 0,
) -> bytes:
    """Return the header (110 bytes) and the name of an entry, padded to a multiple of 4 bytes."""
    name = names.encode(path) + b"\0"
    if len(name) > MAX_NAME:
        raise ArchiveError(f"{path[:60]}… has a name of {len(name) - 1} bytes; newc allows {MAX_NAME - 1}")
    if path == TRAILER and inode:
        raise ArchiveError(f"a file named {TRAILER} would end the archive", hint="rename the file")
    if size > MAX_FIELD:
        raise ArchiveError(f"{path} has {size} bytes; newc allows less than 4 GiB")
    if inode > MAX_FIELD:
        raise ArchiveError("too many files for newc: inode numbers have 32 bits")
    fields = (inode, mode, 0, 0, links, time, size, 0, 0, *device, len(name), 0)
    header = MAGIC + b"".join(b"%08X" % field for field in fields)
    return header + name + bytes(-(len(header) + len(name)) % 4)


def _body(entry: File, path: str, size: int) -> Iterator[bytes]:
    seen = 0
    for piece in entry.chunks():
        seen += len(piece)
        if seen > size:
            break
        yield piece
    if seen != size:
        raise ArchiveError(f"{path} changed during the read", hint="build again")
    yield bytes(-size % 4)
