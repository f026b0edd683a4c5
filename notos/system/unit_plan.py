"""The plan of a unit: the file `unit` of a service's folder, which run-unit follows.

Its lines have fields that are separated by tabs. The first field is a key. In a field, a backslash is
doubled, a tab is \\t and a line break is \\n. runit/run-unit has the list of keys.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from notos.formats.tree import File, Tree

COMMANDS = {
    "pre": "ExecStartPre",
    "start": "ExecStart",
    "post": "ExecStartPost",
    "reload": "ExecReload",
    "stop": "ExecStop",
    "stoppost": "ExecStopPost",
}
_ESCAPES = {"\\\\": "\\", "\\t": "\t", "\\n": "\n"}


class Line(NamedTuple):
    """A line of a plan."""

    key: str
    values: tuple[str, ...]


class Command(NamedTuple):
    """A command of a plan.

    key      of the unit: ExecStart
    flags    of - + ! :
    program  its absolute path
    words    its arguments, which may contain variables, with the name first
    """

    key: str
    flags: str
    program: str
    words: tuple[str, ...]


def lines(text: str) -> Iterator[Line]:
    """Yield the lines of a plan."""
    for line in text.split("\n"):
        if line:
            key, *values = (
                re.sub(r"\\[\\tn]", lambda found: _ESCAPES[found[0]], each) for each in line.split("\t")
            )
            yield Line(key, tuple(values))


def commands(text: str) -> Iterator[Command]:
    """Yield the commands of a plan, in its order."""
    for key, values in lines(text):
        if key in COMMANDS and len(values) > 1:
            yield Command(COMMANDS[key], values[0], values[1], values[2:])


def of(runit: Tree, service: str) -> str:
    """Return the plan of a service in the tree of the runit object; "" if it has none."""
    entry = runit.get(f"services/{service}/unit")
    return entry.read().decode("utf-8", "surrogateescape") if isinstance(entry, File) else ""
