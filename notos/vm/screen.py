"""What stands on a machine's screen, read by tesseract, which comes from Debian like all that is run here."""

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
_SCALE = 3  # it wants letters of some 30 pixels, and a screen's have 16


def reader(folder: Path, debian: Debian, build: Architecture) -> ToolsTree:
    """The tree that has tesseract for `build`; its lock is kept in `folder`. Raises FetchError, LockError."""
    return peers.tree(PACKAGES, Archive(debian, Cache.default(), build), folder / "screen.lock")


def text(qmp: Callable[..., Any], tools: ToolsTree) -> str:
    """What the screen says, by the machine's `qmp`. Raises MachineError, ToolError."""
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
    """A PPM (P6, 8 bit; ppm(5)) as a PGM, black on white, a pixel three by three. Raises MachineError."""
    fields = picture.split(maxsplit=4)
    if len(fields) < 4 or fields[0] != b"P6" or fields[3] != b"255":
        raise MachineError("QEMU's screendump is no PPM of 8 bits")
    width, height = int(fields[1]), int(fields[2])
    # One byte of white space follows the header.
    pixels = picture[len(picture) - 3 * width * height :]
    # Text has all sorts of colours: the brightest part of each counts, so green is as dark as white.
    brightest = bytes(map(max, pixels[0::3], pixels[1::3], pixels[2::3])).translate(bytes(range(255, -1, -1)))
    rows = []
    for at in range(0, width * height, width):
        row = brightest[at : at + width]
        wide = bytearray(_SCALE * width)
        for shift in range(_SCALE):
            wide[shift::_SCALE] = row
        rows += [bytes(wide)] * _SCALE
    return b"P5\n%d %d\n255\n" % (_SCALE * width, _SCALE * height) + b"".join(rows)
