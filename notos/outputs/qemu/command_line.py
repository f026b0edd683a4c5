"""The kernel's command line: the words that runvm.sh gives by itself, and how long it may become.

The length is known from the config alone, for every toplevel's store path has the same length.
"""

from collections.abc import Sequence

from notos.config.model import Machine

_TOPLEVEL = f"/nix/store/{'0' * 32}-toplevel"


def words(machine: Machine) -> Sequence[str]:
    """Return the words of the longest command line that runvm.sh gives to the kernel by itself."""
    found = [
        f"console={machine.target.console}",
        f"systemConfig={_TOPLEVEL}",
        *machine.kernel_params,
        "cryptomgr.notests",
    ]
    if machine.disk:
        found.append("realroot=/dev/vdb")
    kind = machine.target.machine_types[machine.vm.machine]
    return [*found, *kind.kernel_params, *kind.single_processor_params]


def longest(machine: Machine) -> int:
    """Return the number of bytes that runvm.sh may give to the kernel; with more, QEMU's boot hangs."""
    target = machine.target
    return target.command_line_size - 1 - target.machine_types[machine.vm.machine].device_bytes


def excess(machine: Machine) -> int:
    """Return the number of bytes by which the command line is too long; 0 or less if the kernel takes it."""
    return len(" ".join(words(machine)).encode()) - longest(machine)
