"""A sample value of each shape."""

from typing import Any

from notos.config.shapes import Field, ListOf, MapOf, Scalar, Shape, Struct


def sample(shape: Shape) -> Any:
    """Return a valid value of `shape`, in the form of YAML."""
    match shape:
        case Struct():
            if shape.bare:
                return sample(shape.fields[shape.bare].shape)
            wanted = [each for each in shape.fields.values() if each.required]
            first = wanted or [*shape.fields.values()][:1]
            return {each.name: _sample_field(each) for each in first}
        case ListOf():
            return shape.example or [sample(shape.item)]
        case MapOf():
            return shape.example or {sample(shape.key): sample(shape.value)}
        case Scalar():
            return _sample_scalar(shape)


def _sample_field(field: Field) -> Any:
    """Return a sample of a field: its default if that is a word or a number."""
    return field.default if isinstance(field.default, str | int) else sample(field.shape)


def _sample_scalar(shape: Scalar) -> Any:
    if shape.example is not None:
        return shape.example
    if shape.words:
        return shape.words[0]
    if shape.text:
        return shape.text.example or "hello"
    if shape.number:
        return shape.number.example or shape.number.minimum or 1
    return True
