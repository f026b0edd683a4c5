"""Nodes into frozen structs by their shapes, each value checked; which files is config.py's matter."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

from notos.kinds import Number, Text
from notos.shapes import Field, ListOf, MapOf, Scalar, Shape, Struct, bare, either
from notos.yaml_source import MappingNode, Node, Problem, ScalarNode, SequenceNode, shorten

Check = Callable[[Any, Node], Iterable[Problem]]
"""What the fields of one struct have to be to each other; gets the struct and the node it came from."""

_MAX_DIGITS = 18


class Reader:
    """Turns nodes into structs, and collects every problem on the way.

    What is wrong is left out, a field gets its default or None: what is returned is only good when there
    are no problems. `checks` run for a struct whose own fields are all right; the outermost struct's runs
    in any case. When the nodes are not `complete`, nothing is said of what is not there.
    """

    def __init__(
        self, checks: Mapping[type, Check], problems: list[Problem], *, complete: bool = True
    ) -> None:
        self._checks = checks if complete else {}
        self._problems = problems
        self._complete = complete

    def read(self, node: Node, shape: Struct) -> Any:
        """The outermost struct; None when `node` is not even a map."""
        try:
            return self._struct(node, shape, "")
        except Problem as problem:
            self._problems.append(problem)
            return None

    def _value(self, node: Node, shape: Shape, where: str) -> Any:
        match shape:
            case Scalar():
                return scalar(node, shape, where)
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
            values[shape.bare] = self._value(name, shape.fields[shape.bare].shape, where)
        if body is not None:
            values |= self._fields(body, shape, _below(where, name.text) if name else where)
        made = shape.cls(**values)
        check = self._checks.get(shape.cls)
        if check and (not where or len(self._problems) == problems_before):
            self._problems.extend(check(made, node))
        return made

    def _fields(self, node: Node, shape: Struct, where: str) -> dict[str, Any]:
        if not isinstance(node, MappingNode):
            raise _unwanted(node, "a map of keys", where)
        known = {name: field for name, field in shape.fields.items() if not shape.keyed or name != shape.bare}
        values: dict[str, Any] = {name: None for name, field in known.items() if field.required}
        for name in values:
            if name not in node.items and self._complete:
                message = f"{_below(where, name)} is missing: {known[name].doc}"
                self._problems.append(Problem(message, node.place))
        for name, item in node.items.items():
            if name not in known:
                self._problems.append(_unknown(item.key, known, where))
                continue
            try:
                values[name] = self._value(item.value, known[name].shape, _below(where, name))
            except Problem as problem:
                self._problems.append(problem)
        return values

    def _list(self, node: Node, shape: ListOf, where: str) -> tuple[Any, ...]:
        if not isinstance(node, SequenceNode):
            raise _unwanted(node, "a list", where)
        found: dict[Hashable, tuple[Any, Node]] = {}
        for item in node.items:
            try:
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
            raise _unwanted(node, "a map", where)
        found = {}
        for name, item in node.items.items():
            try:
                key = scalar(item.key, shape.key, f"a key of {where}")
            except Problem as problem:
                self._problems.append(problem)
                continue
            try:
                found[key] = self._value(item.value, shape.value, _below(where, name))
            except Problem as problem:
                self._problems.append(problem)
        return found


def _keyed(node: Node, shape: Struct, where: str) -> tuple[ScalarNode, Node]:
    """The key and the value of a map of one."""
    if isinstance(node, MappingNode) and len(node.items) == 1:
        item = next(iter(node.items.values()))
        return item.key, item.value
    others = [name for name in shape.fields if name != shape.bare]
    form = f"a name, or a map of one name: `NAME: {{{others[0]}: …}}`"
    if isinstance(node, MappingNode) and any(name in shape.fields for name in node.items):
        form += ", with the settings indented below the name"
    raise _unwanted(node, form, where)


def _unwanted(node: Node, wanted: str, where: str) -> Problem:
    subject = where or "a config"
    match node:
        case MappingNode():
            got = "a map"
        case SequenceNode():
            got = "a list"
        case ScalarNode(plain=True, text=""):
            return Problem(f"{subject} is empty; leave it out, or give it {wanted}", node.place)
        case ScalarNode():
            got = f'"{shorten(node.text)}"'
    return Problem(f"{subject} wants {wanted}; got {got}", node.place)


def _unknown(key: ScalarNode, known: Mapping[str, Field], where: str) -> Problem:
    message = f'unknown key "{shorten(key.text)}"' + (f" in {where}" if where else "")
    advice = _did_you_mean(key.text, known)
    if not advice:
        inner = [f"{name}.{key.text}" for name, field in known.items() if _has(field.shape, key.text)]
        advice = f'; did you mean "{inner[0]}"?' if inner else f"; it has {', '.join(known)}"
    return Problem(message + advice, key.place)


def _has(shape: Shape, name: str) -> bool:
    return isinstance(shape, Struct) and name in shape.fields


def _below(where: str, name: str) -> str:
    return f"{where}.{shorten(name)}" if where else shorten(name)
