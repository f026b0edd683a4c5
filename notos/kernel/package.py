"""Debian's kernel package as a tree of vmlinuz, config and modules; and the ELF file inside vmlinuz."""

import re

from notos.architecture import Architecture
from notos.errors import KernelError, PackageError
from notos.formats import elf
from notos.formats.tree import Tree
from notos.kernel import bzimage

_PVH_ENTRY = 18


def shape(package: Tree, target: Architecture) -> Tree:
    """The tree of a kernel package, laid out as vmlinuz, config and lib/modules/RELEASE/….

    Raises KernelError unless there is just one kernel in it.
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
                hint=f"name a package such as {target.general_kernel_package}",
                keys=("kernel", "package"),
            )
    return tree


def uncompressed(vmlinuz: bytes, target: Architecture) -> bytes | None:
    """Return the ELF file inside a bzImage, which an emulator starts without the kernel unpacking itself.

    None if it is not a bzImage, is packed with lz4 or lzo, or cannot be entered so: the architecture has no
    PVH, or the kernel no PVH entry (XEN_ELFNOTE_PHYS32_ENTRY). Source: xen's elfnote.h.
    """
    header = bzimage.parse(vmlinuz) if target.pvh else None
    if header is None:
        return None
    try:
        data = _unpacked(vmlinuz[header.payload])
        return data if data is not None and elf.has_note(data, "Xen", _PVH_ENTRY) else None
    except (ValueError, PackageError):
        return None


def _unpacked(payload: bytes) -> bytes | None:
    """The payload is followed by its length, which is passed over. Raises ValueError when it is broken."""
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
    """The kernel's own version in a release: 6.12.107 of 6.12.107+deb13-cloud."""
    match = re.match(r"\d+(\.\d+)*", release)
    return match[0] if match else release
