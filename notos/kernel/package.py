"""Debian's kernel packages as trees of vmlinuz, config and modules; and the ELF file inside vmlinuz."""

import re
import struct

from notos.errors import KernelError, PackageError
from notos.formats import elf
from notos.formats.tree import Tree

_PVH_ENTRY = 18


def shape(package: Tree) -> Tree:
    """Return the tree of a kernel package with the layout vmlinuz, config and lib/modules/RELEASE/….

    Raises KernelError unless the package has exactly one kernel.
    """
    tree = Tree()
    for path, entry in package.items():
        if path.startswith("boot/vmlinuz-"):
            tree.add("vmlinuz", entry)
        elif path.startswith("boot/config-"):
            tree.add("config", entry)
        elif path.startswith("usr/lib/modules/"):
            tree.add(path.removeprefix("usr/"), entry)
    for name in ("vmlinuz", "config", "lib/modules"):
        if name not in tree:
            raise KernelError(
                f"kernel.package has no {name}",
                hint="use a package such as linux-image-amd64",
                keys=("kernel", "package"),
            )
    return tree


def uncompressed(vmlinuz: bytes) -> bytes | None:
    """Return the ELF file inside a bzImage, which boots faster under emulation: it need not unpack itself.

    None if `vmlinuz` is not a bzImage, is compressed with lz4 or lzo, or has no PVH entry point
    (XEN_ELFNOTE_PHYS32_ENTRY). Source: Documentation/arch/x86/boot.rst of the kernel, xen's elfnote.h.
    """
    if vmlinuz[0x202:0x206] != b"HdrS" or len(vmlinuz) < 0x250:
        return None
    sectors = vmlinuz[0x1F1] or 4
    offset, length = struct.unpack_from("<II", vmlinuz, 0x248)
    start = (sectors + 1) * 512 + offset
    payload = vmlinuz[start : start + length]
    try:
        data = _unpacked(payload)
        return data if data is not None and elf.has_note(data, "Xen", _PVH_ENTRY) else None
    except (ValueError, PackageError):
        return None


def _unpacked(payload: bytes) -> bytes | None:
    """Decompress the payload; the length that follows it is ignored. None for an unsupported format.

    Raises ValueError if it is broken.
    """
    import bz2
    import lzma
    import zlib

    import zstandard

    try:
        if payload.startswith(b"\x28\xb5\x2f\xfd"):
            return zstandard.ZstdDecompressor().decompressobj().decompress(payload)
        if payload.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
            return lzma.LZMADecompressor().decompress(payload)
        if payload.startswith(b"\x1f\x8b"):
            return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(payload)
        if payload.startswith(b"BZh"):
            return bz2.BZ2Decompressor().decompress(payload)
    except (zstandard.ZstdError, lzma.LZMAError, zlib.error, OSError) as error:
        raise ValueError(str(error)) from error
    return None


def version(release: str) -> str:
    """Return the kernel's version in a release: 6.12.107 for 6.12.107+deb13-cloud-amd64."""
    match = re.match(r"\d+(\.\d+)*", release)
    return match[0] if match else release
