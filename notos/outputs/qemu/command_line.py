"""The kernel's command line: the words that runvm.sh gives by itself, and how long it may become.

The length is known from the config alone, for every toplevel's store path has the same length.
"""

from collections.abc import Sequence

from notos.config.model import Machine

LONGEST = (
    2047  # bytes that x86 takes: COMMAND_LINE_SIZE less the zero at its end; with more, QEMU's boot hangs
)
_TOPLEVEL = f"/nix/store/{'0' * 32}-toplevel"
_DEVICES = 8 * 38  # bytes that QEMU may add for the devices of a microvm


def words(machine: Machine) -> Sequence[str]:
    """Return the words of the longest command line that runvm.sh gives to the kernel by itself."""
    found = ["console=ttyS0", f"systemConfig={_TOPLEVEL}", *machine.kernel_params, "cryptomgr.notests"]
    if machine.disk:
        found.append("realroot=/dev/vdb")
    if machine.vm.machine == "microvm":
        found += ["qemu_fw_cfg.ioport=12@0x510:0:1:4", "reboot=t", "nolapic_timer"]
    return found


def excess(machine: Machine) -> int:
    """Return the number of bytes by which the command line is too long; 0 or less if the kernel takes it."""
    devices = _DEVICES if machine.vm.machine == "microvm" else 0
    return len(" ".join(words(machine)).encode()) + devices - LONGEST
