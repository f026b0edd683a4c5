"""A writer of squashfs 4.0 images, for a machine's root. There is no reader.

Source: the kernel's Documentation/filesystems/squashfs.rst and fs/squashfs/squashfs_fs.h. The image depends
on the tree alone: entries are sorted, owner is 0, times follow from contents, and the order of blocks does
not depend on the number of threads. It does not need root, since device nodes are not created on disk.
blocks.py writes the contents of files, inodes.py the inodes and listings.
"""

import os
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import zstandard

from notos import atomic
from notos.formats.piece_cache import Reuse
from notos.formats.squashfs.blocks import BLOCK, BLOCK_LOG, Area, as_it_is, parameters, place, smaller
from notos.formats.squashfs.inodes import TIME, Inodes, Metadata
from notos.formats.tree import Tree

__all__ = ["BLOCK", "write", "write_image"]

PAGE = 4096  # bytes; the image's size is a multiple of it, as with mksquashfs

_MAGIC, _ZSTD, _VERSION = 0x73717368, 6, (4, 0)
_NO_XATTRS, _DUPLICATES = 0x200, 0x40
_NONE = 0xFFFFFFFFFFFFFFFF  # the offset of a missing table
_SUPERBLOCK = struct.Struct("<5I6H8Q")
_IN_FRAGMENT = struct.Struct("<QII")


def write_image(image: Path, tree: Tree, *, jobs: int | None = None, stored: bool = False) -> None:
    """Write `tree` to `image` atomically. Compressed blocks of the existing image are reused.

    `jobs` threads compress, by default one per core. With `stored`, the contents of files are not compressed.
    Raises ArchiveError.
    """
    with Reuse(image, "stored" if stored else _made()) as reuse:
        with atomic.file(image) as out:
            write(out, tree, jobs=jobs, reuse=reuse, stored=stored)
        reuse.save(image)


def write(
    out: BinaryIO, tree: Tree, *, jobs: int | None = None, reuse: Reuse | None = None, stored: bool = False
) -> None:
    """Write `tree` to the seekable `out` as one image. Memory use does not depend on the files' sizes.

    Raises ArchiveError for entries that squashfs cannot represent, and for a file that changes during the
    read.
    """
    out.write(bytes(_SUPERBLOCK.size))
    jobs = jobs or len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(jobs) as pool:
        area = Area(out, pool, 4 * jobs, reuse or Reuse(), as_it_is if stored else smaller)
        data = place(tree, area)
        area.finish()
    inodes = Inodes(tree, data)
    root = inodes.add_root()
    inode_table = area.end
    directory_table = inode_table + out.write(inodes.table.bytes())
    fragment_table = directory_table + out.write(inodes.listings.bytes())
    fragments = Metadata()
    for each in area.fragments:
        fragments.write(_IN_FRAGMENT.pack(each.start, each.size, 0))
    fragment_index = _write_table(out, fragments, fragment_table)
    ids = Metadata()
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


def _write_table(out: BinaryIO, table: Metadata, start: int) -> int:
    """Write a table and the index of its blocks' offsets; return the offset of the index."""
    data = table.bytes()
    out.write(data)
    out.write(b"".join(struct.pack("<Q", start + each) for each in table.starts[:-1]))
    return start + len(data)


def _made() -> str:
    return f"zstandard {zstandard.__version__} {parameters(BLOCK_LOG)}"
