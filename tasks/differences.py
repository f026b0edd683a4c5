"""Differences between two values of a config, in lines by its keys: `system.packages: added python3`."""

import json
from collections.abc import Mapping
from typing import Any

_LONGEST = 40  # characters of a value that a line shows


def lines(key: str, then: Any, now: Any) -> list[str]:
    """Return the differences between two JSON values of `key`, before and now; None is a missing value."""
    if json.dumps(then) == json.dumps(now):
        return []
    if then is None or now is None:
        word, value = ("added", now) if then is None else ("removed", then)
        shown = _shown(value)
        return [f"{key}: {word} ({shown})" if shown else f"{key}: {word}"]
    if _are_named(then) and _are_named(now):
        then, now = ({each["name"]: _rest(each) for each in side} for side in (then, now))
        return _of_maps(key, then, now, named=True)
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        return _of_maps(key, then, now)
    if isinstance(then, list) and isinstance(now, list):
        return _of_lists(key, then, now)
    before, after = _shown(then), _shown(now)
    return [f"{key}: {before} -> {after}" if before and after else f"{key}: changed"]


def _of_maps(key: str, then: Mapping[str, Any], now: Mapping[str, Any], *, named: bool = False) -> list[str]:
    if named:
        said = _of_lists(key, [each for each in then if each not in now], [n for n in now if n not in then])
        both = [each for each in now if each in then]
    else:
        said, both = [], list({**then, **now})
    for each in both:
        said += lines(f"{key}.{each}" if key else each, then.get(each), now.get(each))
    return said or [f"{key}: order changed"]


def _of_lists(key: str, then: list[Any], now: list[Any]) -> list[str]:
    changes = [
        *(f"added {_shown(each) or 'a long one'}" for each in now if each not in then),
        *(f"removed {_shown(each) or 'a long one'}" for each in then if each not in now),
    ]
    if not changes and not then and not now:
        return []
    return [f"{key}: {', '.join(changes)}" if changes else f"{key}: order changed"]


def _are_named(value: Any) -> bool:
    """Return True for a list of structs that names identify, such as packages."""
    return isinstance(value, list) and all(isinstance(each, Mapping) and "name" in each for each in value)


def _rest(struct: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in struct.items() if name != "name"}


def _shown(value: Any) -> str:
    """Return the short form of a value, "" if it is too long for a line."""
    if isinstance(value, Mapping):
        shown = ", ".join(f"{name}: {_shown(each)}" for name, each in value.items() if each not in (None, []))
    elif isinstance(value, list):
        shown = ", ".join(map(_shown, value)) or "[]"
    elif isinstance(value, str):
        shown = value or '""'
    else:
        shown = json.dumps(value)
    return shown if len(shown) <= _LONGEST and "\n" not in shown else ""
