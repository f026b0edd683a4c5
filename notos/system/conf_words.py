"""Lines, words, escapes and specifiers of sysusers.d(5) and tmpfiles.d(5) files.

The rules are those of systemd 257: systemd.syntax(7) for quotes and escapes, tmpfiles.d(5) for specifiers.
Bytes that are not UTF-8 are surrogate escapes, as os.fsdecode makes them.
"""

import re
from collections.abc import Iterator, Mapping

from notos.config.setting import TARGET
from notos.formats.c_escapes import escape, joined

WHITESPACE = " \t\n\r"
# A specifier that only the booted machine can resolve is this character and the specifier's letter.
LATE = "\0"
_LATE_LETTERS = "bHlmqv"
_EARLY = {
    **{"t": "/run", "S": "/var/lib", "C": "/var/cache", "L": "/var/log", "T": "/tmp", "V": "/var/tmp"},
    **{"h": "/root", "u": "root", "U": "0", "g": "root", "G": "0"},
}
_ACCOUNT_FREE = "tSCLhuUgG"  # specifiers of tmpfiles.d that sysusers.d lacks
_RELEASE = {
    **{"A": "IMAGE_VERSION", "B": "BUILD_ID", "M": "IMAGE_ID", "o": "ID", "w": "VERSION_ID"},
    **{"W": "VARIANT_ID"},
}
# Values for checks of a line before the machine's os-release(5) is known.
ANY_RELEASE = dict.fromkeys(_RELEASE.values(), "x")


class LineError(ValueError):
    """A line that the format does not permit; the message says why."""


def lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number, from 1, and the text of each line that is not blank and not a comment."""
    for number, line in enumerate(re.split(r"\r\n|[\n\r\0]", text), 1):
        stripped = line.strip(WHITESPACE)
        if stripped and not stripped.startswith("#"):
            yield number, stripped


def words(line: str, count: int, *, escapes: bool) -> tuple[list[str], str]:
    """Return the first `count` words of `line` without quotes, and the rest of the line.

    With `escapes`, a backslash begins an escape of C; otherwise it quotes the next character. Raises
    LineError for an unclosed quote or an invalid escape.
    """
    found: list[str] = []
    rest = line.lstrip(WHITESPACE)
    while rest and len(found) < count:
        word, rest = _word(rest, escapes)
        found.append(word)
        rest = rest.lstrip(WHITESPACE)
    return found, rest


def _word(text: str, escapes: bool) -> tuple[str, str]:
    out, quote, at = [], "", 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "\\":
            if at == len(text):
                raise LineError("a backslash ends the line")
            taken, length = _escape(text, at) if escapes else (text[at], 1)
            out.append(taken)
            at += length
        elif quote:
            if char == quote:
                quote = ""
            else:
                out.append(char)
        elif char in "\"'":
            quote = char
        elif char in WHITESPACE:
            break
        else:
            out.append(char)
    else:
        if quote:
            raise LineError(f"No closing quotation: {quote} is missing")
    return joined(out), text[at:]


def unescaped(text: str) -> str:
    """Return `text` with its escapes of C resolved. Raises LineError for an invalid escape."""
    out, at = [], 0
    while at < len(text):
        if text[at] != "\\":
            out.append(text[at])
            at += 1
            continue
        taken, length = _escape(text, at + 1)
        out.append(taken)
        at += 1 + length
    return joined(out)


def _escape(text: str, at: int) -> tuple[str, int]:
    """Return the character of the escape at `at`, after the backslash, and the escape's length."""
    found = escape(text, at)
    if found is None:
        raise LineError(f"\\{text[at : at + 1]} is not a valid escape")
    return found


def expanded(text: str, release: Mapping[str, str], *, accounts: bool = False) -> str:
    """Return `text` with its specifiers resolved; LATE and the letter mark those of the booted machine.

    `release` has the fields of os-release(5). With `accounts`, only the specifiers of sysusers.d(5) are
    known. Raises LineError for an unknown one.
    """

    def value(found: re.Match[str]) -> str:
        letter = found[1]
        if letter == "%" or not (letter.isascii() and letter.isalnum()):
            return "%" if letter == "%" else found[0]
        if letter in _EARLY and not (accounts and letter in _ACCOUNT_FREE):
            return _EARLY[letter]
        if letter in _RELEASE:
            return release.get(_RELEASE[letter], "")
        if letter == "a":
            return TARGET.systemd
        if letter in _LATE_LETTERS:
            return LATE + letter
        raise LineError(f"%{letter} is not a known specifier; write %% for a percent sign")

    return re.sub(r"%(.)", value, text, flags=re.DOTALL)


def simplified(path: str) -> str:
    """Return `path` without repeated slashes, "." components and a slash at its end."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return ("/" if path.startswith("/") else "") + "/".join(parts)
