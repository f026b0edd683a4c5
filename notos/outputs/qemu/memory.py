"""The least memory with which a machine boots, from what it boots.

Two moments count. As the kernel starts, it and the initrd, packed and unpacked, lie in memory. When all
services run, there must be room for the kernel and for them; each feature says how much it needs.
"""

from pathlib import Path

from notos.errors import KernelError
from notos.features.model import Features
from notos.kernel import bzimage

MIB = 1 << 20
STEP = 8  # MiB to which it is rounded up
LEAST = 64  # MiB, less than which the config does not take
_START = 4 * MIB  # for what the kernel allocates before the initrd is unpacked


def least(features: Features, *, vmlinuz: Path, initrd: Path, unpacked: int) -> int:
    """Return the least memory in MiB for a machine whose initrd has `unpacked` bytes when it is unpacked.

    Raises KernelError where `vmlinuz` is not a bzImage.
    """
    header = _header(vmlinuz)
    start = header.address + header.memory + initrd.stat().st_size + unpacked + _START
    run = header.memory + features.memory * MIB
    return max(LEAST, -(-max(start, run) // (STEP * MIB)) * STEP)


def _header(vmlinuz: Path) -> bzimage.Header:
    with vmlinuz.open("rb") as stream:
        header = bzimage.parse(stream.read(bzimage.HEADER_SIZE))
    if header is None:
        raise KernelError(f"{vmlinuz} is not a bzImage", hint="name another kernel.package in the config")
    return header
