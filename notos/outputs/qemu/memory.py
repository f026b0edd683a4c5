"""The least memory with which a machine boots, from what it boots.

Two moments count. As the kernel starts, it and the initrd, packed and unpacked, lie in memory. When all
services run, there must be room for the kernel and for them; each feature says how much it needs.
"""

import struct
from pathlib import Path

from notos.errors import KernelError
from notos.features.model import Features

MIB = 1 << 20
STEP = 8  # MiB to which it is rounded up
LEAST = 64  # MiB, less than which the config does not take
_START = 4 * MIB  # for what the kernel allocates before the initrd is unpacked


def least(features: Features, *, vmlinuz: Path, initrd: Path, unpacked: int) -> int:
    """Return the least memory in MiB for a machine whose initrd has `unpacked` bytes when it is unpacked.

    Raises KernelError where `vmlinuz` is not a bzImage.
    """
    address, kernel = _needs(vmlinuz)
    start = address + kernel + initrd.stat().st_size + unpacked + _START
    run = kernel + features.memory * MIB
    return max(LEAST, -(-max(start, run) // (STEP * MIB)) * STEP)


def _needs(vmlinuz: Path) -> tuple[int, int]:
    """Return where a kernel is put, and how many bytes it needs from there on before it knows its memory.

    Source: Documentation/arch/x86/boot.rst of the kernel, pref_address and init_size.
    """
    with vmlinuz.open("rb") as stream:
        header = stream.read(0x264)
    if header[0x202:0x206] != b"HdrS" or len(header) < 0x264:
        raise KernelError(f"{vmlinuz} is not a bzImage", hint="name another kernel.package in the config")
    address, size = struct.unpack_from("<QI", header, 0x258)
    return address, size
