"""The shapes of machine.py's structs, found from their annotations; it reads no YAML and writes no schema.

Shape   Struct   fields by name
        ListOf   tuple[item, ...]
        MapOf    Mapping[key, value]
        Scalar   words (Literal), a type of text, a type of number, a boolean, or several of these

All but a struct may have an example, as YAML writes it.
"""

import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from notos.config.types import NUMBERS, TEXTS, Number, Text


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value: what it can be."""

    words: tuple[str, ...] = ()
    text: Text | None = None
    number: Number | None = None
    boolean: bool = False
    example: Any = None

    @property
    def wanted(self) -> str:
        """What it can be, in words for an error."""
        kinds = [*self.words]
        kinds += [f"{kind.name} ({kind.form})" if kind.form else kind.name for kind in self._kinds()]
        if self.boolean:
            kinds.append("true or false")
        return either(kinds)

    @property
    def title(self) -> str:
        """The same in few words, for a table."""
        kinds = [f"`{word}`" for word in self.words]
        for kind in self._kinds():
            bounds = (
                f", {kind.form}"
                if isinstance(kind, Number) and kind.name == Number.name and kind.form
                else ""
            )
            kinds.append(kind.name + bounds)
        if self.boolean:
            kinds.append("`true` or `false`")
        return either(kinds)

    def _kinds(self) -> list[Text | Number]:
        return [kind for kind in (self.text, self.number) if kind is not None]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list; an item is not repeated."""

    item: "Shape"
    example: Any = None


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map whose keys the user chooses."""

    key: Scalar
    value: "Shape"
    example: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A field of a struct; `default` is MISSING when the config has to say it."""

    name: str
    doc: str
    shape: "Shape"
    default: Any

    @property
    def required(self) -> bool:
        """Whether the config has to say it."""
        return self.default is MISSING


@dataclass(frozen=True, slots=True, eq=False)
class Struct:
    """A map whose keys are fields.

    `bare` names the field that a bare word stands for. If the struct is `keyed`, that field is never
    written as a key: a map of one holds it as its key, and the other fields below. An `open` struct has keys
    that are not known here, and no fields.
    """

    cls: type
    fields: Mapping[str, Field]
    bare: str
    keyed: bool
    open: bool = False

    @property
    def body(self) -> "Struct":
        """The same without the bare field: what stands below the key of a keyed one."""
        return Struct(
            self.cls, {n: each for n, each in self.fields.items() if n != self.bare}, "", keyed=False
        )

    @property
    def doc(self) -> str:
        """The struct's one line."""
        return (self.cls.__doc__ or "").partition("\n")[0].rstrip(".")


Shape = Struct | ListOf | MapOf | Scalar


@cache
def struct(cls: type) -> Struct:
    """The shape of the dataclass `cls`."""
    if getattr(cls, "OPEN", False):
        return Struct(cls, {}, "", keyed=False, open=True)
    found = {}
    # Annotations are text where the module says `from __future__ import annotations`.
    hints = get_type_hints(cls) if any(isinstance(each.type, str) for each in fields(cls)) else {}
    for each in fields(cls):
        shape = of(hints.get(each.name, each.type))
        limits = {key: value for key, value in each.metadata.items() if key not in ("doc", "example")}
        if limits and isinstance(shape, Scalar) and shape.number:
            shape = replace(shape, number=replace(shape.number, **limits))
        if each.metadata["example"] is not None and not isinstance(shape, Struct):
            shape = replace(shape, example=each.metadata["example"])
        default = each.default if each.default_factory is MISSING else each.default_factory()
        found[each.name] = Field(each.name, each.metadata["doc"], shape, default)
    return Struct(cls, found, getattr(cls, "BARE", ""), getattr(cls, "KEYED", False))


@cache
def of(annotation: Any) -> Shape:
    """The shape of a field's annotation. Raises TypeError for one that no config can hold."""
    if is_dataclass(annotation) and isinstance(annotation, type):
        return struct(annotation)
    if annotation is bool:
        return Scalar(boolean=True)
    if annotation in TEXTS:
        return Scalar(text=TEXTS[annotation])
    if annotation in NUMBERS:
        return Scalar(number=NUMBERS[annotation])
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return Scalar(words=arguments)
    if origin in (Union, types.UnionType):
        return _union(annotation, [each for each in arguments if each is not types.NoneType])
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return ListOf(of(arguments[0]))
    if origin is Mapping:
        key = of(arguments[0])
        if isinstance(key, Scalar):
            return MapOf(key, of(arguments[1]))
    raise TypeError(f"no config can hold {annotation}")


def _union(annotation: Any, alternatives: list[Any]) -> Shape:
    shapes = [of(each) for each in alternatives]
    if len(shapes) == 1:
        return shapes[0]
    merged = Scalar()
    for shape in shapes:
        if not isinstance(shape, Scalar) or (merged.text and shape.text) or (merged.number and shape.number):
            raise TypeError(f"no config can tell apart {annotation}")
        merged = Scalar(
            words=merged.words + shape.words,
            text=merged.text or shape.text,
            number=merged.number or shape.number,
            boolean=merged.boolean or shape.boolean,
        )
    return merged


def bare(value: Any) -> Any:
    """The bare word that `value` would be written as: the bare field of a struct that has one."""
    return getattr(value, getattr(value, "BARE", ""), value)


def either(words: list[str]) -> str:
    """The words as a list in prose: "a, b or c"."""
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
