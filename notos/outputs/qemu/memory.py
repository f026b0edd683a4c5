"""The least memory with which a machine boots, computed from its kernel, initrd and features.

Memory must suffice twice. At the start it holds the kernel and the initrd, packed and unpacked. Later it
holds the kernel and all services; each feature has the amount that it needs.
"""

import struct
from pathlib import Path

from notos.errors import KernelError
from notos.features.model import Features

MIB = 1 << 20
STEP = 8  # MiB; the result is a multiple
LEAST = 64  # MiB; the config accepts no less
_START = 4 * MIB  # allocated by the kernel before it unpacks the initrd


def least(features: Features, *, vmlinuz: Path, initrd: Path, unpacked: int) -> int:
    """Return the least memory in MiB for a machine whose unpacked initrd has `unpacked` bytes.

    Raises KernelError if `vmlinuz` is not a bzImage.
    """
    address, kernel = _needs(vmlinuz)
    start = address + kernel + initrd.stat().st_size + unpacked + _START
    run = kernel + features.memory * MIB
    return max(LEAST, -(-max(start, run) // (STEP * MIB)) * STEP)


def _needs(vmlinuz: Path) -> tuple[int, int]:
    """Return the load address of a kernel, and the bytes that it needs from there on early in the boot.

    Source: Documentation/arch/x86/boot.rst of the kernel, pref_address and init_size.
    """
    with vmlinuz.open("rb") as stream:
        header = stream.read(0x264)
    if header[0x202:0x206] != b"HdrS" or len(header) < 0x264:
        raise KernelError(f"{vmlinuz} is not a bzImage", hint="name another kernel.package in the config")
    address, size = struct.unpack_from("<QI", header, 0x258)
    return address, size
