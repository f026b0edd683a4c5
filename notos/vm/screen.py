"""The text on a machine's screen, read by tesseract from Debian's package."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from notos.architecture import Architecture
from notos.cache import Cache
from notos.config.model import Debian
from notos.debian.archive import Archive
from notos.errors import MachineError
from notos.process import run
from notos.toolchain import peers
from notos.toolchain.tools_tree import ToolsTree

PACKAGES = ("tesseract-ocr", "tesseract-ocr-eng")
_DATA = "usr/share/tesseract-ocr/5/tessdata"
_SCALE = 3  # tesseract needs letters of some 30 pixels; those of a screen have 16


def reader(folder: Path, debian: Debian, build: Architecture) -> ToolsTree:
    """Return a tree with tesseract for `build`; its lock is in `folder`. Raises FetchError, LockError."""
    return peers.tree(PACKAGES, Archive(debian, Cache.default(), build), folder / "screen.lock")


def text(qmp: Callable[..., Any], tools: ToolsTree) -> str:
    """Return the text on the screen of the machine behind `qmp`. Raises MachineError, ToolError."""
    with tempfile.TemporaryDirectory(prefix="notos-screen-") as folder:
        shot, page = Path(folder, "screen.ppm"), Path(folder, "page.pgm")
        qmp("screendump", filename=str(shot), format="ppm")
        page.write_bytes(enlarged(shot.read_bytes()))
        words = [str(page), "-", "--psm", "6", "--tessdata-dir", str(tools.root / _DATA)]
        return run(
            [*tools.command("tesseract"), *words],
            env={"PATH": "/nonexistent", "LC_ALL": "C", "OMP_THREAD_LIMIT": "1"},
        ).decode()


def enlarged(picture: bytes) -> bytes:
    """Convert a PPM (P6, 8 bit; ppm(5)) to a PGM, black on white, tripled in size. Raises MachineError."""
    fields = picture.split(maxsplit=4)
    if len(fields) < 4 or fields[0] != b"P6" or fields[3] != b"255":
        raise MachineError("QEMU's screendump is not an 8-bit PPM")
    width, height = int(fields[1]), int(fields[2])
    # One byte of white space follows the header.
    pixels = picture[len(picture) - 3 * width * height :]
    # Text may have any colour: take the brightest channel of each pixel, so green becomes as dark as white.
    brightest = bytes(map(max, pixels[0::3], pixels[1::3], pixels[2::3])).translate(bytes(range(255, -1, -1)))
    rows = []
    for at in range(0, width * height, width):
        row = brightest[at : at + width]
        wide = bytearray(_SCALE * width)
        for shift in range(_SCALE):
            wide[shift::_SCALE] = row
        rows += [bytes(wide)] * _SCALE
    return b"P5\n%d %d\n255\n" % (_SCALE * width, _SCALE * height) + b"".join(rows)
