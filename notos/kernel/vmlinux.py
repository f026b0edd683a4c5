"""The ELF file inside vmlinuz, which boots faster under emulation: the kernel need not unpack itself."""

from notos.architecture import Architecture
from notos.errors import PackageError
from notos.formats import elf
from notos.kernel import bzimage

_PVH_ENTRY = 18


def uncompressed(vmlinuz: bytes, target: Architecture) -> bytes | None:
    """Return the ELF file inside a bzImage, which boots faster under emulation: it need not unpack itself.

    None if `vmlinuz` is not a bzImage or is compressed with lz4 or lzo, if the architecture has no PVH, or if
    the kernel has no PVH entry point (XEN_ELFNOTE_PHYS32_ENTRY). Source: xen's elfnote.h.
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
