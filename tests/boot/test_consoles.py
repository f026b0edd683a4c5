"""A machine with a screen: boot progress appears there, too, although /dev/console is the serial line."""

import re

from notos.vm.plugin import MachineFactory
from tests.boot.test_default import TRANSCRIPT
from tests.conftest import Project

PARAMS = "console=tty0 console=ttyS0"
OURS = [pattern for pattern in TRANSCRIPT if pattern and "runit:" not in pattern]
WIDTH = 80


def rows(screen: str) -> list[str]:
    """Return a screen's text (vcs(4)) without the kernel's lines."""
    found = (screen[at : at + WIDTH].strip() for at in range(0, len(screen), WIDTH))
    return [row for row in found if row and not row.startswith("[")]


def test_a_boot_is_on_the_screen(built: Project, machine_factory: MachineFactory) -> None:
    """The screen shows at least the last lines, among them those of stage-2 and runit's stages."""
    machine = machine_factory.at(built.script, environment={"KERNEL_PARAMS": PARAMS})
    assert machine.succeed("cat /sys/class/tty/console/active") == "tty0 ttyS0\n"
    screen = rows(machine.succeed("cat /dev/vcs1").rstrip("\n"))
    # No controlling terminal: a hang-up of it would end the services.
    assert machine.succeed("cut -d' ' -f7 /proc/$(pidof runsvdir)/stat") == "0\n"
    first = next(at for at, pattern in enumerate(OURS) if re.fullmatch(pattern, screen[0]))
    assert first <= OURS.index(r"Switching root filesystem\.\.\.")
    for row, pattern in zip(screen, OURS[first:], strict=True):
        assert re.fullmatch(pattern, row), (pattern, row)


def test_a_failure_of_stage1_is_on_the_screen(built: Project, machine_factory: MachineFactory) -> None:
    """So are its first lines, which it prints before /dev exists."""
    machine = machine_factory.at(built.script, environment={"KERNEL_PARAMS": f"root=/dev/vdz {PARAMS}"})
    machine.wait_for_console("stage-1 failed: there is no device /dev/vdz (root=)")
    machine.wait_for_console("rescue shell")
    machine.send_console("echo; cat /dev/vcs1; echo\n")
    said = rows(machine.wait_for_console(re.compile(f".{{{WIDTH * 25}}}")).string)
    first = said.index("Entering stage-1...")  # what the firmware said may still stand above it
    assert first <= 2
    assert re.fullmatch(OURS[1], said[first + 1])
    assert said[first + 2] == "Creating base file systems..."
    assert "stage-1 failed: there is no device /dev/vdz (root=)" in said
