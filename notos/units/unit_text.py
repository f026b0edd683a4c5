"""The text of one unit file or drop-in as settings (systemd.syntax(7)): lines, comments, sections."""

import re
from dataclasses import dataclass

from notos.errors import NotosError
from notos.units.words import WHITESPACE

_LINE_ENDS = re.compile(r"\r\n|\n\r|[\n\r\0]")
_BYTE_ORDER_MARK = "\ufeff"
_CONTROL = re.compile(r"[\0-\x1f\x7f\"'\\]")


@dataclass(frozen=True)
class Setting:
    """A line KEY=VALUE of a unit, with its place. The value is raw: quotes and specifiers are kept."""

    key: str
    value: str
    file: str  # for messages: absolute in the machine, or the user's file
    line: int  # the first one, if the value continues on further lines; 0 for a value of the config
    own: bool = False  # True if the user wrote it

    @property
    def place(self) -> str:
        """The file and the line, for messages."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Text:
    """The settings of a file: pairs of section and setting in order, and notes about ignored lines."""

    settings: tuple[tuple[str, Setting], ...]
    notes: tuple[str, ...]


def parse(data: bytes, file: str, *, own: bool = False) -> Text:
    """Return the settings in the text `data` of a unit file or drop-in; `file` is its name for messages.

    Lines that systemd ignores with a warning are in the notes. Raises NotosError for an invalid section,
    with which systemd refuses the unit.
    """
    settings: list[tuple[str, Setting]] = []
    notes: list[str] = []
    section = ""
    for number, line in _lines(data):
        stripped = line.strip(WHITESPACE)
        place = f"{file}:{number}"
        if not stripped:
            continue
        if not _is_unicode(stripped):
            notes.append(f"{place}: the line is not UTF-8; it is ignored")
        elif stripped[0] == "[":
            section = stripped[1:-1]
            if stripped[-1] != "]" or len(stripped) < 2 or _CONTROL.search(section):
                raise NotosError(f"{place}: {stripped} is not a section")
        else:
            key, equals, value = stripped.partition("=")
            key = key.strip(WHITESPACE)
            if not equals:
                notes.append(f"{place}: a line without = is ignored: {stripped}")
            elif not key:
                notes.append(f"{place}: a line without a key is ignored: {stripped}")
            elif not section:
                notes.append(f"{place}: {key} is outside of all sections; it is ignored")
            else:
                settings.append((section, Setting(key, value.strip(WHITESPACE), file, number, own)))
    return Text(tuple(settings), tuple(notes))


def _lines(data: bytes) -> list[tuple[int, str]]:
    """Return the numbers and texts of the lines without comments, with continuation lines joined."""
    found: list[tuple[int, str]] = []
    joined, first = "", 0
    mark = False
    for number, line in enumerate(_LINE_ENDS.split(data.decode("utf-8", "surrogateescape")), 1):
        bare = line.lstrip(WHITESPACE)
        if bare[:1] in ("#", ";") and bare:
            continue
        text = line
        if not mark and line.startswith(_BYTE_ORDER_MARK):
            text, mark = line[1:], True
        joined += text
        first = first or number
        if _continues(joined):
            joined = joined[:-1] + " "
            continue
        found.append((first, joined))
        joined, first = "", 0
    if joined:
        found.append((first, joined))
    return found


def _continues(line: str) -> bool:
    """Return True if `line` ends in a backslash that no other backslash escapes."""
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _is_unicode(text: str) -> bool:
    return not any(0xDC80 <= ord(char) <= 0xDCFF for char in text) if not text.isascii() else True
