"""Reading tar archives, compressed or not, entry by entry; what becomes of an entry is the caller's matter.

Source: tar(5). It is our own since tarfile takes a broken header for the end of the archive, and spends
five times as long holding the GIL.
"""

import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from notos.errors import PackageError

_BLOCK = 512  # bytes: tar's unit
_ZSTD_WINDOW = 1 << 27  # bytes; what zstd --ultra -22 makes


@dataclass(frozen=True, slots=True)
class Header:
    """A tar entry's header; `kind` is its typeflag, `time` its mtime in seconds."""

    name: str
    kind: bytes
    mode: int
    size: int
    link: str
    time: int


class Reader:
    """The entries of an archive in pieces, one after the other; each one's data is read or passed over.

    With `pax`, POSIX's extended headers are taken as well; a .deb has none (deb(5)).
    """

    def __init__(self, pieces: Iterator[bytes], suffix: str, *, pax: bool = False) -> None:
        self._stream = _Stream(decompress(pieces, suffix))
        self._left = 0
        self._pax = pax

    def __iter__(self) -> Iterator[Header]:
        """All headers up to the end, whose checksums are checked. Raises PackageError."""
        for header in _headers(self._stream, self._pax):
            self._left = header.size
            yield header
            self._stream.skip(self._left + -header.size % _BLOCK)
        self._stream.drain()

    def read(self) -> bytes:
        """The data of the entry whose header came last."""
        size, self._left = self._left, 0
        return self._stream.read(size)


class _Decompressor(Protocol):
    """What zlib and zstandard have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def decompress(pieces: Iterator[bytes], suffix: str) -> Iterator[bytes]:
    """Big pieces in, big pieces out: each call releases the GIL for as long as possible."""
    import lzma

    import zstandard

    from notos.formats import xz

    makers: dict[str, Callable[[], _Decompressor]] = {
        ".zst": lambda: zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj(),
        ".gz": lambda: zlib.decompressobj(16 + zlib.MAX_WBITS),
    }
    if suffix == "":
        yield from pieces
        return
    if suffix == ".xz":
        try:
            yield from xz.decompress(b"".join(pieces))
        except (lzma.LZMAError, MemoryError) as error:
            raise PackageError(f"broken xz data: {error}") from error
        return
    if suffix not in makers:
        raise PackageError(f"compressed in a way that deb(5) does not list: {suffix}")
    try:
        decompressor = makers[suffix]()
        for piece in pieces:
            rest = piece
            while rest:
                if decompressor.eof:  # several streams one after the other count as one
                    decompressor = makers[suffix]()
                yield decompressor.decompress(rest)
                rest = decompressor.unused_data if decompressor.eof else b""
    except (zstandard.ZstdError, zlib.error, MemoryError) as error:
        raise PackageError(f"broken {suffix[1:]} data: {error}") from error
    if not decompressor.eof:
        raise PackageError(f"{suffix[1:]} data that is cut off")


class _Stream:
    """Reads of exact sizes from pieces of any size."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = b""
        self._at = 0

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes; PackageError when there are fewer."""
        end = self._at + size
        if end <= len(self._piece):
            data = self._piece[self._at : end]
            self._at = end
            return data
        return b"".join(self._take(size))

    def skip(self, size: int) -> None:
        """Pass over `size` bytes."""
        end = self._at + size
        if end <= len(self._piece):
            self._at = end
        else:
            for _ in self._take(size):
                pass

    def drain(self) -> None:
        """Pass over all that is left, so that its checksums are checked."""
        for _ in self._pieces:
            pass

    def _take(self, size: int) -> Iterator[bytes]:
        while size > 0:
            if self._at == len(self._piece):
                piece = next(self._pieces, None)
                if piece is None:
                    raise PackageError("a tar archive that is cut off")
                self._piece, self._at = piece, 0
            part = self._piece[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            yield part


def _headers(stream: _Stream, pax: bool) -> Iterator[Header]:
    """The headers up to the zero block at the end; the caller reads or skips the data of files."""
    long_name = long_link = None
    long_size: int | None = None
    while any(block := stream.read(_BLOCK)):
        if _number(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * 0x20:
            raise PackageError("a tar header with a wrong checksum")
        kind, size = block[156:157], _number(block[124:136])
        if kind in (b"L", b"K"):  # GNU: the next entry's name or link target
            text = os.fsdecode(stream.read(size).rstrip(b"\0"))
            stream.skip(-size % _BLOCK)
            if kind == b"L":
                long_name = text
            else:
                long_link = text
            continue
        if pax and kind in (b"x", b"g"):  # POSIX: the same of the next entry, or remarks on all of them
            records = _records(stream.read(size)) if kind == b"x" else {}
            stream.skip(size if kind == b"g" else 0)
            stream.skip(-size % _BLOCK)
            long_name, long_link = records.get("path", long_name), records.get("linkpath", long_link)
            long_size = int(records["size"]) if records.get("size", "").isdigit() else None
            continue
        name = _text(block[:100])
        if block[257:263] == b"ustar\0" and block[345]:  # POSIX; in GNU's format other fields stand there
            name = _text(block[345:500]) + "/" + name
        name = long_name or name
        if kind in (b"\0", b"7"):  # before POSIX a directory was a file with a slash
            kind = b"5" if kind == b"\0" and name.endswith("/") else b"0"
        yield Header(
            name=name,
            kind=kind,
            mode=_number(block[100:108]),
            size=size if long_size is None else long_size,
            link=long_link or _text(block[157:257]),
            time=_number(block[136:148]),
        )
        long_name = long_link = long_size = None


def _records(data: bytes) -> dict[str, str]:
    """The records of a pax header, "LENGTH KEY=VALUE\\n" each. Raises PackageError."""
    found = {}
    while data:
        digits, _, _ = data.partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = data[len(digits) + 1 : length]
        if not record.endswith(b"\n"):
            raise PackageError("a pax header that is broken")
        key, _, value = record[:-1].partition(b"=")
        found[os.fsdecode(key)] = os.fsdecode(value)
        data = data[length:]
    return found


def _text(field: bytes) -> str:
    return os.fsdecode(field.partition(b"\0")[0])


def _number(field: bytes) -> int:
    """Octal digits, or GNU's base 256 where the first bit is set."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if digits.strip(b"01234567"):
        raise PackageError(f"a tar header with a number that is none: {field!r}")
    return int(digits or b"0", 8)


def normal(name: str) -> str:
    """ "./usr/bin/" as "usr/bin", and "./" as ""; what is then not clean Tree refuses."""
    if name.startswith("./"):
        name = name[2:].lstrip("/")
    return "" if name == "." else name.rstrip("/")


def check_target(name: str, target: str) -> None:
    """Refuse a link's target that is nothing or climbs above the root."""
    depth = 0 if target.startswith("/") else name.count("/")
    for part in target.split("/"):
        if part == "..":
            depth -= 1
        elif part not in ("", "."):
            depth += 1
        if depth < 0:
            break
    if depth < 0 or not target or "\0" in target:
        raise PackageError(f"{name} is a link that leaves the package: {target!r}")
