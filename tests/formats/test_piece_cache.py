"""Taking compressed pieces over: what is found, and that nothing wrong ever is."""

import json
import zlib
from pathlib import Path

import pytest

from notos.formats.piece_cache import Reuse

PIECES = [b"one" * 1000, b"two" * 1000, b"three" * 1000]


class Counter:
    """Compresses, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, data: bytes) -> bytes:
        self.calls += 1
        return zlib.compress(data)


def write(path: Path, pieces: list[bytes], made: str = "zlib") -> int:
    """Write a file of pieces; how many had to be compressed."""
    count = Counter()
    with Reuse(path, made) as reuse:
        beside = path.with_name("beside")
        with beside.open("wb") as out:
            for data in pieces:
                piece = reuse.compressed(data, count)
                reuse.placed(piece, out.tell())
                out.write(piece.data)
        beside.replace(path)
        reuse.save(path)
    assert path.read_bytes() == b"".join(map(zlib.compress, pieces))
    return count.calls


def test_what_is_there_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "out"
    assert write(path, PIECES) == 3
    assert write(path, PIECES) == 0
    assert write(path, [PIECES[2], b"new", PIECES[0]]) == 1
    assert write(path, PIECES) == 1
    assert write(path, PIECES, made="zlib 2") == 3


def test_a_spoilt_piece_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "out"
    write(path, PIECES)
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)
    assert write(path, PIECES) == 1
    path.write_bytes(path.read_bytes()[:-1])
    assert write(path, PIECES) == 1
    path.unlink()
    assert write(path, PIECES) == 3


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '{"made": "zlib"}', '{"made": "zlib", "pieces": 1}'])
def test_a_spoilt_listing_costs_time_only(tmp_path: Path, text: str) -> None:
    path = tmp_path / "out"
    write(path, PIECES)
    listing = tmp_path / "reuse/out.json"
    assert json.loads(listing.read_text())["made"] == "zlib"
    listing.write_text(text)
    assert write(path, PIECES) == 3
    assert write(path, PIECES) == 0
