"""Compressed pieces of an output, taken over from the one that it replaces: compressing is what takes time.

A piece is known by the sha256 of its uncompressed bytes, and checked by that of its compressed ones, so
an output has the same bytes whether anything is taken over or not. What a file has is listed in
reuse/NAME.json beside it.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from notos import atomic


class Piece(NamedTuple):
    """A compressed piece, and what it is known by."""

    key: str
    data: bytes


class Reuse:
    """The pieces of the file at `path`, as far as there are any.

    `made` says what compressed bytes depend on besides the uncompressed ones: a library's version, its
    parameters. Pieces that were made otherwise are not taken over. It may be asked by many threads.
    """

    def __init__(self, path: Path | None = None, made: str = "") -> None:
        """Open the file; it may be renamed over afterwards. Without one nothing is taken over."""
        self._made = made
        self._had: Mapping[str, tuple[int, int, str]] = {}
        self._has: dict[str, tuple[int, int, str]] = {}
        self._file: BinaryIO | None = None
        if path is None:
            return
        try:
            listed = json.loads(_listing(path).read_bytes())
            if listed["made"] == made:
                self._file = path.open("rb")
                self._had = dict(listed["pieces"])
        except (OSError, ValueError, KeyError, TypeError):
            self._had = {}  # not there, or damaged: it is all made again

    def compressed(self, data: bytes, compress: Callable[[bytes], bytes]) -> Piece:
        """`data` compressed: taken from the file, or by `compress`."""
        key = hashlib.sha256(data).hexdigest()
        found = self._had.get(key)
        if found is not None and self._file is not None:
            start, size, sha256 = found
            kept = os.pread(self._file.fileno(), size, start)
            if hashlib.sha256(kept).hexdigest() == sha256:
                return Piece(key, kept)
        return Piece(key, compress(data))

    def placed(self, piece: Piece, start: int) -> None:
        """Note that the new file has `piece` at `start`."""
        self._has[piece.key] = (start, len(piece.data), hashlib.sha256(piece.data).hexdigest())

    def save(self, path: Path) -> None:
        """List what the file at `path`, which is written now, has."""
        listing = _listing(path)
        listing.parent.mkdir(exist_ok=True)
        atomic.write(listing, json.dumps({"made": self._made, "pieces": self._has}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def _listing(path: Path) -> Path:
    return path.parent / "reuse" / f"{path.name}.json"
