"""Templates: scripts with @markers@ in assignments at their top, filled with values at build time.

A script is a shell file that shellcheck can check. Markers are allowed only in lines such as
`hostname=@hostname@`, and in the first line.
"""

import re
import shlex
from collections.abc import Mapping, Sequence

from notos.errors import ScriptError

Value = str | int | Sequence[str]

_MARKER = re.compile(r"@(\w+)@")
_ASSIGNMENT = re.compile(r"\w+=@\w+@")


def render(text: str, values: Mapping[str, Value], *, name: str) -> str:
    """Return `text`, the script called `name`, with `values` for its markers, quoted for the shell.

    A sequence becomes one word, its elements separated by blanks. Raises ScriptError, with file and line, for
    a marker without a value or outside an assignment, a value without a marker, and an element that contains
    a blank.
    """
    used: set[str] = set()
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        where = f"{name}:{number}"
        shebang = number == 1 and line.startswith("#!")
        if _MARKER.search(line) and not (shebang or _ASSIGNMENT.fullmatch(line)):
            raise ScriptError(f"{where}: a marker is outside an assignment", hint="write name=@name@")

        def put(match: re.Match[str], where: str = where, shebang: bool = shebang) -> str:
            if match[1] not in values:
                raise ScriptError(f"{where}: no value for @{match[1]}@", hint="check its spelling")
            used.add(match[1])
            word = _word(values[match[1]], where)
            return word if shebang else shlex.quote(word)

        lines.append(_MARKER.sub(put, line))
    unused = sorted(values.keys() - used)
    if unused:
        raise ScriptError(f"{name} has no @{unused[0]}@", hint=f"add {unused[0]}=@{unused[0]}@ at its top")
    return "\n".join(lines)


def _word(value: Value, where: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    for each in value:
        if not each or any(char.isspace() for char in each):
            raise ScriptError(f"{where}: {each!r} cannot be part of a list", hint="leave out blanks")
    return " ".join(value)
