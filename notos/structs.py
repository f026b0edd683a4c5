"""Dataclasses whose definition compiles no code: the decorator `dataclass` for what every command imports.

dataclasses.dataclass compiles up to six functions for each class, which takes 0.5 to 1 ms. Here all classes
share the functions below, and a class takes 0.1 ms. Creating an instance by position takes twice as long.

In all else the classes are dataclasses: fields, replace, asdict and is_dataclass work (Python documentation,
"dataclasses"). A class that inherits a dataclass is compiled. __post_init__ and fields with options (init,
repr, compare, hash) are refused.
"""

import dataclasses
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, kw_only=False, slots=False, eq=True):
        """Define a dataclass, like dataclasses.dataclass with these parameters.

        Raises TypeError for a class that is not supported.
        """

        def define(cls):
            if any(map(dataclasses.is_dataclass, cls.__bases__)):
                return dataclasses.dataclass(frozen=frozen, kw_only=kw_only, slots=slots, eq=eq)(cls)
            made = dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=kw_only, slots=slots)(cls)
            methods = {"__init__": _initializer(made, slots=slots), "__repr__": _text}
            if eq:
                methods.update(_comparison(made, frozen=frozen))
            if frozen:
                made.__dataclass_params__.frozen = True  # frozen subclasses may inherit it
                methods.update(__setattr__=_refuse_assignment, __delattr__=_refuse_deletion)
            if slots:
                methods["__setstate__"] = _restore
            for name, method in methods.items():
                if name not in cls.__dict__:
                    setattr(made, name, method)
            return made

        return define if cls is None else define(cls)


__all__ = ["dataclass"]

_assign = object.__setattr__  # also for frozen classes


def _initializer(cls: Any, *, slots: bool) -> Callable[..., None]:
    """Return __init__ of a class. Raises TypeError for a class that it does not support."""
    fields = dataclasses.fields(cls)
    if hasattr(cls, "__post_init__"):
        raise TypeError(f"{cls.__qualname__} has __post_init__; use dataclasses.dataclass")
    for each in fields:
        if not (each.init and each.repr and each.compare and each.hash is None):
            raise TypeError(f"{cls.__qualname__}.{each.name} has options; use dataclasses.dataclass")
    positional = tuple(each.name for each in fields if not each.kw_only)
    defaults = {each.name: each.default for each in fields}  # in the order of the fields, as vars() has them
    factories: dict[str, Any] = {
        each.name: each.default_factory for each in fields if each.default_factory is not dataclasses.MISSING
    }
    required = [each.name for each in fields if each.default is each.default_factory]  # both are MISSING

    def fill(self: Any, *arguments: Any, **named: Any) -> None:
        if arguments:
            named = _by_name(cls, positional, arguments, named)
        values = {**defaults, **named}
        for name in required:
            if name not in named:
                raise TypeError(f"{cls.__qualname__}() lacks the argument {name!r}")
        for name, factory in factories.items():
            if name not in named:
                values[name] = factory()
        if len(values) > len(defaults):
            raise TypeError(f"{cls.__qualname__}() has no argument {next(reversed(values))!r}")
        if slots:
            for name, value in values.items():
                _assign(self, name, value)
        else:
            self.__dict__.update(values)

    return fill


def _by_name(
    cls: Any, positional: tuple[str, ...], arguments: tuple[Any, ...], named: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all arguments of a call by name. Raises TypeError if there are too many."""
    if len(arguments) > len(positional):
        raise TypeError(f"{cls.__qualname__}() has only {len(positional)} positional arguments")
    values = dict(zip(positional, arguments, strict=False))
    if twice := values.keys() & named:
        raise TypeError(f"{cls.__qualname__}() has the argument {min(twice)!r} twice")
    values.update(named)
    return values


def _comparison(cls: Any, *, frozen: bool) -> dict[str, Any]:
    """Return __eq__ and __hash__ of a class, which compare the values of all fields."""
    names = [each.name for each in dataclasses.fields(cls)]
    values: Callable[[Any], Any] = attrgetter(*names) if names else lambda _: ()

    def equal(self: Any, other: Any) -> Any:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: Any) -> int:
        return hash(values(self))

    return {"__eq__": equal, "__hash__": hashed if frozen else None}


def _text(self: Any) -> str:
    values = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in dataclasses.fields(self))
    return f"{self.__class__.__qualname__}({values})"


def _refuse_assignment(_self: Any, name: str, _value: Any) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deletion(_self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _restore(self: Any, state: tuple[None, Mapping[str, Any]]) -> None:
    """Set the values of a copied or unpickled instance with slots."""
    for name, value in state[1].items():
        _assign(self, name, value)
