"""A machine with a screen besides: our lines come to it too, though /dev/console is only the serial line."""

import re

from tests.boot.console import Console
from tests.boot.test_default import TRANSCRIPT
from tests.conftest import Project

PARAMS = "console=tty0 console=ttyS0"
OURS = [pattern for pattern in TRANSCRIPT if pattern and "runit:" not in pattern]
WIDTH = 80


def rows(screen: str) -> list[str]:
    """A screen's text (vcs(4)), with what the kernel says left out."""
    found = (screen[at : at + WIDTH].strip() for at in range(0, len(screen), WIDTH))
    return [row for row in found if row and not row.startswith("[")]


def test_a_boot_is_on_the_screen(built: Project) -> None:
    """Its last lines at least; those of stage-2 and of runit's stages are among them."""
    with Console(built.script, project=built, KERNEL_PARAMS=PARAMS) as console:
        console.wait_for_ssh()
        assert console.ssh("cat /sys/class/tty/console/active") == "tty0 ttyS0\n"
        screen = rows(console.ssh("cat /dev/vcs1").rstrip("\n"))
        # Nobody's terminal: a hang-up of it would end the services.
        assert console.ssh("cut -d' ' -f7 /proc/$(pidof runsvdir)/stat") == "0\n"
    first = next(at for at, pattern in enumerate(OURS) if re.fullmatch(pattern, screen[0]))
    assert first <= OURS.index(r"Switching root filesystem\.\.\.")
    for row, pattern in zip(screen, OURS[first:], strict=True):
        assert re.fullmatch(pattern, row), (pattern, row)


def test_what_stage1_cannot_do_is_on_the_screen(built: Project) -> None:
    """And its first lines, which are said before there is a /dev."""
    with Console(built.script, project=built, KERNEL_PARAMS=f"root=/dev/vdz {PARAMS}") as console:
        console.wait_for("rescue shell")
        console.send("echo; cat /dev/vcs1; echo\n")
        said = rows(console.wait_for(".{1000,}", 20).string)
    assert said[0] == "Entering stage-1..."
    assert re.fullmatch(OURS[1], said[1])
    assert said[2:3] == ["Creating base file systems..."]
    assert "stage-1 failed: there is no device /dev/vdz (root=)" in said
