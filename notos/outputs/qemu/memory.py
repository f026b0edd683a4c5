"""The least memory with which a machine boots, computed from its kernel, initrd and features.

Memory must suffice twice. At the start it holds the kernel and the initrd, packed and unpacked. Later it
holds the kernel and all services; each feature has the amount that it needs.
"""

from pathlib import Path

from notos.errors import KernelError
from notos.features.model import Features
from notos.kernel import bzimage

MIB = 1 << 20
STEP = 8  # MiB; the result is a multiple
LEAST = 64  # MiB; the config accepts no less
_START = 4 * MIB  # allocated by the kernel before it unpacks the initrd


def least(features: Features, *, vmlinuz: Path, initrd: Path, unpacked: int) -> int:
    """Return the least memory in MiB for a machine whose unpacked initrd has `unpacked` bytes.

    Raises KernelError if `vmlinuz` is not a bzImage.
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
