"""The value that a node of a wrong kind probably means: `a, b` for a list, a list of `a: b` for a map.

Each value passes the checks of scalars.py, so it is valid at the key that it is suggested for.
"""

import re
from collections.abc import Iterator
from typing import Any

from notos.config import samples, scalars
from notos.config.shapes import ListOf, MapOf, Scalar, Shape, Struct
from notos.config.yaml_source import Item, MappingNode, Node, Problem, ScalarNode, SequenceNode

_PAIR = re.compile(r"\s*[:=]\s*")


def fitted(node: Node, shape: Shape) -> Any:
    """Return the value of `shape` that `node` probably means, or None."""
    match shape:
        case Scalar():
            return _fitted_scalar(node, shape)
        case ListOf():
            return _fitted_list(node, shape)
        case MapOf():
            return _fitted_map(node, shape)
        case Struct():
            return _fitted_struct(node, shape)


def _fitted_scalar(node: Node, shape: Scalar) -> Any:
    match node:
        case ScalarNode():
            found = _taken(node, shape)
            return found if found is not None else scalars.repaired(node, shape)
        case SequenceNode():
            inner = list(node.items)
        case MappingNode():
            inner = [each.value for each in node.items.values()]
    found = [value for value in (_taken(each, shape) for each in inner) if value is not None]
    if len(found) > 1 and isinstance(node, SequenceNode):  # a text of several words, written as a list
        words = " ".join(map(str, found))
        return _taken(ScalarNode(node.place, words, plain=False), shape)
    return found[0] if len(found) == 1 else None


def _taken(node: Node, shape: Scalar) -> Any:
    """Return the value written at `node` if it is valid for `shape`, else None."""
    if not isinstance(node, ScalarNode):
        return None
    try:
        value = scalars.scalar(node, shape, "")
    except Problem:
        return None
    # The text as written: the value of a path would be absolute.
    return node.text if isinstance(value, str) else value


def _fitted_list(node: Node, shape: ListOf) -> list[Any] | None:
    match node:
        case ScalarNode():
            whole = _taken(_quoted(node), shape.item) if isinstance(shape.item, Scalar) else None
            found = [whole] if whole is not None else [fitted(each, shape.item) for each in _words(node)]
        case SequenceNode():
            found = [fitted(each, shape.item) for each in node.items]
        case MappingNode():
            found = [_fitted_item(item, shape.item) for item in node.items.values()]
    unique = [each for number, each in enumerate(found) if each not in found[:number]]
    return unique if unique and None not in unique else None


def _words(node: ScalarNode) -> Iterator[ScalarNode]:
    """Yield the words of a text that was meant as a list: "a, b", "a b", "- a" or "-a"."""
    for word in re.split(r"[\s,]+", node.text.strip().strip("[]")):
        text = word.removeprefix("-").strip("'\"")
        if text:
            yield ScalarNode(node.place, text, plain=False)


def _fitted_item(item: Item, shape: Shape) -> Any:
    """Return the list item that a key with a value means: key: {settings}, key=value, or the key."""
    key, value = item.key, item.value
    if isinstance(value, MappingNode) and value.items:
        return fitted(MappingNode(key.place, {key.text: item}), shape)
    if isinstance(value, ScalarNode) and value.text and isinstance(shape, Scalar):
        pair = _taken(ScalarNode(key.place, f"{key.text}={value.text}", plain=True), shape)
        if pair is not None:
            return pair
    return fitted(key, shape)


def _fitted_map(node: Node, shape: MapOf) -> dict[Any, Any] | None:
    found: dict[Any, Any] = {}
    for key, value in _pairs(node):
        name = _fitted_scalar(key, shape.key)
        fit = fitted(value, shape.value) if value is not None else _implied(name, shape)
        if name is None or fit is None:
            return None
        found[name] = fit
    return found or None


def _implied(name: Any, shape: MapOf) -> Any:
    """Return the value for a key that was written without one: a port maps to itself."""
    if isinstance(shape.value, Scalar) and shape.value.number and shape.value.number == shape.key.number:
        return name
    return samples.sample(shape.value)


def _pairs(node: Node) -> Iterator[tuple[ScalarNode, Node | None]]:
    """Yield the keys and values of a node meant as a map: a list of maps or of texts such as a:b and a=b."""
    match node:
        case ScalarNode():
            # ADDRESS:PORT:PORT is the form of other tools: leave the address out.
            parts = _PAIR.split(node.text.partition("/")[0] if ":" in node.text else node.text)
            if len(parts) == 3:
                parts = parts[1:]
            elif len(parts) > 2:
                parts = [parts[0], node.text[len(parts[0]) + 1 :].strip()]
            words = [ScalarNode(node.place, each, plain=True) for each in parts]
            yield words[0], words[1] if len(words) > 1 else None
        case SequenceNode():
            for each in node.items:
                named = each.items.get("name") if isinstance(each, MappingNode) else None
                if named is not None and isinstance(named.value, ScalarNode):
                    assert isinstance(each, MappingNode)
                    rest = {name: item for name, item in each.items.items() if name != "name"}
                    yield named.value, MappingNode(each.place, rest)
                else:
                    yield from _pairs(each)
        case MappingNode():
            for item in node.items.values():
                if _is_empty(item.value):
                    yield from _pairs(item.key)
                else:
                    yield item.key, item.value


def _is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.plain and not node.text


def _fitted_struct(node: Node, shape: Struct) -> Any:
    if isinstance(node, MappingNode):
        return _fitted_body(node, shape)
    if _is_empty(node):
        return None
    if shape.bare:
        inner = fitted(node, shape.fields[shape.bare].shape)
        if inner is not None or shape.keyed:
            return inner
    if shape.rest:
        return None
    # A text that is an existing path on this host is meant as a path: try path fields first.
    fields = [each for each in shape.fields.values() if isinstance(each.shape, Scalar | ListOf)]
    if isinstance(node, SequenceNode) and len(node.items) == 1 and _is_phrase(node.items[0]):
        node = node.items[0]
    value: Any = None
    for each in sorted(fields, key=lambda each: not _is_path(each.shape)):
        if isinstance(each.shape, Scalar):
            value = _taken(node, each.shape)
            if value is None:
                value = _taken(_quoted(node), each.shape)
        elif isinstance(each.shape, ListOf) and _are_names(node, each.shape.item):
            value = _fitted_list(node, each.shape)
        if value is not None:
            others = (other for other in shape.fields.values() if other.required and other is not each)
            return {**{other.name: samples.sample(other.shape) for other in others}, each.name: value}
    return None


def _are_names(node: Node, shape: Shape) -> bool:
    """Return True unless an item of the list `node` is a phrase, or invalid for `shape` without a repair.

    A text of several words is a phrase if its first word alone is valid; a public key is none.
    """
    if isinstance(shape, Struct) and shape.bare:
        shape = shape.fields[shape.bare].shape
    if not isinstance(node, SequenceNode) or not isinstance(shape, Scalar):
        return True
    return all(_is_name(each, shape) for each in node.items if isinstance(each, ScalarNode))


def _is_name(node: ScalarNode, shape: Scalar) -> bool:
    first = ScalarNode(node.place, node.text.partition(" ")[0], plain=False)
    return _taken(node, shape) is not None and (not _is_phrase(node) or _taken(first, shape) is None)


def _is_path(shape: Shape) -> bool:
    return isinstance(shape, Scalar) and shape.text is not None and shape.text.on_host


def _is_phrase(node: Node) -> bool:
    """Return True for a text of several words, which cannot be a name."""
    return isinstance(node, ScalarNode) and len(node.text.split()) > 1


def _quoted(node: Node) -> Node:
    return ScalarNode(node.place, node.text, plain=False) if isinstance(node, ScalarNode) else node


def _fitted_body(node: MappingNode, shape: Struct) -> Any:
    """Return the struct that a map of its fields means; a keyed one may have its name as one of the keys."""
    name: Any = None
    items = dict(node.items)
    if shape.keyed:
        named = items.pop(shape.bare, None)
        alone = [key for key, item in items.items() if _is_empty(item.value) and key not in shape.fields]
        if named is not None:
            name = fitted(named.value, shape.fields[shape.bare].shape)
        elif len(alone) == 1:
            name = fitted(items.pop(alone[0]).key, shape.fields[shape.bare].shape)
        elif len(items) == 1 and isinstance((only := next(iter(items.values()))).value, MappingNode):
            body = _fitted_body(only.value, shape.body)
            return None if body is None else {only.key.text: body}
        if name is None:
            return None
    found = {}
    for key, item in items.items():
        field = shape.fields.get(key)
        inner = field.shape if field else shape.entries.value if shape.rest else None
        value = fitted(item.value, inner) if inner else None
        if value is None:
            return None
        found[key] = value
    if shape.keyed:
        return {name: found} if found else name
    return found
