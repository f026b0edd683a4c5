"""The kernel's command line: all words that runvm.sh gives, and how long they may become.

The length is known from the config alone, for every toplevel's store path has the same length.
"""

from typing import NamedTuple

from notos.config.model import Machine
from notos.features.model import Features
from notos.outputs.qemu.machine_type import TYPES

LONGEST = (
    2047  # bytes that x86 takes: COMMAND_LINE_SIZE less the zero at its end; with more, QEMU's boot hangs
)
_TOPLEVEL = f"/nix/store/{'0' * 32}-toplevel"


class CommandLine(NamedTuple):
    """The words that are always given, and those that are added where the processor is emulated."""

    always: tuple[str, ...]
    emulated: tuple[str, ...]
    alone: tuple[str, ...]  # where it is the only one
    longest: int  # bytes that all words, and those of the user, may have

    def __str__(self) -> str:
        """Return the longest form."""
        return " ".join([*self.always, *self.emulated, *self.alone])


def command_line(machine: Machine, features: Features, toplevel: str = _TOPLEVEL) -> CommandLine:
    """Return the command line of `machine`, whose system is at the store path `toplevel`."""
    kind = TYPES[machine.vm.machine]
    return CommandLine(
        always=(
            "console=ttyS0",
            f"systemConfig={toplevel}",
            *features.kernel_params,
            *machine.kernel_params,
            *kind.kernel_params,
        ),
        # The kernel's tests of its own ciphers take long to emulate.
        emulated=("cryptomgr.notests",),
        alone=kind.alone_params,
        longest=LONGEST - kind.added,
    )


def excess(machine: Machine, features: Features) -> int:
    """Return the number of bytes by which the command line is too long; 0 or less if the kernel takes it."""
    line = command_line(machine, features)
    return len(str(line).encode()) - line.longest
