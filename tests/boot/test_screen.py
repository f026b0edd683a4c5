"""not-os's own boot test with assertions: the screen of a booted machine shows the boot."""

import itertools
import re
import struct
import zlib
from pathlib import Path

from notos.vm.plugin import MachineFactory
from tests.conftest import Project

PARAMS = "console=tty0 console=ttyS0"
TEXT_MODE = (720, 400)  # of VGA: 80 by 25 letters of 9 by 16 pixels


def colours(picture: Path) -> tuple[tuple[int, int], list[int]]:
    """Return a PNG's size and the histogram of its filtered bytes (PNG specification, 5 and 9)."""
    data = picture.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    size = struct.unpack(">II", data[16:24])
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    pixels = zlib.decompress(packed)
    return (size[0], size[1]), [pixels.count(value) for value in range(256)]


def test_the_screen_shows_the_boot(built: Project, machine_factory: MachineFactory) -> None:
    machine = machine_factory.at(built.script, environment={"KERNEL_PARAMS": PARAMS})
    machine.wait_for_console("Running runsvdir...")
    read = machine.wait_for_text(re.compile(r"Running runsvdir\.\.\.\s*$"))
    order = [
        read.index(line)
        for line in ("Loading kernel module virtio_blk", "Switching root filesystem", "Entering stage-2")
    ]
    assert all(before < after for before, after in itertools.pairwise(order))
    size, counts = colours(machine.screenshot("booted"))
    assert size == TEXT_MODE
    # A part of the picture is text, and most of it is background.
    assert 0.005 < 1 - counts[0] / sum(counts) < 0.5


def test_the_firmwares_screen_is_not_a_boot(built: Project, machine_factory: MachineFactory) -> None:
    """A machine without boot output on its screen shows only the firmware: the test above can fail."""
    machine = machine_factory.at(built.script)
    machine.wait_for_console("Entering stage-2...")
    read = machine.screen_text()
    assert "Booting from ROM" in read
    assert "stage-2" not in read
