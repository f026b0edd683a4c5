"""Conversion of a screenshot for text recognition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notos.errors import MachineError
from notos.vm.screen import enlarged


@given(st.integers(1, 5), st.integers(1, 5), st.data())
def test_each_pixel_becomes_nine(width: int, height: int, data: st.DataObject) -> None:
    pixels = data.draw(st.binary(min_size=3 * width * height, max_size=3 * width * height))
    header, rest = enlarged(b"P6\n%d %d\n255\n" % (width, height) + pixels).split(b"\n255\n", 1)
    assert header == b"P5\n%d %d" % (3 * width, 3 * height)
    for y in range(3 * height):
        for x in range(3 * width):
            at = 3 * (y // 3 * width + x // 3)
            assert rest[y * 3 * width + x] == 255 - max(pixels[at : at + 3])


@pytest.mark.parametrize("picture", [b"", b"P5\n1 1\n255\n\0", b"P6\n1 1\n65535\n\0\0\0\0\0\0"])
def test_another_format(picture: bytes) -> None:
    with pytest.raises(MachineError, match="not an 8-bit PPM"):
        enlarged(picture)
