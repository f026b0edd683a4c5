"""bzImage, the kernel format for x86 boot loaders: reads its header.

Source: Documentation/arch/x86/boot.rst of the kernel, protocol 2.12 and later.
"""

import struct

from notos.structs import dataclass

HEADER_SIZE = 0x264  # bytes up to the end of init_size
_MAGIC_AT, _MAGIC = 0x202, b"HdrS"
_SETUP_SECTORS = 0x1F1  # setup_sects; 0 means 4
_PAYLOAD = struct.Struct("<II")  # payload_offset, payload_length
_PAYLOAD_AT = 0x248
_PLACE = struct.Struct("<QI")  # pref_address, init_size
_PLACE_AT = 0x258


@dataclass(frozen=True)
class Header:
    """The fields that Notos uses; offsets and sizes in bytes."""

    payload: slice  # the compressed kernel in the file
    address: int  # the load address
    memory: int  # bytes needed from there on early in the boot


def parse(data: bytes) -> Header | None:
    """Read the header at the start of a file; None if it is not a bzImage or is truncated."""
    if len(data) < HEADER_SIZE or data[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] != _MAGIC:
        return None
    offset, length = _PAYLOAD.unpack_from(data, _PAYLOAD_AT)
    start = ((data[_SETUP_SECTORS] or 4) + 1) * 512 + offset
    address, memory = _PLACE.unpack_from(data, _PLACE_AT)
    return Header(slice(start, start + length), address, memory)
