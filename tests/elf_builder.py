"""Smallest ELF files that say what they need: a header, three segments, a dynamic section, no code."""

import struct
from collections.abc import Sequence

X86_64 = 62
AARCH64 = 183

_HEADER = 64 + 3 * 56
_NULL, _NEEDED, _STRTAB, _STRSZ, _SONAME, _RUNPATH = 0, 1, 5, 10, 14, 29


def elf(
    *needed: str,
    soname: str | None = None,
    runpath: Sequence[str] = (),
    interpreter: str | None = None,
    machine: int = X86_64,
) -> bytes:
    """Return a 64-bit little-endian shared object (gABI, chapters 4 and 5)."""
    strings = b"\0"
    tags: list[tuple[int, int]] = []
    texts = [(_NEEDED, each) for each in needed]
    texts += [(_SONAME, soname)] if soname else []
    texts += [(_RUNPATH, ":".join(runpath))] if runpath else []
    for tag, text in texts:
        tags.append((tag, len(strings)))
        strings += text.encode() + b"\0"
    tags += [(_STRTAB, _HEADER), (_STRSZ, len(strings)), (_NULL, 0)]
    dynamic = b"".join(struct.pack("<qQ", *tag) for tag in tags)
    at = _HEADER + len(strings)
    asked = interpreter.encode() + b"\0" if interpreter is not None else b""
    total = at + len(dynamic) + len(asked)
    header = struct.pack(
        "<4s5B7xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 0, 3, machine, 1, 0, 64, 0, 0, 64, 56, 3, 0, 0, 0
    )
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, total, total, 4096)
    segment = struct.pack("<IIQQQQQQ", 2, 6, at, at, at, len(dynamic), len(dynamic), 8)
    kind = 3 if asked else 0  # PT_INTERP, or PT_NULL
    loader = struct.pack("<IIQQQQQQ", kind, 4, total - len(asked), 0, 0, len(asked), len(asked), 1)
    return header + load + segment + loader + strings + dynamic + asked
