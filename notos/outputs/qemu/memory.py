"""The least memory with which a machine boots, from what it boots.

Two moments count. As the kernel starts, it and the initrd, packed and unpacked, lie in memory. When all
services run, there must be room for the kernel and for them; how much they need was measured.
"""

from pathlib import Path

from notos.config.model import Machine
from notos.errors import KernelError
from notos.kernel import bzimage

MIB = 1 << 20
STEP = 8  # MiB to which it is rounded up
LEAST = 64  # MiB, less than which the config does not take
_START = 4 * MIB  # for what the kernel allocates before the initrd is unpacked
# MiB that the running system needs besides the kernel.
_SYSTEM = 24
_NIX = 40


def least(machine: Machine, *, vmlinuz: Path, initrd: Path, unpacked: int) -> int:
    """Return the least memory in MiB for `machine`, whose initrd has `unpacked` bytes when it is unpacked.

    Raises KernelError where `vmlinuz` is not a bzImage.
    """
    header = _header(vmlinuz)
    start = header.address + header.memory + initrd.stat().st_size + unpacked + _START
    run = header.memory + (_NIX if machine.nix.enable else _SYSTEM) * MIB
    return max(LEAST, -(-max(start, run) // (STEP * MIB)) * STEP)


def _header(vmlinuz: Path) -> bzimage.Header:
    with vmlinuz.open("rb") as stream:
        header = bzimage.parse(stream.read(bzimage.HEADER_SIZE))
    if header is None:
        raise KernelError(f"{vmlinuz} is not a bzImage", hint="name another kernel.package in the config")
    return header
