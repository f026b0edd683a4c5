"""YAML nodes with their file, line and column, and problems shown at their line; composer.py makes nodes.

Independent of machines.
"""

import errno
from pathlib import Path

from notos.pyyaml import yaml
from notos.structs import dataclass

_RESOLVERS = yaml.SafeLoader.yaml_implicit_resolvers
_MAX_BYTES = 1 << 20
WIDTH = 100  # columns of a source line that a problem shows


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A file that was read; `path` is as the user spelled it."""

    path: Path
    text: str

    def line(self, number: int) -> str:
        """Return line `number`, counted from 0, without its line break; "" past the last line."""
        found = lines(self.text)
        return found[number] if number < len(found) else ""


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a file: line and column counted from 0, and a length on that line."""

    source: Source
    line: int
    column: int
    length: int = 1

    def __str__(self) -> str:
        return f"{self.source.path}:{self.line + 1}"

    def seen_from(self, other: "Place") -> str:
        """Return the place in words for a message about `other`: "on line 3" or "in base.yaml:3"."""
        return f"on line {self.line + 1}" if self.source is other.source else f"in {self}"


@dataclass(frozen=True, slots=True, eq=False)
class ScalarNode:
    """A scalar with its text from the file. `plain` is True if the text has no quotes."""

    place: Place
    text: str
    plain: bool

    @property
    def meaning(self) -> str:
        """The type that YAML 1.1 gives a plain scalar ("a boolean"); "" for text."""
        if not self.plain:
            return ""
        for tag, regexp in _RESOLVERS.get(self.text[:1], ()):
            if regexp.match(self.text):
                return _MEANINGS.get(tag.rpartition(":")[2], "not text")
        return ""


@dataclass(frozen=True, slots=True, eq=False)
class SequenceNode:
    """A list."""

    place: Place
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A key of a map and its value."""

    key: ScalarNode
    value: "Node"


@dataclass(frozen=True, slots=True, eq=False)
class MappingNode:
    """A map: items by the text of their keys, in the order of the file."""

    place: Place
    items: dict[str, Item]


Node = ScalarNode | SequenceNode | MappingNode

_MEANINGS = {
    "bool": "a boolean",
    "int": "a number",
    "float": "a number",
    "null": "nothing",
    "timestamp": "a date",
}


class Problem(Exception):  # noqa: N818 — collected as often as it is raised
    """A mistake in a file: a message of one line, and its place."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.message = message
        self.place = place

    def render(self) -> str:
        """Return `file:line: message`, the line itself and a line of carets."""
        line = self.place.source.line(self.place.line)
        line = "".join(each if each.isprintable() else " " for each in line)
        start = min(self.place.column, len(line))
        end = max(start + 1, min(start + self.place.length, len(line)))
        first = max(0, min(start - WIDTH // 2, len(line) - WIDTH))
        shown = line[first : first + WIDTH]
        indent = " " * _columns(line[first:start])
        carets = "^" * _columns(line[start:end][:WIDTH] or " ")
        return f"{self.place}: {self.message}\n  {shown.rstrip()}\n  {indent}{carets}"


class KeyPath(str):
    """The path of a key for messages ("vm.memory"); `last` is its last key, which may contain dots."""

    __slots__ = ("last",)
    last: str

    def __new__(cls, above: str, last: str) -> "KeyPath":
        """Return the path of the key `last` below the path `above`."""
        made = super().__new__(cls, f"{above}.{last}" if above else last)
        made.last = last
        return made


class Consequence(Problem):
    """A problem that may follow from others: it is reported where there are no others."""


def read(path: Path) -> Source:
    """Return the file at `path`; a byte that is not UTF-8 becomes a surrogate, which composer refuses.

    Raises OSError, also if it is not a regular file or larger than 1 MiB.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "Is a directory" if path.is_dir() else "Not a regular file")
    with path.open("rb") as stream:
        data = stream.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise OSError(errno.EFBIG, "Larger than 1 MiB, the limit for a config")
    return Source(path, data.decode("utf-8-sig", errors="surrogateescape"))


def merge(below: Node, above: Node) -> Node:
    """Return `above` merged onto `below`: maps merge, lists append, any other value is replaced."""
    if isinstance(below, MappingNode) and isinstance(above, MappingNode):
        items = dict(below.items)
        for key, item in above.items.items():
            under = items.get(key)
            items[key] = Item(item.key, merge(under.value, item.value)) if under else item
        return MappingNode(above.place, items)
    if isinstance(below, SequenceNode) and isinstance(above, SequenceNode):
        return SequenceNode(above.place, below.items + above.items)
    return above


def value_at(node: Node, *keys: str) -> Node | None:
    """Return the value below `keys`, or None if one of them is missing."""
    for key in keys:
        if not isinstance(node, MappingNode) or key not in node.items:
            return None
        node = node.items[key].value
    return node


def named_place(node: Node, *keys: str) -> Place | None:
    """Return the place of the last of `keys`, as a key or as an item of a list; None if it is missing.

    An item is named by its word, by the only key of its map, or by its number ("[0]"). Hyphens and
    underscores are equal, as in the names of kernel modules.
    """
    place = None
    for key in keys:
        if isinstance(node, SequenceNode) and key.startswith("["):
            if not key[1:-1].isdigit() or int(key[1:-1]) >= len(node.items):
                return None
            node = node.items[int(key[1:-1])]
            place = node.place
        elif isinstance(node, SequenceNode):
            named = [_named(each) for each in node.items]
            found = [each for each in named if each[0] and _alike(each[0].text, key)]
            if not found:
                return None
            head, node = found[0]
            assert head is not None
            place = head.place
        elif isinstance(node, MappingNode) and key in node.items:
            place, node = node.items[key].key.place, node.items[key].value
        elif isinstance(node, ScalarNode) and node.text == key:
            place = node.place
        else:
            return None
    return place


def _named(item: Node) -> tuple[ScalarNode | None, Node]:
    """Return the word that names an item of a list (None if none does), and the item's value."""
    if isinstance(item, MappingNode) and len(item.items) == 1:
        (only,) = item.items.values()
        return only.key, only.value
    return (item if isinstance(item, ScalarNode) else None), item


def _alike(one: str, other: str) -> bool:
    return one.replace("-", "_") == other.replace("-", "_")


def place_of(node: Node, *keys: str) -> Place:
    """Return the place of the value below `keys`, or of the nearest existing value above it."""
    for key in keys:
        if not isinstance(node, MappingNode) or key not in node.items:
            break
        node = node.items[key].value
    return node.place


def key_place(node: Node, *keys: str) -> Place:
    """Return the place of the last of `keys`, or of the nearest existing key or value above it."""
    place = node.place
    for key in keys:
        if not isinstance(node, MappingNode) or key not in node.items:
            break
        place, node = node.items[key].key.place, node.items[key].value
    return place


def shorten(text: str, length: int = 60) -> str:
    """Return `text` as one printable line of at most `length` characters, for a message."""
    line = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return line if len(line) <= length else line[: length - 1] + "…"


def lines(text: str) -> list[str]:
    """Return the lines of `text`, by the line breaks of YAML 1.1."""
    import re

    return re.split("\r\n|[\r\n\x85\u2028\u2029]", text)


def _columns(text: str) -> int:
    """Return the width of `text` on a terminal, in columns."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(each) else 2 if east_asian_width(each) in "WF" else 1 for each in text)
