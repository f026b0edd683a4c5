"""Conversion of scalar nodes into text, numbers and booleans, each checked against its type.

reader.py converts maps and lists.
"""

import re
from collections.abc import Iterable, Iterator

from notos.config.shapes import Scalar, either
from notos.config.types import Number, Text
from notos.config.yaml_source import Problem, ScalarNode, shorten

_MAX_DIGITS = 18
_NUMBER_WITH_UNIT = re.compile(r"([0-9]+) ?([kKmMgGtT])(?:i?[bB])?")
_MIB = {"k": 1 / 1024, "m": 1, "g": 1024, "t": 1024 * 1024}


def scalar(node: ScalarNode, shape: Scalar, key_path: str, *, item: bool = False) -> str | int | bool:
    """Return the value of a scalar node, which may be an `item` of the list at `key_path`. Raises Problem."""
    if node.text in shape.words:
        return node.text
    if shape.boolean and node.plain and node.text in ("true", "false"):
        return node.text == "true"
    if shape.number and node.plain and _is_decimal(node.text):
        return _number(node, shape.number, key_path)
    if node.plain and not node.text:
        raise Problem(f"{key_path} is empty; leave it out, or give it {shape.wanted}", node.place)
    if shape.text:
        return _text(node, shape, shape.text, key_path, item=item)
    if shape.boolean:
        raise _not_boolean(node, shape, key_path)
    if shape.number:
        raise _not_number(node, shape, key_path)
    advice = did_you_mean(node.text, shape.words)
    raise Problem(f'{key_path} must be {shape.wanted}; got "{shorten(node.text)}"{advice}', node.place)


def _text(node: ScalarNode, shape: Scalar, kind: Text, key_path: str, *, item: bool) -> str:
    got = shorten(node.text)
    if kind.pattern and not re.fullmatch(kind.pattern, node.text):
        advice = did_you_mean(node.text, (*shape.words, *kind.words))
        words = node.text.replace(",", " ").split()
        several = len(words) > 1 and all(re.fullmatch(kind.pattern, each) for each in words)
        meant = None if advice or (item and several) else repaired(node, shape)
        example = shape.example if isinstance(shape.example, str) else kind.example
        if not advice and item and several:
            advice = f"; write each by itself: {shorten(', '.join(words))}"
        elif meant is not None:
            quote = '"' if ScalarNode(node.place, str(meant), plain=True).meaning else ""
            advice = f"; write {quote}{meant}{quote}" + (
                "; versions are in the lock" if _has_version(node) else ""
            )
        elif not advice and example:
            advice = f", not {example}" if example == got else f"; an example is {example}"
        raise Problem(f'{key_path} must be {shape.wanted}; got "{got}"{advice}', node.place)
    if meaning := node.meaning:
        if meaning == "a boolean" and shape.boolean:
            raise _not_boolean(node, shape, key_path)
        name = either([*shape.words, kind.name])
        message = f'{key_path} must be {name}, but {got} without quotes is {meaning} in YAML; write "{got}"'
        raise Problem(message, node.place)
    if kind.convert is None:
        return node.text
    try:
        return kind.convert(node.text, node.place.source.path.parent)
    except ValueError as error:
        raise Problem(f"{key_path}: {error}", node.place) from None
    except OSError as error:
        message = f"{key_path}: cannot read {error.filename or node.text}: {error.strerror}"
        raise Problem(message, node.place) from None


def _is_decimal(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdecimal() and (digits == "0" or not digits.startswith("0"))


def _number(node: ScalarNode, kind: Number, key_path: str) -> int:
    if not _within(node.text, kind):
        form = kind.form or f"at most {_MAX_DIGITS} digits"
        raise Problem(f"{key_path} must be {kind.name}, {form}; got {shorten(node.text)}", node.place)
    return int(node.text)


def _within(text: str, kind: Number) -> bool:
    """Return True if the decimal number `text` is within the bounds of `kind`."""
    if len(text) > _MAX_DIGITS:
        return False
    low, high = kind.minimum, kind.maximum
    return (low is None or int(text) >= low) and (high is None or int(text) <= high)


def repaired(node: ScalarNode, shape: Scalar) -> str | int | bool | None:
    """Return the value of `shape` that the text of `node` probably means, or None."""
    for text in _repairs(node.text.strip(), shape):
        if shape.number is not None and _within(text, shape.number):
            return int(text)
        if shape.text is not None and re.fullmatch(shape.text.pattern, text):
            return text
    return None


def _repairs(text: str, shape: Scalar) -> Iterator[str]:
    """Yield corrected spellings of `text`: forms of other tools and common habits in the form used here."""
    sized = _NUMBER_WITH_UNIT.fullmatch(text)
    if shape.number is not None:
        if sized:
            yield str(int(int(sized[1]) * _MIB[sized[2].lower()]))
        return
    kind = shape.text
    if kind is None or not kind.pattern or kind.on_host:
        return
    yield text
    yield text.removeprefix("CONFIG_")
    yield re.sub(r"\.ko(?:\.[a-z]+)?$", "", text)
    yield re.sub(r"^0o", "0", text)
    yield text.lower()
    if sized:
        yield sized[1] + sized[2].upper()
    yield from _addresses(text)
    if "://" not in text and re.fullmatch(r"[\w.-]+\.[\w.-]+(?:/.*)?", text):
        yield f"http://{text}"
    if "hyphens" in kind.form or kind.name == "a package's name":
        yield text.lower().replace("_", "-")
    if kind.name in ("a host's name", "a machine's name", "a service's name"):
        yield re.sub(r"[ _]+", "-", text.lower())
        yield text.lower().partition(".")[0]
    if kind.name == "a package's name" and "://" not in text:
        yield re.split(r"[=:(<> ]", text.lower())[0]
        return  # the rest of a path is not a package
    if kind.name == "an absolute path":
        yield re.sub("/+", "/", f"/{text.removeprefix('./')}").rstrip("/")
        return
    for prefix in ("/etc/", "etc/", "/", "./"):
        yield text.removeprefix(prefix).rstrip("/")


def _addresses(text: str) -> Iterator[str]:
    """Yield an IPv4 address with and without its prefix length; nothing for any other text."""
    import ipaddress

    try:
        found = ipaddress.IPv4Interface(text)
    except ValueError:
        return
    yield str(found.ip)
    yield found.with_prefixlen if "/" in text else f"{found.ip}/24"


def _has_version(node: ScalarNode) -> bool:
    return re.search(r"[=<>]", node.text) is not None


def _not_number(node: ScalarNode, shape: Scalar, key_path: str) -> Problem:
    got = shorten(node.text)
    if not node.plain and _is_decimal(node.text):
        advice = "; leave the quotes out"
    elif (meant := repaired(node, shape)) is not None:
        advice = f"; write {meant}"
    elif node.plain and ":" in got:
        advice = "; write a space after the colon" if node.meaning == "a number" else ""
    elif node.meaning == "a number":
        advice = "; write it in plain decimal digits, without leading zeros"
    else:
        advice = ""
    shown = got if node.plain else f'"{got}"'
    return Problem(f"{key_path} must be {shape.wanted}; got {shown}{advice}", node.place)


def _not_boolean(node: ScalarNode, shape: Scalar, key_path: str) -> Problem:
    got, lower = shorten(node.text), node.text.lower()
    meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(lower, lower)
    if meant not in ("true", "false"):
        advice = ""
    elif shape.text:
        advice = f'; write {meant}, or "{got}" for the text'
    else:
        advice = f"; write {meant}" + ("" if node.plain else ", without quotes")
    return Problem(f"{key_path} must be {shape.wanted}; got {got}{advice}", node.place)


def did_you_mean(text: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """Return advice that names the most similar text in `known`, ignoring case; "" if none is similar.

    `cutoff` is the least similarity, from 0 to 1. The default suits few known words; many need a higher one.
    """
    import difflib

    names = {each.lower(): each for each in known}
    close = difflib.get_close_matches(text.lower(), list(names), n=1, cutoff=cutoff)
    return f'; did you mean "{names[close[0]]}"?' if close else ""
