"""Machines in tests: boot one, wait for services and output, run commands in it, read its screen.

    with Machine("result") as machine:
        machine.wait_for_unit("web")
        assert "hello" in machine.succeed("wget -qO- localhost")

plugin.py gives pytest the fixtures `machine` and `machine_factory`. docs/testing.md is the manual.

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
