"""The shapes of model.py's structs, derived from their annotations; reads no YAML and writes no schema.

Shape   Struct   fields by name
        ListOf   tuple[item, ...]
        MapOf    Mapping[key, value]
        Scalar   words (Literal), a type of text, a type of number, a boolean, or several of these

Each but Struct may have an example, in the form of YAML.
"""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from functools import cache
from keyword import iskeyword
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from notos.config.types import NUMBERS, TEXTS, Number, Text
from notos.structs import dataclass


@dataclass(frozen=True, slots=True)
class Scalar:
    """The types that one value may have."""

    words: tuple[str, ...] = ()
    text: Text | None = None
    number: Number | None = None
    boolean: bool = False
    example: Any = None

    @property
    def wanted(self) -> str:
        """The valid values in words, for an error."""
        kinds = [*self.words]
        kinds += [f"{kind.name} ({kind.form})" if kind.form else kind.name for kind in self._kinds()]
        if self.boolean:
            kinds.append("true or false")
        return either(kinds)

    @property
    def title(self) -> str:
        """The valid values in few words, for a table."""
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
    """A list without repeated items; a `single` one may also be written as its only item."""

    item: "Shape"
    example: Any = None
    single: bool = False


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map whose keys the user chooses."""

    key: Scalar
    value: "Shape"
    example: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A field of a struct; `default` is MISSING if the key is required."""

    name: str
    doc: str
    shape: "Shape"
    default: Any
    attribute: str  # of the struct: `name`, or `for_` if the key is a keyword of Python

    @property
    def required(self) -> bool:
        """Return True if the config must have the key."""
        return self.default is MISSING


@dataclass(frozen=True, slots=True, eq=False)
class Struct:
    """A map whose keys are fields.

    `bare` names the field that a bare word stands for. If the struct is `keyed`, that field is never
    written as a key: its value is the only key of a map, with the other fields below it. An `open` struct has
    no fields, and keys that are not known here. `rest` names a field with a map, whose entries are written
    beside the other fields. `beside` names a field of a keyed struct that may be written in place of the bare
    one, with the others beside it.
    """

    cls: type
    fields: Mapping[str, Field]
    bare: str
    keyed: bool
    open: bool = False
    rest: str = ""
    beside: str = ""

    @property
    def entries(self) -> "MapOf":
        """The shape of the field `rest`."""
        shape = self.fields[self.rest].shape
        assert isinstance(shape, MapOf), "the entries of `rest` are a map"
        return shape

    @property
    def body(self) -> "Struct":
        """The struct without its bare field: the fields below the key of a keyed struct."""
        return self._without(self.bare, self.beside)

    @property
    def unnamed(self) -> "Struct":
        """The struct in the form that has the field `beside` in place of its bare field."""
        return self._without(self.bare)

    def _without(self, *names: str) -> "Struct":
        kept = {name: each for name, each in self.fields.items() if name not in names}
        return Struct(self.cls, kept, "", keyed=False)

    @property
    def doc(self) -> str:
        """The first line of the class's docstring."""
        return (self.cls.__doc__ or "").partition("\n")[0].rstrip(".")


Shape = Struct | ListOf | MapOf | Scalar


@cache
def struct(cls: type) -> Struct:
    """Return the shape of the dataclass `cls`."""
    if getattr(cls, "OPEN", False):
        return Struct(cls, {}, "", keyed=False, open=True)
    found = {}
    # Annotations are text where the module says `from __future__ import annotations`.
    hints = get_type_hints(cls) if any(isinstance(each.type, str) for each in fields(cls)) else {}
    for each in fields(cls):
        shape = of(hints.get(each.name, each.type))
        apart = ("doc", "example", "words", "single")
        limits = {key: value for key, value in each.metadata.items() if key not in apart}
        if limits and isinstance(shape, Scalar) and shape.number:
            shape = replace(shape, number=replace(shape.number, **limits))
        if each.metadata["words"] and isinstance(shape, Scalar):
            shape = replace(shape, words=shape.words + each.metadata["words"])
        if each.metadata["example"] is not None and not isinstance(shape, Struct):
            shape = replace(shape, example=each.metadata["example"])
        if each.metadata["single"]:
            shape = _single(shape)
        default = each.default if each.default_factory is MISSING else each.default_factory()
        word = each.name.removesuffix("_")
        name = word if iskeyword(word) else each.name
        found[name] = Field(name, each.metadata["doc"], shape, default, each.name)
    bare, keyed = getattr(cls, "BARE", ""), getattr(cls, "KEYED", False)
    return Struct(cls, found, bare, keyed, rest=getattr(cls, "REST", ""), beside=getattr(cls, "BESIDE", ""))


def _single(shape: Shape) -> Shape:
    """Return a list, or a map of lists, whose lists may also be written as their only item."""
    if isinstance(shape, MapOf):
        return replace(shape, value=_single(shape.value))
    return replace(shape, single=True) if isinstance(shape, ListOf) else shape


@cache
def of(annotation: Any) -> Shape:
    """Return the shape of a field's annotation. Raises TypeError for one without a YAML form."""
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
    raise TypeError(f"unsupported annotation in a config: {annotation}")


def _union(annotation: Any, alternatives: list[Any]) -> Shape:
    shapes = [of(each) for each in alternatives]
    if len(shapes) == 1:
        return shapes[0]
    merged = Scalar()
    for shape in shapes:
        if not isinstance(shape, Scalar) or (merged.text and shape.text) or (merged.number and shape.number):
            raise TypeError(f"ambiguous annotation in a config: {annotation}")
        merged = Scalar(
            words=merged.words + shape.words,
            text=merged.text or shape.text,
            number=merged.number or shape.number,
            boolean=merged.boolean or shape.boolean,
        )
    return merged


def bare(value: Any) -> Any:
    """Return the bare field of a struct that has one, else `value` itself."""
    return getattr(value, getattr(value, "BARE", ""), value)


def either(words: list[str]) -> str:
    """Return the words joined for prose: "a, b or c"."""
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
