"""Modification times that follow from contents: other contents have another time, the same have the same.

Programs compare times instead of contents: Python for its byte code, web servers for ETag and Last-Modified.
With one time for all files they would keep the old contents after an edit of equal length. The times lie
between 1980, the first year in a zip archive, and 2011, which is past for every clock that is set. They say
nothing about the order of two versions.
"""

import hashlib
import os
from collections.abc import Mapping

from notos.formats.tree import Directory, File, Symlink, Tree

FIRST = 315_619_200  # 1980-01-02: after the start of 1980 in each time zone
SPAN = 1_000_000_000  # seconds


def of_bytes(data: bytes) -> int:
    """Return the time for `data`, in seconds since 1970."""
    return _time(hashlib.sha256(data))


def of_tree(tree: Tree) -> Mapping[str, int]:
    """Return the times of all entries by path; the root is "".

    A link's time follows from its target, a directory's from the names and times of its entries.
    """
    times: dict[str, int] = {}
    files: dict[int, int] = {}
    children = tree.children()
    # Entries come before their directory.
    for path, entry in reversed([("", Directory()), *tree.items()]):
        if isinstance(entry, Directory):
            below = (f"{path}/{name}" if path else name for name in children[path])
            times[path] = of_bytes(b"".join(os.fsencode(each) + b"\0%d\0" % times[each] for each in below))
        elif isinstance(entry, File):
            if id(entry) not in files:
                files[id(entry)] = _of_file(entry)
            times[path] = files[id(entry)]
        elif isinstance(entry, Symlink):
            times[path] = of_bytes(os.fsencode(entry.target))
        else:
            times[path] = FIRST
    return times


def _of_file(entry: File) -> int:
    hasher = hashlib.sha256()
    for piece in entry.chunks():
        hasher.update(piece)
    return _time(hasher)


def _time(hasher: "hashlib._Hash") -> int:
    return FIRST + int.from_bytes(hasher.digest()[:8]) % SPAN
