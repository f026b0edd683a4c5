"""Frozen values as plain JSON, in one form for equal values: what the graph saves and compares."""

from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any

Plain = None | bool | int | str | list["Plain"] | dict[str, "Plain"]


def of(value: Any) -> Plain:
    """Return `value` as JSON. A dataclass or named tuple becomes an object, a function of a module its name.

    Raises TypeError for a value that has no such form, as a function inside of another.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if names := getattr(value, "_fields", None) or getattr(value, "__dataclass_fields__", None):
        return {name: of(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): of(value[key]) for key in sorted(value)}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [of(each) for each in value]
    if isinstance(value, FunctionType) and value.__qualname__.isidentifier():
        return f"{value.__module__}.{value.__qualname__}"
    raise TypeError(f"{value!r} has no plain form")
