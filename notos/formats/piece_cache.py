"""Reuse of compressed pieces of the previous output, since compression takes most of the time.

A piece is identified by the sha256 of its uncompressed bytes, and verified by the sha256 of its compressed
bytes. The output therefore has the same bytes with and without reuse. The pieces of the file NAME are listed
in reuse/NAME.json beside it.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from notos import atomic


class Piece(NamedTuple):
    """A compressed piece; `key` is the sha256 of its uncompressed bytes, in hex."""

    key: str
    data: bytes


class Reuse:
    """The reusable pieces of the file at `path`, which may be missing.

    `made` identifies the compressor: the version of the library and its parameters. Pieces with another
    value of `made` are not reused. Several threads may call compressed() at the same time.
    """

    def __init__(self, path: Path | None = None, made: str = "") -> None:
        """Open the file, which may be replaced afterwards. Without a path, nothing is reused."""
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
            self._had = {}  # missing or damaged: everything is compressed again

    def compressed(self, data: bytes, compress: Callable[[bytes], bytes]) -> Piece:
        """Return `data` compressed: a piece of the file, otherwise the result of `compress`."""
        key = hashlib.sha256(data).hexdigest()
        found = self._had.get(key)
        if found is not None and self._file is not None:
            start, size, sha256 = found
            kept = os.pread(self._file.fileno(), size, start)
            if hashlib.sha256(kept).hexdigest() == sha256:
                return Piece(key, kept)
        return Piece(key, compress(data))

    def placed(self, piece: Piece, start: int) -> None:
        """Record that the new file has `piece` at the offset `start`."""
        self._has[piece.key] = (start, len(piece.data), hashlib.sha256(piece.data).hexdigest())

    def save(self, path: Path) -> None:
        """Write the list of pieces for the new file, which is at `path` now."""
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
