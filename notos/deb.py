"""Reading .deb files: data.tar into a Tree, control into a dict; nothing is unpacked to disk or run.

Source: deb(5), and tar(5) for the formats of tar that deb(5) allows. The tar reader is our own since
tarfile takes a broken header for the end of the archive, and spends five times as long holding the GIL.
"""

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from notos.errors import PackageError
from notos.tree import CHUNK, Directory, File, Symlink, Tree

_BLOCK = 512  # bytes: tar's unit
_ZSTD_WINDOW = 1 << 27  # bytes; what zstd --ultra -22 makes


def everything(_path: str) -> bool:
    """The default for `wanted`."""
    return True


def as_it_is(data: bytes) -> bytes:
    """The default for `kept`."""
    return data


def read(
    path: Path,
    *,
    wanted: Callable[[str], bool] = everything,
    kept: Callable[[bytes], bytes] = as_it_is,
) -> Tree:
    """The files that the .deb at `path` installs, contents in memory: of each what `kept` makes of it.

    Paths for which `wanted` is false are left out (a directory still comes as the parent of something
    wanted), and their contents are not kept. Hard links are one File at several paths. Owners and modes
    other than executable are dropped, setuid included. Symbolic links are kept to the letter; one that
    would climb above the root is refused.

    Raises PackageError, naming the .deb and the member, when the archive is broken or holds what a Tree
    cannot: paths outside the root or below a link, duplicates, links to nothing, device nodes.
    """
    with _named(path):
        tree, links = _read_tar(path, "data.tar", wanted, kept)
        lacking = {first for link, first in links.items() if wanted(link) and not wanted(first)}
        if lacking:  # a wanted link to a file that was passed over: read again, with the file
            tree, _ = _read_tar(path, "data.tar", lambda each: each in lacking or wanted(each), kept)
        if wanted is everything:
            return tree
        chosen = Tree()
        for each, entry in tree.items():
            if wanted(each):
                chosen.add(each, entry)
        return chosen


def control(path: Path) -> dict[str, str]:
    """The fields of the control file of the .deb at `path`; folded lines keep their newline and indent.

    Raises PackageError, naming the .deb, when it is broken.
    """
    with _named(path):
        tree, _ = _read_tar(path, "control.tar", lambda each: each == "control")
        file = tree.get("control")
        if not isinstance(file, File):
            raise PackageError("control.tar has no control file")
        return _fields(file.read().decode())


def _fields(text: str) -> dict[str, str]:
    """Parse one stanza, deb-control(5)."""
    fields: dict[str, str] = {}
    name = ""
    for line in text.rstrip("\n").split("\n"):
        if line.startswith((" ", "\t")) and name:
            fields[name] += "\n" + line.rstrip()
            continue
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip() or name in fields:
            raise PackageError(f"control has a line that is not a field: {line!r}")
        fields[name] = value.strip()
    return fields


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn all that reading a broken archive raises into a PackageError that names it."""
    try:
        yield
    except OSError as error:
        raise PackageError(f"cannot read {path}: {error.strerror or error}") from error
    except PackageError as error:
        raise PackageError(f"{path.name}: {error.message}") from error
    except UnicodeDecodeError as error:
        raise PackageError(f"{path.name}: control is not UTF-8") from error


# --- ar


def _member(deb: BinaryIO, stem: str) -> tuple[str, Iterator[bytes]]:
    """The suffix (".xz") and the bytes of the ar member `stem`, after checking that this is a .deb."""
    if deb.read(8) != b"!<arch>\n":
        raise PackageError("not a .deb: no ar magic at its start")
    left = os.fstat(deb.fileno()).st_size - 8
    first = True
    while header := deb.read(60):
        left -= len(header)
        digits = header[48:58].rstrip(b" ")
        if len(header) < 60 or header[58:] != b"`\n" or not digits.isdigit():
            raise PackageError("cut off, or a broken ar header")
        name, size = header[:16].rstrip(b" /").decode(errors="replace"), int(digits)
        if size > left:
            raise PackageError(f"{name} is cut off: {left} bytes of {size} are there")
        if first and (name != "debian-binary" or not deb.read(4).startswith(b"2.") or size < 4):
            raise PackageError("not a .deb of format 2")
        if name.startswith(stem):
            return name.removeprefix(stem), _pieces(deb, size)
        deb.seek(size + size % 2 - 4 * first, os.SEEK_CUR)
        left -= size + size % 2
        first = False
    raise PackageError(f"{stem} is missing")


def _pieces(stream: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0:
        piece = stream.read(min(CHUNK, size))
        if not piece:
            raise PackageError("it became shorter while it was read")
        size -= len(piece)
        yield piece


# --- compression


class _Decompressor(Protocol):
    """What zlib and zstandard have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def _decompress(pieces: Iterator[bytes], suffix: str) -> Iterator[bytes]:
    """Big pieces in, big pieces out: each call releases the GIL for as long as possible."""
    import lzma

    import zstandard

    from notos import xz

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


# --- tar


@dataclass(frozen=True, slots=True)
class _Header:
    """A tar entry's header; `kind` is its typeflag."""

    name: str
    kind: bytes
    mode: int
    size: int
    link: str


def _read_tar(
    path: Path, stem: str, wanted: Callable[[str], bool], kept: Callable[[bytes], bytes] = as_it_is
) -> tuple[Tree, dict[str, str]]:
    """All entries of a tar member, and which file each hard link is; unwanted files are left empty."""
    tree = Tree()
    links: dict[str, str] = {}
    with path.open("rb") as deb:
        suffix, pieces = _member(deb, stem)
        stream = _Stream(_decompress(pieces, suffix))
        try:
            for header in _headers(stream):
                name = _normal(header.name)
                if header.kind == b"0":
                    padding = -header.size % _BLOCK
                    if wanted(name):
                        content = kept(stream.read(header.size))
                        stream.skip(padding)
                    else:
                        content = b""
                        stream.skip(header.size + padding)
                    tree.add(name, File(content, bool(header.mode & 0o100)))
                elif header.kind == b"5":
                    if name:  # the root itself stands in every archive, and is in no Tree
                        tree.add(name, Directory())
                elif header.kind == b"2":
                    _check_target(name, header.link)
                    tree.add(name, Symlink(header.link))
                elif header.kind == b"1":
                    target = _normal(header.link)
                    file = tree.get(target)
                    if not isinstance(file, File):
                        raise PackageError(
                            f"{name} is a hard link to {header.link}, which is no file before it"
                        )
                    links[name] = links.get(target, target)
                    tree.add(name, file)
                elif header.kind in (b"3", b"4", b"6"):
                    raise PackageError(f"{name} is a device node or a fifo, which no package should hold")
                else:
                    raise PackageError(
                        f"{name} is a tar entry of the type {header.kind!r}, which deb(5) forbids"
                    )
            stream.drain()
        except PackageError as error:
            raise PackageError(f"{stem}{suffix}: {error.message}") from error
    return tree, links


def _headers(stream: _Stream) -> Iterator[_Header]:
    """The headers up to the zero block at the end; the caller reads or skips the data of files."""
    long_name = long_link = None
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
        name = _text(block[:100])
        if block[257:263] == b"ustar\0" and block[345]:  # POSIX; in GNU's format other fields stand there
            name = _text(block[345:500]) + "/" + name
        name = long_name or name
        if kind in (b"\0", b"7"):  # before POSIX a directory was a file with a slash
            kind = b"5" if kind == b"\0" and name.endswith("/") else b"0"
        yield _Header(name, kind, _number(block[100:108]), size, long_link or _text(block[157:257]))
        long_name = long_link = None


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


def _normal(name: str) -> str:
    """ "./usr/bin/" as "usr/bin", and "./" as ""; what is then not clean Tree refuses."""
    if name.startswith("./"):
        name = name[2:].lstrip("/")
    return "" if name == "." else name.rstrip("/")


def _check_target(name: str, target: str) -> None:
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
