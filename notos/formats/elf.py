"""A reader of ELF files: dynamic section, notes and sections. It never changes a file.

The dynamic section is found through the program headers, as by ld.so, since section headers may be
stripped. Source: System V gABI, chapters 4 and 5 (ELF header, sections, program headers, dynamic linking);
32 and 64 bits, both byte orders.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from notos.errors import PackageError
from notos.formats import names

# The used fields, by EI_CLASS (1: 32 bits, 2: 64 bits); "x" skips the others.
_HEADER = {1: "18xH8xII6xHHHHH", 2: "18xH12xQQ6xHHHHH"}  # machine phoff shoff, size+count ph, sh, shstrndx
_PROGRAM = {1: "III4xI12x", 2: "I4xQQ8xQ16x"}  # type offset vaddr filesz
_SECTION = {1: "II8xIIII8x", 2: "II16xQQII16x"}  # name type offset size link info
_DYNAMIC = {1: "iI", 2: "qQ"}  # tag value
_BYTE_ORDER = {1: "<", 2: ">"}  # EI_DATA

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP, _PT_NOTE = 1, 2, 3, 4
_NOTE = struct.Struct("<III")  # namesz, descsz, type
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_SONAME, _DT_RPATH, _DT_RUNPATH = 0, 1, 5, 10, 14, 15, 29
_SHT_NOBITS, _SHN_XINDEX = 8, 0xFFFF


@dataclass(frozen=True)
class Elf:
    """The fields of an ELF file that dynamic linking uses.

    `kind` is EI_CLASS, EI_DATA and e_machine, which name an architecture. `runpath` is DT_RUNPATH, otherwise
    DT_RPATH, split at ":"; $ORIGIN and the like are not expanded. `interpreter` is the path in PT_INTERP.
    """

    kind: tuple[int, int, int]
    soname: str | None
    needed: tuple[str, ...]
    runpath: tuple[str, ...]
    interpreter: str | None


def parse(data: bytes) -> Elf | None:
    """Read the ELF file `data`; return None if it is not ELF. Raises PackageError if it is invalid."""
    if data[:4] != b"\x7fELF":
        return None
    reader = _Reader(data)
    segments = list(reader.table(_PROGRAM, reader.phoff, reader.phentsize, reader.phnum))
    interpreter = next(
        (reader.string(at, size) for kind, at, _, size in segments if kind == _PT_INTERP), None
    )
    tags: dict[int, list[int]] = {}
    for kind, at, _, size in segments:
        if kind == _PT_DYNAMIC:
            for tag, value in reader.dynamic(at, size):
                tags.setdefault(tag, []).append(value)
            break
    names = [tags.get(tag, []) for tag in (_DT_SONAME, _DT_NEEDED, _DT_RUNPATH, _DT_RPATH)]
    if not any(names):
        return Elf(reader.kind, None, (), (), interpreter)
    if not (tags.get(_DT_STRTAB) and tags.get(_DT_STRSZ)):
        raise PackageError("invalid ELF file: the dynamic section has names but no string table")
    address, size = tags[_DT_STRTAB][-1], tags[_DT_STRSZ][-1]
    for kind, at, vaddr, filesz in segments:
        if kind == _PT_LOAD and vaddr <= address < vaddr + filesz:
            strtab = at + address - vaddr
            break
    else:
        raise PackageError("invalid ELF file: the string table is not in a loaded segment")
    soname, needed, runpath, rpath = (
        [reader.string(strtab + offset, size - offset) for offset in offsets] for offsets in names
    )
    return Elf(
        kind=reader.kind,
        soname=soname[-1] if soname else None,
        needed=tuple(needed),
        runpath=tuple(part for path in (runpath or rpath)[-1:] for part in path.split(":") if part),
        interpreter=interpreter,
    )


def has_note(data: bytes, name: str, kind: int) -> bool:
    """Return True if a 64-bit ELF file has a note with this name and type (gABI, "Note Section").

    Raises PackageError if the file is invalid.
    """
    if data[:5] != b"\x7fELF\x02":
        return False
    reader = _Reader(data)
    wanted = name.encode() + b"\0"
    for type_, at, _, size in reader.table(_PROGRAM, reader.phoff, reader.phentsize, reader.phnum):
        notes = reader.bytes(at, size) if type_ == _PT_NOTE else b""
        while len(notes) >= _NOTE.size:
            namesz, descsz, found = _NOTE.unpack_from(notes)
            if found == kind and notes[_NOTE.size :].startswith(wanted) and namesz == len(wanted):
                return True
            notes = notes[_NOTE.size + namesz + -namesz % 4 + descsz + -descsz % 4 :]
    return False


def section(data: bytes, name: str) -> bytes | None:
    """Return the bytes of the section `name` (".modinfo"), None if it is missing or `data` is not ELF.

    Raises PackageError if the file is invalid.
    """
    if data[:4] != b"\x7fELF":
        return None
    reader = _Reader(data)
    count, names = reader.shnum, reader.shstrndx
    if reader.shoff and (
        count == 0 or names == _SHN_XINDEX
    ):  # values too large for the header are in section header 0
        [(_, _, _, size, link, _)] = reader.table(_SECTION, reader.shoff, reader.shentsize, 1)
        count, names = count or size, link if names == _SHN_XINDEX else names
    sections = list(reader.table(_SECTION, reader.shoff, reader.shentsize, count)) if reader.shoff else []
    if not sections:
        return None
    if names >= count:
        raise PackageError("invalid ELF file: no section names")
    _, _, strtab, strsz, _, _ = sections[names]
    for offset, kind, at, size, _, _ in sections:
        if reader.string(strtab + offset, strsz - offset) == name:
            return b"" if kind == _SHT_NOBITS else reader.bytes(at, size)
    return None


class _Reader:
    """The fields of the ELF header, and bounds-checked reads."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        if len(data) < 16 or data[4] not in _HEADER or data[5] not in _BYTE_ORDER:
            raise PackageError("invalid ELF file: unknown class or byte order")
        self._class, self._order = data[4], _BYTE_ORDER[data[5]]
        header = struct.Struct(self._order + _HEADER[self._class])
        if len(data) < header.size:
            raise PackageError("invalid ELF file: truncated header")
        (
            machine,
            self.phoff,
            self.shoff,
            self.phentsize,
            self.phnum,
            self.shentsize,
            self.shnum,
            self.shstrndx,
        ) = header.unpack_from(data)
        self.kind = (data[4], data[5], machine)

    def bytes(self, at: int, size: int) -> bytes:
        if at + size > len(self._data):
            raise PackageError("invalid ELF file: truncated, or an offset outside of the file")
        return self._data[at : at + size]

    def table(self, formats: dict[int, str], at: int, entsize: int, count: int) -> Iterator[tuple[int, ...]]:
        if not count:
            return iter(())
        entry = struct.Struct(self._order + formats[self._class])
        if entsize != entry.size:
            raise PackageError(f"invalid ELF file: table entries of {entsize} bytes instead of {entry.size}")
        return entry.iter_unpack(self.bytes(at, entsize * count))

    def dynamic(self, at: int, size: int) -> Iterator[tuple[int, int]]:
        entry = struct.Struct(self._order + _DYNAMIC[self._class])
        for tag, value in entry.iter_unpack(self.bytes(at, size - size % entry.size)):
            if tag == _DT_NULL:
                return
            yield tag, value

    def string(self, at: int, size: int) -> str:
        """Return the string at the offset `at`, which must end within `size` bytes."""
        end = self._data.find(b"\0", at, at + size) if size > 0 else -1
        if end < 0:
            raise PackageError("invalid ELF file: unterminated string, or outside of the file")
        return names.decode(self._data[at:end])
