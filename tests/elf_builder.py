"""Smallest ELF files that say what they need: a header, three segments, a dynamic section, no code."""

import struct
from collections.abc import Sequence

X86_64 = 62
AARCH64 = 183

# The header, a member of the dynamic section, and a segment, by the class.
_FORMS = {
    32: ("<4s5B7xHHIIIIIHHHHHH", "<iI", "<8I"),
    64: ("<4s5B7xHHIQQQIHHHHHH", "<qQ", "<IIQQQQQQ"),
}
_NULL, _NEEDED, _STRTAB, _STRSZ, _SONAME, _RUNPATH = 0, 1, 5, 10, 14, 29


def elf(
    *needed: str,
    soname: str | None = None,
    runpath: Sequence[str] = (),
    interpreter: str | None = None,
    machine: int = X86_64,
    bits: int = 64,
) -> bytes:
    """Return a little-endian shared object (gABI, chapters 4 and 5)."""
    head, tag_of, segment_of = _FORMS[bits]
    start = struct.calcsize(head) + 3 * struct.calcsize(segment_of)
    strings = b"\0"
    tags: list[tuple[int, int]] = []
    texts = [(_NEEDED, each) for each in needed]
    texts += [(_SONAME, soname)] if soname else []
    texts += [(_RUNPATH, ":".join(runpath))] if runpath else []
    for tag, text in texts:
        tags.append((tag, len(strings)))
        strings += text.encode() + b"\0"
    tags += [(_STRTAB, start), (_STRSZ, len(strings)), (_NULL, 0)]
    dynamic = b"".join(struct.pack(tag_of, *tag) for tag in tags)
    at = start + len(strings)
    asked = interpreter.encode() + b"\0" if interpreter is not None else b""
    total = at + len(dynamic) + len(asked)
    sizes = (struct.calcsize(head), struct.calcsize(segment_of))
    header = struct.pack(
        head, b"\x7fELF", bits // 32, 1, 1, 0, 0, 3, machine, 1, 0, sizes[0], 0, 0, *sizes, 3, 0, 0, 0
    )

    def segment(kind: int, flags: int, at: int, size: int, align: int) -> bytes:
        """Return a segment that is loaded where it stands in the file."""
        place = (at, at, at, size, size)
        members = (flags, *place, align) if bits == 64 else (*place, flags, align)
        return struct.pack(segment_of, kind, *members)

    load = segment(1, 5, 0, total, 4096)
    dynamic_segment = segment(2, 6, at, len(dynamic), 8)
    kind = 3 if asked else 0  # PT_INTERP, or PT_NULL
    loader = segment(kind, 4, total - len(asked), len(asked), 1)
    return header + load + dynamic_segment + loader + strings + dynamic + asked
