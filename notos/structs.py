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


def scalar(node: Node, shape: Scalar, where: str) -> str | int | bool:
    """The value of a scalar node. Raises Problem."""
    if not isinstance(node, ScalarNode):
        raise _unwanted(node, shape.wanted, where)
    if node.text in shape.words:
        return node.text
    if shape.boolean and node.plain and node.text in ("true", "false"):
        return node.text == "true"
    if shape.number and node.plain and _is_decimal(node.text):
        return _number(node, shape.number, where)
    if node.plain and not node.text:
        raise Problem(f"{where} is empty; leave it out, or give it {shape.wanted}", node.place)
    if shape.text:
        return _text(node, shape, shape.text, where)
    if shape.boolean:
        raise _not_boolean(node, shape, where)
    if shape.number:
        raise _not_number(node, shape, where)
    advice = _did_you_mean(node.text, shape.words)
    raise Problem(f'{where} wants {shape.wanted}; got "{shorten(node.text)}"{advice}', node.place)


def _text(node: ScalarNode, shape: Scalar, kind: Text, where: str) -> str:
    import re

    got = shorten(node.text)
    if kind.pattern and not re.fullmatch(kind.pattern, node.text):
        advice = _did_you_mean(node.text, shape.words)
        if not advice and kind.example:
            advice = f", not {kind.example}" if kind.example == got else f"; an example is {kind.example}"
        raise Problem(f'{where} wants {shape.wanted}; got "{got}"{advice}', node.place)
    if meaning := node.meaning:
        if meaning == "a boolean" and shape.boolean:
            raise _not_boolean(node, shape, where)
        name = either([*shape.words, kind.name])
        message = f'{where} wants {name}, but {got} without quotes is {meaning} in YAML; write "{got}"'
        raise Problem(message, node.place)
    if kind.convert is None:
        return node.text
    try:
        return kind.convert(node.text, node.place.source.path.parent)
    except (ValueError, OSError) as error:
        raise Problem(f"{where}: {error}", node.place) from None


def _is_decimal(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdecimal() and (digits == "0" or not digits.startswith("0"))


def _number(node: ScalarNode, kind: Number, where: str) -> int:
    value = int(node.text) if len(node.text) <= _MAX_DIGITS else None
    low, high = kind.minimum, kind.maximum
    if value is None or (low is not None and value < low) or (high is not None and value > high):
        form = kind.form or f"at most {_MAX_DIGITS} digits"
        raise Problem(f"{where} wants {kind.name}, {form}; got {shorten(node.text)}", node.place)
    return value


def _not_number(node: ScalarNode, shape: Scalar, where: str) -> Problem:
    got = shorten(node.text)
    if not node.plain and _is_decimal(node.text):
        advice = "; leave the quotes out"
    elif node.plain and ":" in got:
        advice = "; write a space after the colon" if node.meaning == "a number" else ""
    elif node.meaning == "a number":
        advice = "; write it in plain decimal digits, without leading zeros"
    else:
        advice = ""
    shown = got if node.plain else f'"{got}"'
    return Problem(f"{where} wants {shape.wanted}; got {shown}{advice}", node.place)


def _not_boolean(node: ScalarNode, shape: Scalar, where: str) -> Problem:
    got, lower = shorten(node.text), node.text.lower()
    meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(lower, lower)
    if meant not in ("true", "false"):
        advice = ""
    elif shape.text:
        advice = f'; write {meant}, or "{got}" for the text'
    else:
        advice = f"; write {meant}" + ("" if node.plain else ", without quotes")
    return Problem(f"{where} wants {shape.wanted}; got {got}{advice}", node.place)


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


def _did_you_mean(text: str, known: Iterable[str]) -> str:
    import difflib

    close = difflib.get_close_matches(text, list(known), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def _below(where: str, name: str) -> str:
    return f"{where}.{shorten(name)}" if where else shorten(name)
