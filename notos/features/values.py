"""Checks of values against their annotations: what an extension returns is not checked by anybody else."""

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_KINDS = {bool: "True or False", int: "a whole number", str: "a text", type(None): "None"}


def wrong(value: Any, annotation: Any, where: str) -> Iterator[str]:
    """Yield what is wrong with a value of the annotated type; of a dataclass or named tuple, field by field.

    `where` is the name of the value in what is yielded.
    """
    annotation = getattr(annotation, "__supertype__", annotation)  # of a NewType
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return
    if origin in (Union, types.UnionType):
        found = [list(wrong(value, each, where)) for each in arguments]
        if all(found):
            same = [each for each, kind in zip(found, arguments, strict=True) if _is_of(value, kind)]
            yield from same[0] if same else [_unwanted(value, annotation, where)]
    elif origin is tuple:
        if not isinstance(value, tuple) or _names(type(value)):
            yield _unwanted(value, annotation, where)
            return
        items = arguments[:1] * len(value) if len(arguments) == 2 and arguments[1] is ... else arguments
        for number, (each, kind) in enumerate(zip(value, items, strict=False)):
            yield from wrong(each, kind, f"{where}[{number}]")
    elif origin is Mapping:
        if not isinstance(value, Mapping):
            yield _unwanted(value, annotation, where)
            return
        for key, each in value.items():
            yield from wrong(key, arguments[0], f"a key of {where}")
            yield from wrong(each, arguments[1], f"{where}[{key!r}]")
    elif origin is Sequence:
        if isinstance(value, str) or not isinstance(value, Sequence):
            yield _unwanted(value, annotation, where)
            return
        for number, each in enumerate(value):
            yield from wrong(each, arguments[0], f"{where}[{number}]")
    elif origin is Literal:
        if value not in arguments:
            yield _unwanted(value, annotation, where)
    elif origin is Callable or annotation is Callable:
        if not isinstance(value, types.FunctionType) or not value.__qualname__.isidentifier():
            yield f"{where} is {named(value)}, and wants a function of a module, not a method or a lambda"
    elif not _is_of(value, annotation):
        yield _unwanted(value, annotation, where)
    elif names := _names(annotation):
        for name in names:
            yield from wrong(getattr(value, name), _hints(annotation)[name], f"{where}.{name}")


def _names(cls: Any) -> tuple[str, ...]:
    """Return the names of the fields of a dataclass or named tuple; none of other classes."""
    if is_dataclass(cls):
        return tuple(each.name for each in fields(cls))
    return getattr(cls, "_fields", ())


def _is_of(value: Any, kind: Any) -> bool:
    kind = getattr(kind, "__supertype__", kind)
    if kind is int and isinstance(value, bool):
        return False
    return isinstance(value, get_origin(kind) or kind)


def _unwanted(value: Any, annotation: Any, where: str) -> str:
    return f"{where} is {named(value)}, and wants {_wanted(annotation)}"


def named(value: Any) -> str:
    """Return a value as messages show it: as Python writes it, if that is short."""
    text = repr(value)
    return text if len(text) <= 60 and "\n" not in text else f"a {type(value).__name__}"


def _wanted(annotation: Any) -> str:
    annotation = getattr(annotation, "__supertype__", annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_wanted, arguments)))
    if origin is tuple:
        return f"a tuple of {_wanted(arguments[0])}: (…,)"
    if origin is Sequence:
        return f"a list of {_wanted(arguments[0])}"
    if origin is Mapping:
        return "a dict"
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    return _KINDS.get(annotation) or f"a {getattr(annotation, '__name__', annotation)}"


@cache
def _hints(cls: Any) -> dict[str, Any]:
    return get_type_hints(cls)
