"""A streaming reader of tar archives, compressed or not.

Source: tar(5). Python's tarfile treats an invalid header as the end of the archive, and holds the GIL five
times as long.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from notos.errors import PackageError
from notos.formats import names

_BLOCK = 512  # bytes; the block size of tar
_ZSTD_WINDOW = 1 << 27  # bytes; the window of zstd --ultra -22
_MAGIC = {".gz": b"\x1f", ".bz2": b"B", ".lzma": b"\x5d"}  # first byte of a further stream
_WITHOUT_DATA = b"123456"  # links, devices, folders and fifos: some writers give them a size


@dataclass(frozen=True, slots=True)
class Header:
    """The header of an entry: `kind` is typeflag, `size` is in bytes, `time` is mtime in seconds.

    `owner` and `group` are names, or decimal numbers without a name in the archive; 0 is root.
    """

    name: str
    kind: bytes
    mode: int
    size: int
    link: str
    time: int
    owner: str
    group: str


class Reader:
    """The entries of an archive that is read in pieces. The data of an entry is read or skipped.

    With `pax`, POSIX extended headers are supported; a .deb has none (deb(5)). With `open_end`, the zero
    block at the end may be missing, as for dpkg.
    """

    def __init__(
        self, pieces: Iterator[bytes], suffix: str, *, pax: bool = False, open_end: bool = False
    ) -> None:
        self._stream = _Stream(decompress(pieces, suffix))
        self._left = 0
        self._pax = pax
        self._open_end = open_end

    def __iter__(self) -> Iterator[Header]:
        """Yield all headers, and verify checksums up to the end of the archive. Raises PackageError."""
        for header in _headers(self._stream, self._pax, self._open_end):
            self._left = header.size
            yield header
            self._stream.skip(self._left + -header.size % _BLOCK)
        self._stream.drain()

    def read(self) -> bytes:
        """Return the data of the entry whose header was yielded last."""
        size, self._left = self._left, 0
        return self._stream.read(size)


class _Decompressor(Protocol):
    """The common interface of zlib and zstandard."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def decompress(pieces: Iterator[bytes], suffix: str) -> Iterator[bytes]:
    """Yield the decompressed data in large pieces, so that the GIL is released for as long as possible.

    `suffix` is "", ".xz", ".gz", ".zst", ".bz2" or ".lzma". Raises PackageError for another suffix and for
    invalid data.
    """
    import bz2
    import lzma

    import zstandard

    from notos.formats import xz

    makers: dict[str, Callable[[], _Decompressor]] = {
        ".zst": lambda: zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj(),
        ".gz": lambda: zlib.decompressobj(16 + zlib.MAX_WBITS),
        ".bz2": bz2.BZ2Decompressor,
        ".lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, xz.MEMORY),
    }
    if suffix == "":
        yield from pieces
        return
    if suffix == ".xz":
        try:
            yield from xz.decompress(b"".join(pieces))
        except (lzma.LZMAError, MemoryError) as error:
            raise PackageError(f"invalid xz data: {error}") from error
        return
    if suffix not in makers:
        raise PackageError(f"unsupported compression: {suffix}")
    try:
        decompressor = makers[suffix]()
        for piece in pieces:
            rest = piece
            while rest:
                if decompressor.eof:  # consecutive streams are one stream
                    if not rest.startswith(_MAGIC.get(suffix, b"")):
                        return  # as gzip(1) and dpkg, ignore what follows
                    decompressor = makers[suffix]()
                yield decompressor.decompress(rest)
                rest = decompressor.unused_data if decompressor.eof else b""
    except (zstandard.ZstdError, zlib.error, lzma.LZMAError, OSError, EOFError, MemoryError) as error:
        raise PackageError(f"invalid {suffix[1:]} data: {error}") from error
    if not decompressor.eof:
        raise PackageError(f"truncated {suffix[1:]} data")


class _Stream:
    """Reads of exact sizes from pieces of any size."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = b""
        self._at = 0

    def read(self, size: int) -> bytes:
        """Return exactly `size` bytes. Raises PackageError if the stream has fewer."""
        end = self._at + size
        if end <= len(self._piece):
            data = self._piece[self._at : end]
            self._at = end
            return data
        return b"".join(self._take(size))

    def skip(self, size: int) -> None:
        """Skip `size` bytes."""
        end = self._at + size
        if end <= len(self._piece):
            self._at = end
        else:
            for _ in self._take(size):
                pass

    def header(self, *, open_end: bool) -> bytes:
        """Return the next block; with `open_end`, the end of the stream is a zero block."""
        while self._at == len(self._piece):
            piece = next(self._pieces, None)
            if piece is None:
                if open_end:
                    return bytes(_BLOCK)
                raise PackageError("truncated tar archive")
            self._piece, self._at = piece, 0
        return self.read(_BLOCK)

    def drain(self) -> None:
        """Read the rest of the stream, so that the decompressor verifies its checksums."""
        for _ in self._pieces:
            pass

    def _take(self, size: int) -> Iterator[bytes]:
        while size > 0:
            if self._at == len(self._piece):
                piece = next(self._pieces, None)
                if piece is None:
                    raise PackageError("truncated tar archive")
                self._piece, self._at = piece, 0
            part = self._piece[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            yield part


def _headers(stream: _Stream, pax: bool, open_end: bool) -> Iterator[Header]:
    """Yield the headers up to the zero block at the end. The caller reads or skips the data of files."""
    long_name = long_link = None
    long_size: int | None = None
    extended = False  # an extension of the next header was read
    while any(block := stream.header(open_end=open_end and not extended)):
        if _number(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * 0x20:
            raise PackageError("invalid tar header: wrong checksum")
        kind, size = block[156:157], _number(block[124:136])
        if size < 0:
            raise PackageError(f"invalid tar header: the size is {size}")
        if kind in (b"L", b"K"):  # GNU: the next entry's name or link target
            text = _text(stream.read(size))
            stream.skip(-size % _BLOCK)
            extended = True
            if kind == b"L":
                long_name = text
            else:
                long_link = text
            continue
        if pax and kind in (b"x", b"g"):  # POSIX: fields of the next entry (x) or of all entries (g, ignored)
            records = _records(stream.read(size)) if kind == b"x" else {}
            stream.skip(size if kind == b"g" else 0)
            stream.skip(-size % _BLOCK)
            long_name, long_link = records.get("path", long_name), records.get("linkpath", long_link)
            long_size = int(records["size"]) if records.get("size", "").isdigit() else None
            extended = True
            continue
        name = _text(block[:100])
        if block[257:263] == b"ustar\0" and block[345]:  # POSIX; GNU tar has other fields at this offset
            name = _text(block[345:500]) + "/" + name
        name = long_name or name
        if kind in (b"\0", b"0", b"7"):  # before POSIX, a directory was a file whose name ends in a slash
            kind = b"5" if name.endswith("/") else b"0"
        if kind in _WITHOUT_DATA:
            size, long_size = 0, None
        yield Header(
            name=name,
            kind=kind,
            mode=_number(block[100:108]),
            size=size if long_size is None else long_size,
            link=long_link or _text(block[157:257]),
            time=_number(block[136:148]),
            owner=_text(block[265:297]) or _account(block[108:116]),
            group=_text(block[297:329]) or _account(block[116:124]),
        )
        long_name = long_link = long_size = None
        extended = False


def _records(data: bytes) -> dict[str, str]:
    """Return the records "LENGTH KEY=VALUE\\n" of a pax header. Raises PackageError."""
    found = {}
    while data:
        digits, _, _ = data.partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = data[len(digits) + 1 : length]
        if not record.endswith(b"\n"):
            raise PackageError("invalid pax header")
        key, _, value = record[:-1].partition(b"=")
        found[names.decode(key)] = names.decode(value)
        data = data[length:]
    return found


def _text(field: bytes) -> str:
    return names.decode(field.partition(b"\0")[0])


def _account(field: bytes) -> str:
    return str(_number(field) or "root")


def _number(field: bytes) -> int:
    """Return the value of a field: octal digits, or base 256 if the first bit is set (GNU tar).

    Only times may be negative; a base-256 number is one in two's complement after that bit.
    """
    if field[0] & 0x80:
        bits = 8 * len(field) - 1
        value = int.from_bytes(field, "big") & ((1 << bits) - 1)
        return value - (1 << bits) if value >> (bits - 1) else value
    digits = field.partition(b"\0")[0].strip(b" ")
    if digits.strip(b"01234567"):
        raise PackageError(f"invalid tar header: not an octal number: {field!r}")
    return int(digits or b"0", 8)


def normal(name: str) -> str:
    """Return "usr/bin" for "./usr//bin/.", and "" for "./". Tree refuses paths with .. and absolute paths."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return "/".join([""] * name.startswith("/") + parts)


def check_target(name: str, target: str) -> None:
    """Raise PackageError if the target of the link `name` is empty or above the root."""
    depth = 0 if target.startswith("/") else name.count("/")
    for part in target.split("/"):
        if part == "..":
            depth -= 1
        elif part not in ("", "."):
            depth += 1
        if depth < 0:
            break
    if depth < 0 or not target or "\0" in target:
        raise PackageError(f"the target of the link {name} is empty or above the root: {target!r}")
