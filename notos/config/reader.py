"""Conversion of nodes into frozen structs by their shapes, with each value checked; loader.py reads files."""

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from notos.config.scalars import did_you_mean, scalar
from notos.config.shapes import Field, ListOf, MapOf, Scalar, Shape, Struct, bare
from notos.config.suggestions import unwanted
from notos.config.yaml_source import (
    Item,
    KeyPath,
    MappingNode,
    Node,
    Problem,
    ScalarNode,
    SequenceNode,
    key_place,
    shorten,
)

Check = Callable[[Any, Node], Iterable[Problem]]
"""A check of rules between the fields of one struct; its arguments are the struct and its node."""

Checks = Mapping[type, Check]
"""Checks by the struct that they are for."""

Expand = Callable[[Any, Node], Iterable[Any]]
"""Gets a struct in a list, and its node; returns the structs that it stands for. Raises Problem."""

Alternatives = Mapping[type, tuple[str, tuple[str, ...], bool]]
"""By struct: its name in errors, keys of which at most one may be set, and True if it needs one of them."""


class Reader:
    """Converts nodes to structs and collects every problem.

    An invalid value is left out and its field gets its default or None, so the result is valid only if there
    are no problems. `checks` run for a struct whose fields are all valid; the outermost struct's check always
    runs. `alternatives` are checked for each struct that is written as a map. If the nodes are not `complete`
    (a file could not be read), a missing key is no problem. `defaults` returns the outermost struct with the
    defaults that depend on several keys; its check gets this one. `expand` is called for structs in lists.
    """

    def __init__(
        self,
        checks: Mapping[type, Sequence[Check]],
        problems: list[Problem],
        *,
        alternatives: Alternatives | None = None,
        complete: bool = True,
        defaults: Callable[[Any, Node], Any] = lambda made, _node: made,
        expand: Expand = lambda value, _node: (value,),
    ) -> None:
        self._checks = checks if complete else {}
        self._alternatives = alternatives or {}
        self._outermost: Struct | None = None
        self._problems = problems
        self._complete = complete
        self._defaults = defaults
        self._expand = expand

    def read(self, node: Node, shape: Struct) -> Any:
        """Return the outermost struct, or None if `node` is not a map."""
        self._outermost = shape
        try:
            return self._struct(node, shape, "")
        except Problem as problem:
            self._problems.append(problem)
            return None

    def _value(self, node: Node, shape: Shape, key_path: str) -> Any:
        match shape:
            case Scalar():
                return scalar_at(node, shape, key_path)
            case Struct():
                return self._struct(node, shape, key_path)
            case ListOf():
                return self._list(node, shape, key_path)
            case MapOf():
                return self._map(node, shape, key_path)

    def _struct(self, node: Node, shape: Struct, key_path: str) -> Any:
        problems_before = len(self._problems)
        name: ScalarNode | None = None
        body: Node | None = node
        inner = shape.body if shape.keyed else shape
        if shape.bare and isinstance(node, ScalarNode):
            name, body = node, None
        elif _is_unnamed(node, shape):
            inner = shape.unnamed
        elif shape.keyed:
            name, body = _keyed(node, shape, key_path)
        values: dict[str, Any] = {}
        if name is not None:
            bare_shape = shape.fields[shape.bare].shape
            assert isinstance(bare_shape, Scalar), "a word stands for one value"
            values[shape.bare] = scalar_at(name, bare_shape, key_path, item=shape.keyed)
        elif shape.keyed:
            values[shape.bare] = ""
        if body is not None:
            values |= self._fields(body, inner, _below(key_path, name.text) if name else key_path)
        made = shape.cls(**{shape.fields[name].attribute: value for name, value in values.items()})
        if not key_path:
            made = self._defaults(made, node)
        if not key_path or len(self._problems) == problems_before:
            for check in self._checks.get(shape.cls, ()):
                self._problems.extend(check(made, node))
        return made

    def _fields(self, node: Node, shape: Struct, key_path: str) -> dict[str, Any]:
        if not isinstance(node, MappingNode):
            raise unwanted(node, shape, "a map of keys", key_path)
        if shape.rest:
            node = _gathered(node, shape)
        known = shape.fields
        named = {name: field for name, field in known.items() if name != shape.rest}
        values: dict[str, Any] = {name: None for name, field in known.items() if field.required}
        if self._complete and shape.cls in self._alternatives:
            self._problems.extend(_one_of(node, shape, *self._alternatives[shape.cls]))
        for name in values:
            if name not in node.items and self._complete:
                message = f"{_below(key_path, name)} is missing: {known[name].doc}"
                self._problems.append(Problem(message, node.place))
        empty: tuple[str, Shape] | None = None
        for name, item in node.items.items():
            if name not in known and empty and _has(empty[1], name):
                self._problems.append(_outdented(item.key, empty[0]))
                continue
            empty = (name, known[name].shape) if name in known and _is_empty(item.value) else None
            if name not in known:
                self._problems.append(_unknown(item.key, named, key_path, self._outermost))
                continue
            try:
                path = key_path if name == shape.rest else _below(key_path, name)
                values[name] = self._value(item.value, known[name].shape, path)
            except Problem as problem:
                self._problems.append(problem)
        return values

    def _list(self, node: Node, shape: ListOf, key_path: str) -> tuple[Any, ...]:
        if shape.single and isinstance(node, ScalarNode) and not _is_empty(node):
            return (self._value(node, shape.item, key_path),)
        if not isinstance(node, SequenceNode):
            raise unwanted(node, shape, "a list", key_path)
        found: dict[Hashable, tuple[Any, Node]] = {}
        for item in node.items:
            try:
                if (
                    isinstance(shape.item, Struct)
                    and not shape.item.bare
                    and not isinstance(item, MappingNode)
                ):
                    raise unwanted(item, shape.item, "a map of keys", key_path, item=True)
                if isinstance(shape.item, Scalar):
                    value: Any = scalar_at(item, shape.item, key_path, item=True)
                else:
                    value = self._value(item, shape.item, key_path)
                values = (value,) if isinstance(shape.item, Scalar) else self._expand(value, item)
            except Problem as problem:
                self._problems.append(problem)
                continue
            for each in values:
                if each is not None:
                    self._add(found, each, item, key_path)
        return tuple(value for value, _ in found.values())

    def _add(self, found: dict[Hashable, tuple[Any, Node]], value: Any, item: Node, key_path: str) -> None:
        """Add a value of a list to those that were found before, each with its node."""
        name = bare(value)
        first, at = found.setdefault(name, (value, item))
        if at is item:
            return
        seen = at.place.seen_from(item.place)
        if value != first:
            message = f'{key_path} has "{name}" twice, with other settings; the first is {seen}'
            self._problems.append(Problem(message, item.place))
        elif at.place.source is item.place.source:  # a config may repeat an item of its imports
            message = f'{key_path} has "{shorten(str(name))}" twice; the first is {seen}'
            self._problems.append(Problem(message, item.place))

    def _map(self, node: Node, shape: MapOf, key_path: str) -> dict[Any, Any]:
        if not isinstance(node, MappingNode):
            raise unwanted(node, shape, "a map", key_path)
        found = {}
        at: dict[str, Any] = {}
        empty = ""
        for name, item in node.items.items():
            if empty and _has(shape.value, name) and not isinstance(item.value, MappingNode):
                self._problems.append(_outdented(item.key, empty))
                continue
            empty = name if _is_empty(item.value) else ""
            try:
                key = scalar_at(item.key, shape.key, f"a key of {key_path}")
            except Problem as problem:
                self._problems.append(problem)
                continue
            if key in found:
                first = next(other for other in node.items if other != name and at.get(other) == key)
                seen = node.items[first].key.place.seen_from(item.key.place)
                message = f"{key_path}.{shorten(name)} is the same as {shorten(first)}, {seen}"
                self._problems.append(Problem(message, item.key.place))
                continue
            at[name] = key
            try:
                found[key] = self._value(item.value, shape.value, _below(key_path, name))
            except Problem as problem:
                self._problems.append(problem)
        return found


def _gathered(node: MappingNode, shape: Struct) -> MappingNode:
    """Return `node` with the entries of the field `shape.rest` below a key of that name.

    A key with a field's name is no entry, also if the field is one of an entry. Neither is a key with a word
    or a list whose name is similar to a field's, which is probably a misspelling, or that of a field of
    the empty key before it.
    """
    value = shape.entries.value
    fields = {*shape.fields, *(value.fields if isinstance(value, Struct) else ())} - {shape.rest}
    entries, own = {}, {}
    empty = ""
    for name, item in node.items.items():
        word = not isinstance(item.value, MappingNode)
        outdented = bool(empty) and word and _has(shape.fields[empty].shape, name)
        if name in fields or outdented or (word and did_you_mean(name, fields, 0.7)):
            own[name] = item
        else:
            entries[name] = item
        if not outdented:
            empty = name if name in shape.fields and _is_empty(item.value) else ""
    if not entries:
        return node
    first = next(iter(entries.values())).key
    gathered = MappingNode(node.place, entries)
    return MappingNode(node.place, {**own, shape.rest: Item(first, gathered)})


def scalar_at(node: Node, shape: Scalar, key_path: str, *, item: bool = False) -> str | int | bool:
    """Return the value of a node, which may be an `item` of the list at `key_path`. Raises Problem."""
    if not isinstance(node, ScalarNode):
        raise unwanted(node, shape, shape.wanted, key_path, item=item)
    return scalar(node, shape, key_path, item=item)


def _keyed(node: Node, shape: Struct, key_path: str) -> tuple[ScalarNode, Node]:
    """Return the key and the value of a map with one key. Raises Problem for any other node."""
    if isinstance(node, MappingNode) and len(node.items) == 1:
        item = next(iter(node.items.values()))
        return item.key, item.value
    others = [name for name in shape.fields if name not in (shape.bare, shape.beside)]
    form = f"a name, or a map with one name: `NAME: {{{others[0]}: …}}`"
    if isinstance(node, MappingNode) and any(name in shape.fields for name in node.items):
        form += ", with the settings indented below the name"
    raise unwanted(node, shape, form, key_path, item=True)


def _is_unnamed(node: Node, shape: Struct) -> bool:
    """Return True if a keyed struct is written with the field `beside` in place of a name."""
    if not shape.beside or not isinstance(node, MappingNode) or shape.beside not in node.items:
        return False
    return isinstance(node.items[shape.beside].value, ScalarNode)


def _one_of(
    node: MappingNode, shape: Struct, subject: str, keys: tuple[str, ...], needed: bool
) -> Iterable[Problem]:
    """Yield a problem if a struct has more than one of `keys`, or none of them if one is `needed`.

    None of them is no problem if the struct has an unknown key, which may be a misspelling of one.
    """
    given = [key for key in keys if key in node.items]
    if needed and not given and all(key in shape.fields for key in node.items):
        yield Problem(f"{subject} needs either {' or '.join(keys)}", node.place)
    elif len(given) > 1:
        place = key_place(node, given[1])
        first = key_place(node, given[0]).seen_from(place)
        yield Problem(f"{subject} takes either {' or '.join(keys)}, not both; {given[0]} is {first}", place)


def _unknown(key: ScalarNode, known: Mapping[str, Field], key_path: str, outermost: Struct | None) -> Problem:
    """Return the problem for an unknown key, with the key that was probably meant."""
    from notos.config import foreign_keys

    message = f'unknown key "{shorten(key.text)}"' + (f" in {key_path}" if key_path else "")
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key.text).replace("-", "_").lower()
    advice = foreign_keys.advice(key_path, snake)
    if not advice and snake in known:
        advice = f'; did you mean "{snake}"?'
    advice = advice or did_you_mean(snake, known, 0.7)
    if not advice and outermost is not None:
        inner = [path for path in _paths(outermost, "") if path.rpartition(".")[2] == snake]
        if inner and "." not in inner[0]:
            advice = f"; {inner[0]} is a key at the top of the config"
        elif inner:
            advice = f'; did you mean "{inner[0]}"?'
    return Problem(message + (advice or f"; it has {', '.join(known)}"), key.place)


def _outdented(key: ScalarNode, above: str) -> Problem:
    """Return the problem for a key that is beside its parent key, which is empty, and not below it."""
    return Problem(f"indent this below {shorten(above)}:, which is empty otherwise", key.place)


def _has(shape: Shape, name: str) -> bool:
    return isinstance(shape, Struct) and name in shape.fields


def _is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.plain and not node.text


def _paths(shape: Shape, prefix: str) -> Iterable[str]:
    """Yield the paths of all keys of a struct and of the structs below it, outer ones first."""
    if isinstance(shape, MapOf):
        yield from _paths(shape.value, f"{prefix}NAME.")
    if isinstance(shape, Struct) and not shape.keyed:
        yield from (prefix + name for name in shape.fields if name != shape.rest)
        for name, field in shape.fields.items():
            yield from _paths(field.shape, prefix if name == shape.rest else f"{prefix}{name}.")


def _below(key_path: str, name: str) -> str:
    return KeyPath(key_path, shorten(name))
