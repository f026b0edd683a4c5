"""Messages that suggest a valid value in place of an invalid one, in the user's own words if possible."""

from typing import Any

from notos.config import samples
from notos.config.fitting import fitted
from notos.config.shapes import Shape
from notos.config.yaml_source import KeyPath, MappingNode, Node, Problem, ScalarNode, SequenceNode, shorten

_LONGEST = 200  # characters of a suggestion; a sample replaces a longer one


def unwanted(node: Node, shape: Shape, wanted: str, key_path: str, *, item: bool = False) -> Problem:
    """Return the problem for a value of another kind than `shape`, with an example of a valid one.

    `wanted` is the valid kind in words and `key_path` the path of the keys; an `item` is in that key's list.
    """
    subject = key_path or "a config"
    match node:
        case MappingNode():
            got = "a map"
        case SequenceNode():
            got = "a list"
        case ScalarNode():
            got = f'"{shorten(node.text)}"'
    write = line(node, shape, key_path, item=item)
    if isinstance(node, ScalarNode) and node.plain and not node.text:
        return Problem(f"{subject} is empty; leave it out, or give it {wanted}: {write}", node.place)
    return Problem(f"{subject} must be {wanted}; got {got}; write {write}", node.place)


def line(node: Node, shape: Shape, key_path: str, *, item: bool = False) -> str:
    """Return `key: value`, or `- value` for an `item`, with a valid value of `shape` in place of `node`.

    `key_path` is the path of the keys ("vm.forward"); only the last key is written.
    """
    key: str | int = key_path.last if isinstance(key_path, KeyPath) else key_path.rpartition(".")[2]
    if str(key).isdecimal():
        key = int(key)
    fit = fitted(node, shape) if _is_short(node) else None
    written = _written(key, fit, item) if fit is not None and not _has_empty(fit) else ""
    return written if written and len(written) <= _LONGEST else _written(key, samples.sample(shape), item)


def _has_empty(value: Any) -> bool:
    """Return True if `value` contains an empty text, which is never a useful suggestion."""
    match value:
        case dict():
            return any(_has_empty(each) for pair in value.items() for each in pair)
        case list():
            return any(map(_has_empty, value))
    return isinstance(value, str) and not value


def _is_short(node: Node) -> bool:
    """Return True if `node` is short enough for a suggestion to contain all of it."""
    return len(node.text if isinstance(node, ScalarNode) else node.items) <= _LONGEST


def _written(key: str | int, value: Any, item: bool) -> str:
    if item and not isinstance(value, dict):
        return f"- {_dumped([value]).removeprefix('[').removesuffix(']')}"
    if item:
        return f"- {_dumped(value).removeprefix('{').removesuffix('}')}"
    return _dumped({key: value}).removeprefix("{").removesuffix("}")


def _dumped(value: Any) -> str:
    """Return `value` as YAML on one line; a text of several lines is in double quotes."""
    from notos.pyyaml import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, _data: Any) -> bool:
            return True

    def represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if "\n" in text else None)

    Dumper.add_representer(str, represent)
    options: Any = {"default_flow_style": True, "allow_unicode": True, "sort_keys": False, "width": 10**9}
    text: str = yaml.dump(value, Dumper=Dumper, **options)
    return text.strip()
