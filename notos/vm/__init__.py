"""Machines in tests: boot one, wait for what it does, run commands in it, look at its screen.

    with Machine("result") as machine:
        machine.wait_for_unit("web")
        assert "hello" in machine.succeed("wget -qO- localhost")

pytest gets the fixtures `machine` and `machine_factory` with it (plugin.py). docs/testing.md tells it all.

Modules without a test module of their own name are tested by

    tests/machines/test_driver.py: __main__, devices, lifecycle, machine, qemu
    tests/vm/test_builder.py: artefacts
"""

from notos.errors import CommandError, MachineError, MachineLostError, MachineTimeoutError
from notos.vm.console import Console, Line
from notos.vm.machine import Machine

__all__ = [
    "CommandError",
    "Console",
    "Line",
    "Machine",
    "MachineError",
    "MachineLostError",
    "MachineTimeoutError",
]
