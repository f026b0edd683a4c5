"""Values that a config could have in place of a wrong one, in the user's own words where they fit.

The loader itself judges: what is suggested for a key is taken at that key.
"""

import re
from collections.abc import Iterator
from typing import Any

from notos.config import scalars
from notos.config.shapes import Field, ListOf, MapOf, Scalar, Shape, Struct
from notos.config.yaml_source import Item, MappingNode, Node, Problem, ScalarNode, SequenceNode

_LONGEST = 200  # characters of a suggestion; else it is a sample
_PAIR = re.compile(r"\s*[:=]\s*")


def line(node: Node, shape: Shape, where: str, *, item: bool = False) -> str:
    """Return `key: value`, or `- value` for an `item`, of a value that `shape` takes in place of `node`.

    `where` is the path of the keys ("vm.forward"), of which the last is written.
    """
    key: str | int = where.rpartition(".")[2]
    if str(key).isdecimal():
        key = int(key)
    fit = _fitted(node, shape) if _is_short(node) else None
    written = _written(key, fit, item) if fit is not None and not _has_empty(fit) else ""
    return written if written and len(written) <= _LONGEST else _written(key, sample(shape), item)


def _has_empty(value: Any) -> bool:
    """Return True if an empty text is somewhere in `value`: nobody means one."""
    match value:
        case dict():
            return any(_has_empty(each) for pair in value.items() for each in pair)
        case list():
            return any(map(_has_empty, value))
    return isinstance(value, str) and not value


def _is_short(node: Node) -> bool:
    """Return True if a suggestion may hold all of `node`."""
    return len(node.text if isinstance(node, ScalarNode) else node.items) <= _LONGEST


def _written(key: str | int, value: Any, item: bool) -> str:
    if item and not isinstance(value, dict):
        return f"- {_dumped([value]).removeprefix('[').removesuffix(']')}"
    if item:
        return f"- {_dumped(value).removeprefix('{').removesuffix('}')}"
    return _dumped({key: value}).removeprefix("{").removesuffix("}")


def _dumped(value: Any) -> str:
    """Return `value` as YAML on one line: a text of several lines stands in double quotes."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if "\n" in text else None)

    Dumper.add_representer(str, represent)
    options: Any = {"default_flow_style": True, "allow_unicode": True, "sort_keys": False, "width": 10**9}
    text: str = yaml.dump(value, Dumper=Dumper, **options)
    return text.strip()


def sample(shape: Shape) -> Any:
    """Return some value of `shape`, as YAML writes it."""
    match shape:
        case Struct():
            if shape.bare:
                return sample(shape.fields[shape.bare].shape)
            wanted = [each for each in shape.fields.values() if each.required]
            first = wanted or [*shape.fields.values()][:1]
            return {each.name: _sample_field(each) for each in first}
        case ListOf():
            return shape.example or [sample(shape.item)]
        case MapOf():
            return shape.example or {sample(shape.key): sample(shape.value)}
        case Scalar():
            return _sample_scalar(shape)


def _sample_field(field: Field) -> Any:
    """Return a sample of a field: its default, if that is a word or a number."""
    return field.default if isinstance(field.default, str | int) else sample(field.shape)


def _sample_scalar(shape: Scalar) -> Any:
    if shape.example is not None:
        return shape.example
    if shape.words:
        return shape.words[0]
    if shape.text:
        return shape.text.example or "hello"
    if shape.number:
        return shape.number.example or shape.number.minimum or 1
    return True


def _fitted(node: Node, shape: Shape) -> Any:
    """Return the value of `shape` that `node` seems to mean; None if none."""
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
    if len(found) > 1 and isinstance(node, SequenceNode):  # the words of a text that may have several
        words = " ".join(map(str, found))
        return _taken(ScalarNode(node.place, words, plain=False), shape)
    return found[0] if len(found) == 1 else None


def _taken(node: Node, shape: Scalar) -> Any:
    """Return what is written at `node` if `shape` takes it as it is, else None."""
    if not isinstance(node, ScalarNode):
        return None
    try:
        value = scalars.scalar(node, shape, "")
    except Problem:
        return None
    # As it is written, for a path is relative to its config.
    return node.text if isinstance(value, str) else value


def _fitted_list(node: Node, shape: ListOf) -> list[Any] | None:
    match node:
        case ScalarNode():
            whole = _taken(_quoted(node), shape.item) if isinstance(shape.item, Scalar) else None
            found = [whole] if whole is not None else [_fitted(each, shape.item) for each in _words(node)]
        case SequenceNode():
            found = [_fitted(each, shape.item) for each in node.items]
        case MappingNode():
            found = [_fitted_item(item, shape.item) for item in node.items.values()]
    unique = [each for number, each in enumerate(found) if each not in found[:number]]
    return unique if unique and None not in unique else None


def _words(node: ScalarNode) -> Iterator[ScalarNode]:
    """The words of a text that was meant as a list: "a, b", "a b", "- a" or "-a"."""
    for word in re.split(r"[\s,]+", node.text.strip().strip("[]")):
        text = word.removeprefix("-").strip("'\"")
        if text:
            yield ScalarNode(node.place, text, plain=False)


def _fitted_item(item: Item, shape: Shape) -> Any:
    """Return the item that a key and its value mean: the key with its settings, key=value, or the key."""
    key, value = item.key, item.value
    if isinstance(value, MappingNode) and value.items:
        return _fitted(MappingNode(key.place, {key.text: item}), shape)
    if isinstance(value, ScalarNode) and value.text and isinstance(shape, Scalar):
        pair = _taken(ScalarNode(key.place, f"{key.text}={value.text}", plain=True), shape)
        if pair is not None:
            return pair
    return _fitted(key, shape)


def _fitted_map(node: Node, shape: MapOf) -> dict[Any, Any] | None:
    found: dict[Any, Any] = {}
    for key, value in _pairs(node):
        name = _fitted_scalar(key, shape.key)
        fit = _fitted(value, shape.value) if value is not None else _implied(name, shape)
        if name is None or fit is None:
            return None
        found[name] = fit
    return found or None


def _implied(name: Any, shape: MapOf) -> Any:
    """Return the value of a key that was written alone: a port leads to itself."""
    if isinstance(shape.value, Scalar) and shape.value.number and shape.value.number == shape.key.number:
        return name
    return sample(shape.value)


def _pairs(node: Node) -> Iterator[tuple[ScalarNode, Node | None]]:
    """Keys and values in what was meant as a map: a list of maps or of texts such as a:b and a=b."""
    match node:
        case ScalarNode():
            # Where a host's address stands before two ports, as other tools write them, it is left out.
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
        inner = _fitted(node, shape.fields[shape.bare].shape)
        if inner is not None or shape.keyed:
            return inner
    # What exists on this host is meant as a path, and not as the text that it could be as well.
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
            return {each.name: value}
    return None


def _are_names(node: Node, shape: Shape) -> bool:
    """Return True unless an item of the list `node` is a phrase, or would be repaired to be of `shape`.

    A phrase whose first word would do alone is none of `shape`; a public key, which has several words, is.
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
    """Return True for a text of several words, which no name is."""
    return isinstance(node, ScalarNode) and len(node.text.split()) > 1


def _quoted(node: Node) -> Node:
    return ScalarNode(node.place, node.text, plain=False) if isinstance(node, ScalarNode) else node


def _fitted_body(node: MappingNode, shape: Struct) -> Any:
    """Return the struct that a map of its fields means; a keyed one may have its name among them."""
    name: Any = None
    items = dict(node.items)
    if shape.keyed:
        named = items.pop(shape.bare, None)
        alone = [key for key, item in items.items() if _is_empty(item.value) and key not in shape.fields]
        if named is not None:
            name = _fitted(named.value, shape.fields[shape.bare].shape)
        elif len(alone) == 1:
            name = _fitted(items.pop(alone[0]).key, shape.fields[shape.bare].shape)
        elif len(items) == 1 and isinstance((only := next(iter(items.values()))).value, MappingNode):
            body = _fitted_body(only.value, shape.body)
            return None if body is None else {only.key.text: body}
        if name is None:
            return None
    found = {}
    for key, item in items.items():
        field = shape.fields.get(key)
        value = _fitted(item.value, field.shape) if field else None
        if value is None:
            return None
        found[key] = value
    if shape.keyed:
        return {name: found} if found else name
    return found
