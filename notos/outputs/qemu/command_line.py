"""The kernel's command line: all words that runvm.sh passes, and the maximum length.

The length follows from the config alone, because all store paths of toplevels have the same length.
"""

from typing import NamedTuple

from notos.config.model import Machine
from notos.features.model import Features

_TOPLEVEL = f"/nix/store/{'0' * 32}-toplevel"


class CommandLine(NamedTuple):
    """The words that are always passed, and those that are added if the processor is emulated."""

    always: tuple[str, ...]
    emulated: tuple[str, ...]
    alone: tuple[str, ...]  # if only one processor is emulated
    longest: int  # most bytes of all words, including those of the user

    def __str__(self) -> str:
        """Return the longest form."""
        return " ".join([*self.always, *self.emulated, *self.alone])


def command_line(machine: Machine, features: Features, toplevel: str = _TOPLEVEL) -> CommandLine:
    """Return the command line of `machine`, whose system is at the store path `toplevel`."""
    target = machine.target
    kind = target.machine_types[machine.vm.machine]
    return CommandLine(
        always=(
            f"console={target.console}",
            f"systemConfig={toplevel}",
            *features.kernel_params,
            *machine.kernel_params,
            *kind.kernel_params,
        ),
        # The kernel's self-tests of ciphers are slow under emulation.
        emulated=("cryptomgr.notests",),
        alone=kind.single_processor_params,
        # COMMAND_LINE_SIZE counts the zero at the end; with more, QEMU's boot hangs.
        longest=target.command_line_size - 1 - kind.device_bytes,
    )


def excess(machine: Machine, features: Features) -> int:
    """Return the number of bytes by which the command line is too long; 0 or less if it fits."""
    line = command_line(machine, features)
    return len(str(line).encode()) - line.longest
