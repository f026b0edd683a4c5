"""Words, quotes and escapes of settings (systemd.syntax(7)), as systemd 257 reads them.

Bytes that are not UTF-8 are surrogate escapes, as os.fsdecode makes them.
"""

from notos.formats.c_escapes import escape, joined

WHITESPACE = " \t\n\r"


class WordError(ValueError):
    """Text with an unclosed quote or an invalid escape; the message says which."""


def first_word(
    text: str,
    separators: str = WHITESPACE,
    *,
    unquote: bool = False,
    unescape: bool = False,
    escaped_separators: bool = False,
    keep_backslashes: bool = False,
    single: bool = False,
    relax: bool = False,
) -> tuple[str | None, str | None]:
    """Return the first word of `text` and the rest; no word at the end, no rest after the last word.

    unquote             quotes group characters and are removed
    unescape            a backslash begins an escape of C
    escaped_separators  a backslash before a separator or a backslash keeps that character
    keep_backslashes    a backslash is a character like others
    single              each separator ends a word, so that words may be empty
    relax               an invalid escape is kept as written

    Otherwise a backslash is removed and the next character is kept. Raises WordError.
    """
    at, size = 0, len(text)
    if not single:
        while at < size and text[at] in separators:
            at += 1
        if at == size:
            return None, None
    elif size and text[0] in separators:
        return "", text[1:]
    elif not size:
        return "", None
    out: list[str] = []
    quote = ""
    while at < size:
        char = text[at]
        at += 1
        if char == "\\" and not keep_backslashes:
            taken, length = _backslash(text, at, separators, quote, (unescape, escaped_separators, relax))
            out.append(taken)
            at += length
        elif quote:
            if char == quote:
                quote = ""
            else:
                out.append(char)
        elif unquote and char in "\"'":
            quote = char
        elif char in separators:
            if not single:
                while at < size and text[at] in separators:
                    at += 1
                return joined(out), text[at:] if at < size else None
            return joined(out), text[at:]
        else:
            out.append(char)
    if quote:
        raise WordError("unbalanced quotes")
    return joined(out), None


def _backslash(
    text: str, at: int, separators: str, quote: str, flags: tuple[bool, bool, bool]
) -> tuple[str, int]:
    """Return the characters for the backslash before `at`, and the number of characters used after it."""
    unescape, escaped_separators, relax = flags
    if at == len(text):
        if relax and not quote:
            return "\\", 0
        raise WordError("a backslash at the end")
    char = text[at]
    if not unescape and not escaped_separators:
        return char, 1
    found = escape(text, at) if unescape else None
    if found:
        return found
    if escaped_separators and (char in separators or char == "\\"):
        return char, 1
    if relax:
        return "\\" + char, 1
    raise WordError(f"unknown escape \\{char}")


def words(text: str, separators: str = WHITESPACE, **flags: bool) -> list[str]:
    """Return all words of `text`; the flags are those of `first_word`. Raises WordError."""
    found: list[str] = []
    rest: str | None = text
    while rest is not None:
        word, rest = first_word(rest, separators, **flags)
        if word is not None:
            found.append(word)
    return found


def unescaped(text: str) -> str:
    """Return `text` with its escapes of C resolved. Raises WordError for an invalid one."""
    out, at = [], 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "\\":
            found = escape(text, at)
            if not found:
                raise WordError(f"unknown escape \\{text[at : at + 1]}")
            char, length = found
            at += length
        out.append(char)
    return joined(out)
