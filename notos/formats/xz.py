"""A parallel decompressor for .xz: the blocks of a stream are independent.

Source: "The .xz File Format", 1.2.1 (stream header and footer, index). Only the positions of the blocks are
read here; liblzma verifies every block. Python's lzma module has no threads, but releases the GIL.
"""

import lzma
import os
import struct
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

CHUNK = 1 << 20  # bytes
MEMORY = 1 << 28  # bytes; xz -9 needs a quarter of it
_MAGIC, _END = b"\xfd7zXZ\0", b"YZ"
_HEADER = 12  # bytes; of the stream header and of the footer


def decompress(data: bytes) -> Iterator[bytes]:
    """Yield the decompressed contents of the .xz file `data` in pieces.

    Only a single stream of several blocks is decompressed in parallel. Raises lzma.LZMAError if the data is
    damaged or truncated.
    """
    blocks = _blocks(data)
    if len(blocks) < 2:
        yield from _whole(data)
        return
    view = memoryview(data)

    def block(start: int, size: int, length: int) -> bytes:
        decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY)
        decompressor.decompress(view[:_HEADER])
        plain = decompressor.decompress(view[start : start + size])
        if len(plain) != length:
            raise lzma.LZMAError("Corrupt input data")
        return plain

    cores = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(cores) as pool:
        ahead: deque[Future[bytes]] = deque()
        for each in blocks:
            ahead.append(pool.submit(block, *each))
            if len(ahead) >= cores:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _whole(data: bytes) -> Iterator[bytes]:
    """Yield the contents sequentially; consecutive streams and padding are supported."""
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY)
    for at in range(0, len(data), CHUNK):
        rest = data[at : at + CHUNK]
        while rest:
            if decompressor.eof:
                rest = rest.lstrip(b"\0")
                if not rest:
                    break
                decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY)
            yield decompressor.decompress(rest)
            rest = decompressor.unused_data if decompressor.eof else b""
    if not decompressor.eof:
        raise lzma.LZMAError("Compressed data ended before the end-of-stream marker was reached")


def _blocks(data: bytes) -> list[tuple[int, int, int]]:
    """Return the offset, the padded size and the uncompressed size of each block, in bytes.

    The list is empty unless `data` is a single stream with a valid index; liblzma then reports the error.
    """
    if data[:6] != _MAGIC or data[-2:] != _END or len(data) < 2 * _HEADER:
        return []
    size = (struct.unpack_from("<I", data, len(data) - 8)[0] + 1) * 4
    start = len(data) - _HEADER - size
    index = data[start : start + size]
    if (
        start < _HEADER
        or len(index) < 8
        or index[0]
        or zlib.crc32(index[:-4]).to_bytes(4, "little") != index[-4:]
    ):
        return []
    numbers = _integers(index[1:-4])
    try:
        count = next(numbers)
        found = []
        at = _HEADER
        for _ in range(count):
            unpadded, length = next(numbers), next(numbers)
            found.append((at, unpadded + -unpadded % 4, length))
            at += found[-1][1]
    except StopIteration:
        return []
    return found if at == start else []


def _integers(data: bytes) -> Iterator[int]:
    """Yield integers of 7 bits per byte, the lowest bits first ("Multibyte Integers")."""
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            yield value
            value = shift = 0
