"""YAML files as nodes that know where they were written, and problems shown at their line.

It knows nothing of machines. It takes the part of YAML 1.1 that a config needs: maps with text keys,
lists and scalars, each kept as the text that was written. Anchors, aliases, tags and merge keys are
refused, so no file can grow in memory, and nesting is bounded.
"""

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import Reader

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's where it was built in
_RESOLVERS = yaml.SafeLoader.yaml_implicit_resolvers
_MAX_DEPTH = 30
_MAX_BYTES = 1 << 20
_WIDTH = 100  # columns of a source line that a problem shows


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A file that was read; `path` is spelled as it was asked for."""

    path: Path
    text: str

    def line(self, number: int) -> str:
        """Line `number`, counted from 0, without its end; "" past the last one."""
        lines = _lines(self.text)
        return lines[number] if number < len(lines) else ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: a line and column counted from 0, and its length on that line."""

    source: Source
    line: int
    column: int
    length: int = 1

    def __str__(self) -> str:
        return f"{self.source.path}:{self.line + 1}"

    def seen_from(self, other: "Place") -> str:
        """Where it is, for a message about `other`: "on line 3" or "in base.yaml:3"."""
        return f"on line {self.line + 1}" if self.source is other.source else f"in {self}"


@dataclass(frozen=True, slots=True, eq=False)
class ScalarNode:
    """A word, number or text, as it was written; `plain` if it has no quotes."""

    place: Place
    text: str
    plain: bool

    @property
    def meaning(self) -> str:
        """What YAML 1.1 takes a plain scalar for ("a boolean"); "" when it is text."""
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
    """A key of a map, and its value."""

    key: ScalarNode
    value: "Node"


@dataclass(frozen=True, slots=True, eq=False)
class MappingNode:
    """A map, by the text of its keys, in the order of the file."""

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


class Problem(Exception):  # noqa: N818 — it is collected as often as it is raised
    """Something wrong in a file: a message in one line, and where."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.message = message
        self.place = place

    def render(self) -> str:
        """`file:line: message`, the line, and a caret line."""
        line = self.place.source.line(self.place.line)
        line = "".join(each if each.isprintable() else " " for each in line)
        start = min(self.place.column, len(line))
        end = max(start + 1, min(start + self.place.length, len(line)))
        first = max(0, min(start - _WIDTH // 2, len(line) - _WIDTH))
        shown = line[first : first + _WIDTH]
        indent = " " * _columns(line[first:start])
        carets = "^" * _columns(line[start:end][:_WIDTH] or " ")
        return f"{self.place}: {self.message}\n  {shown.rstrip()}\n  {indent}{carets}"


class Consequence(Problem):
    """A problem that may follow from others: it is reported where there are no others."""


def read(path: Path) -> Source:
    """The text of the file at `path`; a byte that is not UTF-8 becomes a surrogate, which compose() refuses.

    Raises OSError, also for what is no regular file or larger than a config can be.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "Is a directory" if path.is_dir() else "Not a regular file")
    with path.open("rb") as stream:
        data = stream.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise OSError(errno.EFBIG, "Larger than a config can be, 1 MiB")
    return Source(path, data.decode("utf-8-sig", errors="surrogateescape"))


def compose(source: Source, problems: list[Problem]) -> Node | None:
    """The one document in `source`; None when it is empty.

    Adds to `problems` what can be passed over (a duplicate key, a tag), and raises Problem at what
    cannot (text that is not YAML).
    """
    if found := Reader.NON_PRINTABLE.search(source.text):
        code = ord(found[0])
        byte = f"byte 0x{code & 0xFF:02x} is not UTF-8 text"
        message = (
            byte if 0xDC80 <= code <= 0xDCFF else f"the control character U+{code:04X} cannot stand in YAML"
        )
        raise Problem(message, _end_of(source, source.text[: found.start()]))
    events = yaml.parse(source.text, Loader=_LOADER)
    try:
        return _Composer(source, events, problems).document()
    except yaml.MarkedYAMLError as error:
        from notos.config import yaml_mistake

        raise yaml_mistake.problem(source, error, _quoted_last(source), _bracket_last(source)) from None
    except yaml.YAMLError as error:  # pragma: no cover — read() refuses what the reader would
        raise Problem(f"this is not YAML: {error}".replace("\n", " "), Place(source, 0, 0)) from None


def merge(below: Node, above: Node) -> Node:
    """`above` laid on `below`: maps merge, lists append, anything else is replaced."""
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
    """Return the value below `keys`, or None where one of them is missing."""
    for key in keys:
        if not isinstance(node, MappingNode) or key not in node.items:
            return None
        node = node.items[key].value
    return node


def named_place(node: Node, *keys: str) -> Place | None:
    """Return where the last of `keys` stands, as a key or as an item of a list; None if it is missing.

    An item is known by its word, or by the one key of its map. Hyphens and underscores count as the same, as
    in the names of kernel modules.
    """
    place = None
    for key in keys:
        if isinstance(node, SequenceNode):
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
    """Return the word that names an item of a list, and the item's value."""
    if isinstance(item, MappingNode) and len(item.items) == 1:
        (only,) = item.items.values()
        return only.key, only.value
    return (item if isinstance(item, ScalarNode) else None), item


def _alike(one: str, other: str) -> bool:
    return one.replace("-", "_") == other.replace("-", "_")


def place_of(node: Node, *keys: str) -> Place:
    """Where the value below `keys` stands, or the nearest value above it that is there."""
    for key in keys:
        if not isinstance(node, MappingNode) or key not in node.items:
            break
        node = node.items[key].value
    return node.place


def key_place(node: Node, *keys: str) -> Place:
    """Where the last of `keys` stands, or the nearest key or value above it that is there."""
    place = node.place
    for key in keys:
        if not isinstance(node, MappingNode) or key not in node.items:
            break
        place, node = node.items[key].key.place, node.items[key].value
    return place


class _Composer:
    """Builds nodes from the parser's events."""

    def __init__(self, source: Source, events: Iterator[Any], problems: list[Problem]) -> None:
        self._source = source
        self._events = events
        self._problems = problems

    def document(self) -> Node | None:
        next(self._events)  # the stream starts
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        root = self._node(next(self._events), 0)
        next(self._events)  # the document ends
        following = next(self._events)
        if not isinstance(following, yaml.StreamEndEvent):
            raise Problem("a config is one document; a second one starts here", self._place(following))
        if isinstance(root, ScalarNode) and root.plain and not root.text:
            return None  # only "---"
        return root

    def _node(self, event: Any, depth: int) -> Node | None:
        """The node that starts at `event`, read to its end; None for one that had to be refused."""
        place = self._place(event)
        if depth > _MAX_DEPTH:
            raise Problem("this is nested too deeply for a config", place)
        if isinstance(event, yaml.AliasEvent):
            self._problems.append(
                Problem(
                    "aliases (*name) are not taken; write the value out, or quote a text that begins with *",
                    place,
                )
            )
            return None
        if event.anchor is not None:
            self._problems.append(
                Problem(
                    "anchors (&name) are not taken; leave it out, or quote a text that begins with &", place
                )
            )
        if event.tag is not None:
            message = "tags (!name) are not taken; leave it out, and quote what is meant as text"
            self._problems.append(Problem(message, place))
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, place)
        if isinstance(event, yaml.SequenceStartEvent):
            return SequenceNode(place, tuple(self._sequence(depth)))
        return MappingNode(place, self._mapping(depth))

    def _scalar(self, event: Any, place: Place) -> ScalarNode | None:
        text: str = event.value
        try:
            text.encode()
        except UnicodeEncodeError:  # a lone surrogate, "\ud800"
            self._problems.append(Problem("this holds half a character, which text cannot", place))
            return None
        if "\0" in text:
            self._problems.append(Problem("this holds a zero byte, which text cannot", place))
            return None
        return ScalarNode(place, text, not event.style)

    def _sequence(self, depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            if (node := self._node(event, depth + 1)) is not None:
                yield node

    def _mapping(self, depth: int) -> dict[str, Item]:
        items: dict[str, Item] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if key is None:
                continue
            if not isinstance(key, ScalarNode):
                self._problems.append(Problem("a key is a word, not a list or a map", key.place))
            elif key.plain and key.text == "<<":
                self._problems.append(Problem("merge keys (<<) are not taken; use imports", key.place))
            elif key.text in items:
                first = items[key.text].key.place.seen_from(key.place)
                message = f'duplicate key "{shorten(key.text)}"; the first is {first}'
                self._problems.append(Problem(message, key.place))
            elif value is not None:
                items[key.text] = Item(key, value)
        return items

    def _place(self, event: Any) -> Place:
        start, end = event.start_mark, event.end_mark
        length = end.column - start.column if end.line == start.line else _WIDTH
        return Place(self._source, start.line, start.column, max(length, 1))


def shorten(text: str, length: int = 60) -> str:
    """Return `text` as one printable line of at most `length` characters, for a message."""
    line = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return line if len(line) <= length else line[: length - 1] + "…"


def _quoted_last(source: Source) -> Place | None:
    """Return where the last text before the mistake in `source` opens its quote; None if it has none."""
    last = None
    try:
        for event in yaml.parse(source.text, Loader=_LOADER):
            if isinstance(event, yaml.ScalarEvent):
                mark: Any = event.start_mark
                last = Place(source, mark.line, mark.column) if event.style in ("'", '"') else None
    except yaml.MarkedYAMLError:
        return last
    return None


def _bracket_last(source: Source) -> Place | None:
    """Return where the last bracket before the mistake in `source` opens that is not closed; None if none."""
    opened: list[Place] = []
    try:
        for token in yaml.scan(source.text, Loader=_LOADER):
            if isinstance(token, yaml.FlowSequenceStartToken | yaml.FlowMappingStartToken):
                mark: Any = token.start_mark
                opened.append(Place(source, mark.line, mark.column))
            elif opened and isinstance(token, yaml.FlowSequenceEndToken | yaml.FlowMappingEndToken):
                opened.pop()
    except yaml.MarkedYAMLError:
        pass
    return opened[-1] if opened else None


def _end_of(source: Source, before: str) -> Place:
    """The place in `source` that follows the text `before`."""
    lines = _lines(before)
    return Place(source, len(lines) - 1, len(lines[-1]))


def _lines(text: str) -> list[str]:
    import re

    return re.split("\r\n|[\r\n\x85\u2028\u2029]", text)  # the line breaks of YAML 1.1


def _columns(text: str) -> int:
    """How many columns `text` takes on a terminal."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(each) else 2 if east_asian_width(each) in "WF" else 1 for each in text)
