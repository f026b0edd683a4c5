"""The files /etc/ld.so.conf and /etc/ld.so.cache, by which ld.so(8) finds libraries: a reader and a writer.

The cache has the format of glibc 2.32 and later (sysdeps/generic/dl-cache.h, elf/cache.c), in the target's
byte order, which is little endian:

    header    magic; u32 number of entries, u32 size of the texts, u8 flags, 3 zeros, u32 extensions, 12 zeros
    entries   i32 flags, u32 offset of the name, u32 offset of the path, u32 zero, u64 zero (hwcaps)
    texts     names and paths, each with a zero at its end

ld.so looks up a name by bisection, so the entries are in the falling order of _dl_cache_libcmp().
"""

import fnmatch
import re
import struct
from collections.abc import Iterable, Mapping

_MAGIC = b"glibc-ld.so.cache1.1"
_LITTLE_ENDIAN = 2
_HEADER = struct.Struct("<20sIIB3xI12x")
_ENTRY = struct.Struct("<iIIIQ")
_CONF = "etc/ld.so.conf"


def folders(texts: Mapping[str, str]) -> list[str]:
    """Return the folders that the configuration names, without the leading slash, in order.

    `texts` are etc/ld.so.conf and the files that it may include, by path. Lines that ldconfig(8) ignores,
    such as `hwcap`, are left out.
    """
    found: dict[str, None] = {}
    _read(_CONF, texts, found, set())
    return list(found)


def _read(path: str, texts: Mapping[str, str], found: dict[str, None], seen: set[str]) -> None:
    if path in seen:
        return
    seen.add(path)
    for line in texts.get(path, "").splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["include"]:
            for pattern in words[1:]:
                place = pattern if pattern.startswith("/") else f"/etc/{pattern}"
                for name in sorted(texts):
                    if fnmatch.fnmatchcase(f"/{name}", place):
                        _read(name, texts, found, seen)
        elif words and words[0].startswith("/"):
            # libc5, libc6: a type after the folder, as in old files
            for word in re.split(r"[\s:,]+", words[0]):
                found[word.partition("=")[0].strip("/")] = None


def build(libraries: Iterable[tuple[str, str, int]]) -> bytes:
    """Return the cache of `libraries`: name, absolute path, and flags (Architecture.library_flags).

    Of two with one name and the same flags, the first counts.
    """
    chosen: dict[tuple[str, int], str] = {}
    for name, path, flags in libraries:
        chosen.setdefault((name, flags), path)
    rows = sorted(chosen, key=lambda row: (_order(row[0]), row[1]), reverse=True)
    start = _HEADER.size + _ENTRY.size * len(rows)
    texts = bytearray()
    places: dict[str, int] = {}
    entries = []
    for name, flags in rows:
        for text in (name, chosen[name, flags]):
            if text not in places:
                places[text] = start + len(texts)
                texts += text.encode("utf-8", "surrogateescape") + b"\0"
        entries.append(_ENTRY.pack(flags, places[name], places[chosen[name, flags]], 0, 0))
    header = _HEADER.pack(_MAGIC, len(rows), len(texts), _LITTLE_ENDIAN, 0)
    return b"".join([header, *entries, bytes(texts)])


def _order(name: str) -> list[tuple[int, int]]:
    """Return the sort key of a name: a number is greater than any other character."""
    parts = re.findall(r"[0-9]+|[^0-9]", name)
    return [(1, int(part)) if part[0] in "0123456789" else (0, ord(part)) for part in parts]
