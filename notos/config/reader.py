"""Nodes into frozen structs by their shapes, each value checked; which files is config.py's matter."""

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from notos.config.scalars import did_you_mean, scalar
from notos.config.shapes import Field, ListOf, MapOf, Scalar, Shape, Struct, bare
from notos.config.suggestions import unwanted
from notos.config.yaml_source import MappingNode, Node, Problem, ScalarNode, SequenceNode, key_place, shorten

Check = Callable[[Any, Node], Iterable[Problem]]
"""What the fields of one struct have to be to each other; gets the struct and the node it came from."""

Checks = Mapping[type, Check]
"""Rules by the struct that they are for."""

Alternatives = Mapping[type, tuple[str, tuple[str, ...]]]
"""By struct: what it is in an error, and the keys of which exactly one has to be written."""


class Reader:
    """Turns nodes into structs, and collects every problem on the way.

    What is wrong is left out, a field gets its default or None: what is returned is only good when there
    are no problems. `checks` run for a struct whose own fields are all right; the outermost struct's runs
    in any case. `alternatives` are looked at wherever a struct is written as a map. When the nodes are not
    `complete`, a key that is missing is no problem.
    """

    def __init__(
        self,
        checks: Mapping[type, Sequence[Check]],
        problems: list[Problem],
        *,
        alternatives: Alternatives | None = None,
        complete: bool = True,
    ) -> None:
        self._checks = checks if complete else {}
        self._alternatives = alternatives or {}
        self._outermost: Struct | None = None
        self._problems = problems
        self._complete = complete

    def read(self, node: Node, shape: Struct) -> Any:
        """The outermost struct; None when `node` is not even a map."""
        self._outermost = shape
        try:
            return self._struct(node, shape, "")
        except Problem as problem:
            self._problems.append(problem)
            return None

    def _value(self, node: Node, shape: Shape, where: str) -> Any:
        match shape:
            case Scalar():
                return scalar_at(node, shape, where)
            case Struct():
                return self._struct(node, shape, where)
            case ListOf():
                return self._list(node, shape, where)
            case MapOf():
                return self._map(node, shape, where)

    def _struct(self, node: Node, shape: Struct, where: str) -> Any:
        problems_before = len(self._problems)
        name: ScalarNode | None = None
        body: Node | None = node
        if shape.bare and isinstance(node, ScalarNode):
            name, body = node, None
        elif shape.keyed:
            name, body = _keyed(node, shape, where)
        values: dict[str, Any] = {}
        if name is not None:
            bare_shape = shape.fields[shape.bare].shape
            assert isinstance(bare_shape, Scalar), "a word stands for one value"
            values[shape.bare] = scalar_at(name, bare_shape, where, item=shape.keyed)
        if body is not None:
            shape_of_body = shape.body if shape.keyed else shape
            values |= self._fields(body, shape_of_body, _below(where, name.text) if name else where)
        made = shape.cls(**values)
        if not where or len(self._problems) == problems_before:
            for check in self._checks.get(shape.cls, ()):
                self._problems.extend(check(made, node))
        return made

    def _fields(self, node: Node, shape: Struct, where: str) -> dict[str, Any]:
        if not isinstance(node, MappingNode):
            raise unwanted(node, shape, "a map of keys", where)
        known = shape.fields
        values: dict[str, Any] = {name: None for name, field in known.items() if field.required}
        if self._complete and shape.cls in self._alternatives:
            self._problems.extend(_one_of(node, shape, *self._alternatives[shape.cls]))
        for name in values:
            if name not in node.items and self._complete:
                message = f"{_below(where, name)} is missing: {known[name].doc}"
                self._problems.append(Problem(message, node.place))
        empty: tuple[str, Shape] | None = None
        for name, item in node.items.items():
            if name not in known and empty and _has(empty[1], name):
                self._problems.append(_outdented(item.key, empty[0]))
                continue
            empty = (name, known[name].shape) if name in known and _is_empty(item.value) else None
            if name not in known:
                self._problems.append(_unknown(item.key, known, where, self._outermost))
                continue
            try:
                values[name] = self._value(item.value, known[name].shape, _below(where, name))
            except Problem as problem:
                self._problems.append(problem)
        return values

    def _list(self, node: Node, shape: ListOf, where: str) -> tuple[Any, ...]:
        if not isinstance(node, SequenceNode):
            raise unwanted(node, shape, "a list", where)
        found: dict[Hashable, tuple[Any, Node]] = {}
        for item in node.items:
            try:
                if isinstance(shape.item, Scalar):
                    value: Any = scalar_at(item, shape.item, where, item=True)
                else:
                    value = self._value(item, shape.item, where)
            except Problem as problem:
                self._problems.append(problem)
                continue
            if value is None:
                continue
            name = bare(value)
            first, at = found.setdefault(name, (value, item))
            if at is item:
                continue
            seen = at.place.seen_from(item.place)
            if value != first:
                message = f'{where} has "{name}" twice, with other settings; the first is {seen}'
                self._problems.append(Problem(message, item.place))
            elif at.place.source is item.place.source:  # configs that are layered may agree
                message = f'{where} has "{shorten(str(name))}" twice; the first is {seen}'
                self._problems.append(Problem(message, item.place))
        return tuple(value for value, _ in found.values())

    def _map(self, node: Node, shape: MapOf, where: str) -> dict[Any, Any]:
        if not isinstance(node, MappingNode):
            raise unwanted(node, shape, "a map", where)
        found = {}
        empty = ""
        for name, item in node.items.items():
            if empty and _has(shape.value, name) and not isinstance(item.value, MappingNode):
                self._problems.append(_outdented(item.key, empty))
                continue
            empty = name if _is_empty(item.value) else ""
            try:
                key = scalar_at(item.key, shape.key, f"a key of {where}")
            except Problem as problem:
                self._problems.append(problem)
                continue
            try:
                found[key] = self._value(item.value, shape.value, _below(where, name))
            except Problem as problem:
                self._problems.append(problem)
        return found


def scalar_at(node: Node, shape: Scalar, where: str, *, item: bool = False) -> str | int | bool:
    """Return the value at a node, which may be an `item` of the list at `where`. Raises Problem."""
    if not isinstance(node, ScalarNode):
        raise unwanted(node, shape, shape.wanted, where, item=item)
    return scalar(node, shape, where, item=item)


def _keyed(node: Node, shape: Struct, where: str) -> tuple[ScalarNode, Node]:
    """The key and the value of a map of one."""
    if isinstance(node, MappingNode) and len(node.items) == 1:
        item = next(iter(node.items.values()))
        return item.key, item.value
    others = [name for name in shape.fields if name != shape.bare]
    form = f"a name, or a map of one name: `NAME: {{{others[0]}: …}}`"
    if isinstance(node, MappingNode) and any(name in shape.fields for name in node.items):
        form += ", with the settings indented below the name"
    raise unwanted(node, shape, form, where, item=True)


def _one_of(node: MappingNode, shape: Struct, subject: str, keys: tuple[str, ...]) -> Iterable[Problem]:
    """Yield the problem of a struct that is written with none of `keys`, or with more than one.

    Where a key is unknown it may have been meant as one of them.
    """
    given = [key for key in keys if key in node.items]
    if not given and all(key in shape.fields for key in node.items):
        yield Problem(f"{subject} wants either {' or '.join(keys)}", node.place)
    elif len(given) > 1:
        place = key_place(node, given[1])
        first = key_place(node, given[0]).seen_from(place)
        yield Problem(f"{subject} wants either {' or '.join(keys)}, not both; {given[0]} is {first}", place)


def _unknown(key: ScalarNode, known: Mapping[str, Field], where: str, outermost: Struct | None) -> Problem:
    """Return the problem of a key that a struct lacks, with the key that was meant or what serves for it."""
    from notos.config import foreign_keys

    message = f'unknown key "{shorten(key.text)}"' + (f" in {where}" if where else "")
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key.text).replace("-", "_").lower()
    advice = foreign_keys.advice(where, snake)
    if not advice and snake in known:
        advice = f'; did you mean "{snake}"?'
    advice = advice or did_you_mean(snake, known, 0.7)
    if not advice and outermost is not None:
        inner = [path for path in _paths(outermost, "") if path.rpartition(".")[2] == snake]
        if inner and "." not in inner[0]:
            advice = f"; {inner[0]} stands at the top of the config"
        elif inner:
            advice = f'; did you mean "{inner[0]}"?'
    return Problem(message + (advice or f"; it has {', '.join(known)}"), key.place)


def _outdented(key: ScalarNode, above: str) -> Problem:
    """Return the problem of a key that stands beside the empty one that it was meant for."""
    return Problem(f"indent this below {shorten(above)}:, which is empty otherwise", key.place)


def _has(shape: Shape, name: str) -> bool:
    return isinstance(shape, Struct) and name in shape.fields


def _is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.plain and not node.text


def _paths(shape: Shape, prefix: str) -> Iterable[str]:
    """The paths of all keys of a struct and of those below it, the outer ones first."""
    if isinstance(shape, MapOf):
        yield from _paths(shape.value, f"{prefix}NAME.")
    if isinstance(shape, Struct) and not shape.keyed:
        yield from (prefix + name for name in shape.fields)
        for name, field in shape.fields.items():
            yield from _paths(field.shape, f"{prefix}{name}.")


def _below(where: str, name: str) -> str:
    return f"{where}.{shorten(name)}" if where else shorten(name)
