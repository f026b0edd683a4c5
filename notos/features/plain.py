"""Frozen values as plain JSON, as the graph saves and compares them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import FunctionType
from typing import Any

Plain = None | bool | int | str | list["Plain"] | dict[str, "Plain"]


def refused(value: Any) -> Plain:
    """Raise TypeError for a value that has no plain form."""
    raise TypeError(f"{value!r} has no plain form")


def of(value: Any, other: Callable[[Any], Plain] = refused) -> Plain:
    """Return `value` as JSON. A dataclass or named tuple becomes an object, a function of a module its name.

    `other` converts values, at any depth, that have no such form, as a function in a function. Raises
    TypeError by default.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: of(getattr(value, each.name), other) for each in fields(value)}
    if hasattr(value, "_asdict"):  # a named tuple
        return of(value._asdict(), other)
    if isinstance(value, Mapping):
        made = {str(key): of(each, other) for key, each in value.items()}
        return made if len(made) == len(value) else other(value)  # 1 and "1" would be one key
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [of(each, other) for each in value]
    if isinstance(value, FunctionType) and value.__qualname__.isidentifier():
        return f"{value.__module__}.{value.__qualname__}"
    return other(value)
