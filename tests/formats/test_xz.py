"""Decompressing .xz by blocks, judged by the xz that wrote it and by Python's own lzma."""

import contextlib
import lzma
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notos.formats import xz
from notos.process import run
from tests.conftest import Tool


@pytest.fixture(scope="module")
def blocks(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """Return a stream of many blocks, written by the real xz, and its contents."""
    plain = b"".join(os.urandom(1000) + bytes(9000) for _ in range(100)) + b"end"
    path: Path = tmp_path_factory.mktemp("xz") / "data"
    path.write_bytes(plain)
    run([*tool("xz"), "--block-size=100000", path])
    return path.with_suffix(".xz").read_bytes(), plain


def unpacked(data: bytes) -> bytes:
    return b"".join(xz.decompress(data))


def test_many_blocks(blocks: tuple[bytes, bytes]) -> None:
    data, plain = blocks
    pieces = list(xz.decompress(data))
    assert b"".join(pieces) == plain
    assert len(pieces) == 11


@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=3), st.integers(0, 3))
def test_streams_and_padding(contents: list[bytes], padding: int) -> None:
    data = b"".join(lzma.compress(each) + bytes(4 * padding) for each in contents)
    assert unpacked(data) == b"".join(contents)


@given(st.data())
def test_damage_is_noticed_anywhere(blocks: tuple[bytes, bytes], data: st.DataObject) -> None:
    """A damaged stream is an error or has the same contents."""
    packed, plain = blocks
    at = data.draw(st.integers(0, len(packed) - 1))
    spoilt = bytearray(packed)
    spoilt[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(lzma.LZMAError):
        assert unpacked(bytes(spoilt)) == plain


@given(st.data())
def test_what_is_cut_off_is_noticed(blocks: tuple[bytes, bytes], data: st.DataObject) -> None:
    packed, _ = blocks
    with pytest.raises(lzma.LZMAError):
        unpacked(packed[: data.draw(st.integers(1, len(packed) - 1))])
