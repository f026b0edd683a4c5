"""The plan: lines of fields, which run-unit reads.

A line is a key and its fields, separated by a tab. In a field, a backslash is written as two, a tab as a
backslash and "t", a newline as a backslash and "n".
"""

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n"})
_UNESCAPED = {"\\": "\\", "t": "\t", "n": "\n"}


class Plan:
    """The lines of a plan, in order."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, ...]] = []

    def add(self, key: str, *fields: str | int) -> None:
        """Add a line."""
        self._lines.append((key, *(str(each) for each in fields)))

    def values(self, key: str) -> list[tuple[str, ...]]:
        """Return the fields of the lines of `key`."""
        return [line[1:] for line in self._lines if line[0] == key]

    def text(self) -> str:
        """Return the file."""
        return "".join("\t".join(field.translate(_ESCAPES) for field in line) + "\n" for line in self._lines)


def parsed(text: str) -> list[tuple[str, ...]]:
    """Return the lines of a plan's text as tuples of fields. Raises ValueError for an invalid escape."""
    return [tuple(map(_field, line.split("\t"))) for line in text.split("\n")[:-1]]


def _field(text: str) -> str:
    out, rest = [], iter(text)
    for char in rest:
        if char == "\\":
            escape = next(rest, "")
            if escape not in _UNESCAPED:
                raise ValueError(f"invalid escape in a plan: {text}")
            out.append(_UNESCAPED[escape])
        else:
            out.append(char)
    return "".join(out)
