"""YAML text into nodes: the subset of YAML 1.1 that a config needs.

Maps with text keys, lists and scalars, each kept as the text of the file. Anchors, aliases, tags and merge
keys are refused, so that no file can expand in memory, and nesting is bounded.
"""

import re
from collections.abc import Iterator
from typing import Any

from notos.config.yaml_source import (
    WIDTH,
    Item,
    MappingNode,
    Node,
    Place,
    Problem,
    ScalarNode,
    SequenceNode,
    Source,
    lines,
    shorten,
)
from notos.pyyaml import Reader, yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, if PyYAML was built with it
_PLAIN = re.compile(r"[\t\n\r -~]*")  # quick to compile, unlike Reader.NON_PRINTABLE
_MAX_DEPTH = 30


def compose(source: Source, problems: list[Problem]) -> Node | None:
    """Return the one document in `source`, or None if it is empty.

    Adds to `problems` each mistake after which reading can continue (a duplicate key, a tag). Raises Problem
    for one after which it cannot (text that is not YAML).
    """
    plain = _PLAIN.fullmatch(source.text)
    if found := None if plain else Reader.NON_PRINTABLE.search(source.text):
        code = ord(found[0])
        byte = f"byte 0x{code & 0xFF:02x} is not UTF-8 text"
        message = (
            byte if 0xDC80 <= code <= 0xDCFF else f"the control character U+{code:04X} is not allowed in YAML"
        )
        raise Problem(message, _end_of(source, source.text[: found.start()]))
    events = yaml.parse(source.text, Loader=_LOADER)
    try:
        return _Composer(source, events, problems).document()
    except yaml.MarkedYAMLError as error:
        from notos.config import yaml_mistake

        raise yaml_mistake.problem(source, error, _quoted_last(source), _bracket_last(source)) from None
    except yaml.YAMLError as error:  # pragma: no cover — the check above refuses the same characters
        raise Problem(f"this is not YAML: {error}".replace("\n", " "), Place(source, 0, 0)) from None


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
        """Return the node that starts at `event`, read to its end; None if it was refused."""
        place = self._place(event)
        if depth > _MAX_DEPTH:
            raise Problem("this is nested too deeply for a config", place)
        if isinstance(event, yaml.AliasEvent):
            self._problems.append(
                Problem(
                    "aliases (*name) are not supported; write the value out, or quote text beginning with *",
                    place,
                )
            )
            return None
        if event.anchor is not None:
            self._problems.append(
                Problem(
                    "anchors (&name) are not supported; leave it out, or quote text beginning with &", place
                )
            )
        if event.tag is not None:
            message = "tags (!name) are not supported; leave it out, or quote text beginning with !"
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
            self._problems.append(
                Problem("this contains half a surrogate pair, which is not valid text", place)
            )
            return None
        if "\0" in text:
            self._problems.append(Problem("this contains a zero byte, which is not valid text", place))
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
                self._problems.append(Problem("a key must be a word, not a list or a map", key.place))
            elif key.plain and key.text == "<<":
                self._problems.append(Problem("merge keys (<<) are not supported; use imports", key.place))
            elif key.text in items:
                first = items[key.text].key.place.seen_from(key.place)
                message = f'duplicate key "{shorten(key.text)}"; the first is {first}'
                self._problems.append(Problem(message, key.place))
            elif value is not None:
                items[key.text] = Item(key, value)
        return items

    def _place(self, event: Any) -> Place:
        start, end = event.start_mark, event.end_mark
        length = end.column - start.column if end.line == start.line else WIDTH
        return Place(self._source, start.line, start.column, max(length, 1))


def _quoted_last(source: Source) -> Place | None:
    """Return the place of the opening quote of the last text before the mistake in `source`.

    None if that text has no quotes.
    """
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
    """Return the place of the last unclosed bracket before the mistake in `source`, or None."""
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
    """Return the place in `source` that follows the text `before`."""
    found = lines(before)
    return Place(source, len(found) - 1, len(found[-1]))
