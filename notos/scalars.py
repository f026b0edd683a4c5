"""Scalar nodes into text, numbers and booleans, each checked by its kind; maps and lists are structs.py's matter."""

import re
from collections.abc import Iterable, Iterator

from notos.kinds import NAMES, Number, Text
from notos.shapes import Scalar, either
from notos.yaml_source import Node, Place, Problem, ScalarNode, SequenceNode, shorten

_MAX_DIGITS = 18


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


def _did_you_mean(text: str, known: Iterable[str]) -> str:
    import difflib

    close = difflib.get_close_matches(text, list(known), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


