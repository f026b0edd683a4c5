"""Escapes of C in the settings and files of systemd (systemd.syntax(7)), as systemd 257 reads them.

Bytes that are not UTF-8 are surrogate escapes, as os.fsdecode makes them.
"""

import re
from collections.abc import Iterable

_SIMPLE = {
    **{"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"},
    **{"\\": "\\", '"': '"', "'": "'", "s": " "},
}
_NUMERIC = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})")


def escape(text: str, at: int) -> tuple[str, int] | None:
    """Return the character of the escape at `at`, after the backslash, and its length; None if invalid."""
    simple = _SIMPLE.get(text[at : at + 1])
    if simple is not None:
        return simple, 1
    found = _NUMERIC.match(text, at)
    if not found:
        return None
    byte = found[1] or found[4]
    number = int(byte, 16 if found[1] else 8) if byte else int(found[2] or found[3], 16)
    if byte:
        return (
            (bytes([number]).decode("utf-8", "surrogateescape"), len(found[0])) if 0 < number < 256 else None
        )
    if not number or (found[3] and not _is_character(number)):
        return None
    encoded = chr(number).encode("utf-8", "surrogatepass")
    return encoded.decode("utf-8", "surrogateescape"), len(found[0])


def _is_character(number: int) -> bool:
    surrogate, none = 0xD800 <= number <= 0xDFFF, 0xFDD0 <= number <= 0xFDEF or number & 0xFFFE == 0xFFFE
    return number <= 0x10FFFF and not surrogate and not none


def joined(parts: Iterable[str]) -> str:
    """Join characters; bytes that escapes made may form characters only together."""
    text = "".join(parts)
    return (
        text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    )
