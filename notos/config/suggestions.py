"""Messages that show a right value in place of a wrong one, in the user's own words where they fit."""

from typing import Any

from notos.config import samples
from notos.config.fitting import fitted
from notos.config.shapes import Shape
from notos.config.yaml_source import MappingNode, Node, Problem, ScalarNode, SequenceNode, shorten

_LONGEST = 200  # characters of a suggestion; else it is a sample


def unwanted(node: Node, shape: Shape, wanted: str, where: str, *, item: bool = False) -> Problem:
    """Return the problem of a value of another kind than `shape`, with an example of one that it takes.

    `wanted` is the kind in words, `where` the path of the keys; `item`: the value is one of that key's list.
    """
    subject = where or "a config"
    match node:
        case MappingNode():
            got = "a map"
        case SequenceNode():
            got = "a list"
        case ScalarNode():
            got = f'"{shorten(node.text)}"'
    write = line(node, shape, where, item=item)
    if isinstance(node, ScalarNode) and node.plain and not node.text:
        return Problem(f"{subject} is empty; leave it out, or give it {wanted}: {write}", node.place)
    return Problem(f"{subject} wants {wanted}; got {got}; write {write}", node.place)


def line(node: Node, shape: Shape, where: str, *, item: bool = False) -> str:
    """Return `key: value`, or `- value` for an `item`, of a value that `shape` takes in place of `node`.

    `where` is the path of the keys ("vm.forward"), of which the last is written.
    """
    key: str | int = where.rpartition(".")[2]
    if str(key).isdecimal():
        key = int(key)
    fit = fitted(node, shape) if _is_short(node) else None
    written = _written(key, fit, item) if fit is not None and not _has_empty(fit) else ""
    return written if written and len(written) <= _LONGEST else _written(key, samples.sample(shape), item)


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
