"""Generator of the config's JSON Schema and of the tables in docs/configuration.md and docs/hosts.md.

`python -m notos.config.schema` writes both; a test checks that they are current. A build does not need them.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from notos.config import shapes
from notos.config.host_settings import HostSettings
from notos.config.loader import IMPORTS
from notos.config.model import Machine, Package
from notos.config.shapes import Field, ListOf, MapOf, Scalar, Shape, Struct
from notos.config.types import TEXTS, Number, Text

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = DOCS / "config.schema.json"
REFERENCE = DOCS / "configuration.md"
HOSTS = DOCS / "hosts.md"

Json = dict[str, Any]


def schema() -> Json:
    """Return the schema (JSON Schema draft 2020-12) of one config file.

    It cannot check a config together with its imports, nor rules between values; the loader does.
    """
    definitions: dict[str, Json] = {}
    root = _struct(shapes.struct(Machine), definitions)
    del root["required"]
    root["properties"][IMPORTS] = {
        "description": "configs that this one is based on, paths relative to it",
        "type": "array",
        "items": {"type": "string"},
        "uniqueItems": True,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A machine of Notos",
        **root,
        "anyOf": [{"required": ["name"]}, {"required": [IMPORTS]}],
        "$defs": definitions,
    }


def _struct(shape: Struct, definitions: dict[str, Json]) -> Json:
    fields = [
        each
        for each in shape.fields.values()
        if (not shape.keyed or each.name != shape.bare) and each.name != shape.rest
    ]
    rest: Json = {}
    if shape.rest:
        rest = {
            "propertyNames": {"anyOf": [{"enum": [each.name for each in fields]}, _key(shape.entries.key)]}
        }
    return {
        "description": shape.doc,
        "type": ["object", "null"] if shape.open else "object",
        "properties": {each.name: _field(each, definitions) for each in fields},
        "required": [each.name for each in fields if each.required],
        "additionalProperties": _shape(shape.entries.value, definitions) if shape.rest else shape.open,
        **rest,
    }


def _field(field: Field, definitions: dict[str, Json]) -> Json:
    found = {"description": field.doc, **_shape(field.shape, definitions)}
    if not field.required and field.default is not None and _plain(field) not in (None, {}):
        found["default"] = _plain(field)
    return found


def _shape(shape: Shape, definitions: dict[str, Json]) -> Json:
    match shape:
        case Scalar():
            return _scalar(shape)
        case ListOf():
            item = _shape(shape.item, definitions)
            listed = {"type": "array", "items": item, "uniqueItems": True}
            return {"anyOf": [item, listed]} if shape.single else listed
        case MapOf():
            values = _shape(shape.value, definitions)
            return {"type": "object", "propertyNames": _key(shape.key), "additionalProperties": values}
        case Struct():
            name = shape.cls.__name__
            if name not in definitions:
                definitions[name] = _written(shape, definitions)
            return {"$ref": f"#/$defs/{name}"}


def _written(shape: Struct, definitions: dict[str, Json]) -> Json:
    """Return the schema of a struct in each of its YAML forms."""
    if not shape.bare:
        return _struct(shape, definitions)
    bare = _shape(shape.fields[shape.bare].shape, definitions)
    forms = [bare]
    if shape.keyed:
        below = _struct(shape.body, definitions)
        forms.append(
            {
                "type": "object",
                "propertyNames": bare,
                "additionalProperties": {**below, "description": shape.doc},
                "minProperties": 1,
                "maxProperties": 1,
            }
        )
    else:
        forms.append(_struct(shape, definitions))
    if shape.beside:
        forms.append({**_struct(shape.unnamed, definitions), "required": [shape.beside]})
    return {"description": shape.doc, "anyOf": forms}


def _scalar(shape: Scalar) -> Json:
    forms: list[Json] = []
    if shape.words:
        forms.append({"enum": list(shape.words)})
    if shape.text:
        forms.append(_text(shape.text))
    if shape.number:
        forms.append({"type": "integer", **_limits(shape.number)})
    if shape.boolean:
        forms.append({"type": "boolean"})
    return forms[0] if len(forms) == 1 else {"anyOf": forms}


def _text(kind: Text) -> Json:
    found: Json = {"type": "string"}
    if kind.pattern:
        found["pattern"] = f"^(?:{kind.pattern})$"
    if kind.example:
        found["examples"] = [kind.example]
    return found


def _limits(kind: Number) -> Json:
    limits = {"minimum": kind.minimum, "maximum": kind.maximum}
    return {key: value for key, value in limits.items() if value is not None}


def _key(shape: Scalar) -> Json:
    """Return the schema of a map's keys, which are text in JSON even if they are numbers."""
    return {"pattern": "^[1-9][0-9]*$"} if shape.number else _scalar(shape)


def _plain(field: Field) -> Any:
    """Return a field's default as a YAML value; None for a struct, whose fields have their own defaults."""
    value = field.default
    if isinstance(field.shape, Struct):
        return shapes.bare(value) if field.shape.bare else None
    if isinstance(value, tuple):
        return [shapes.bare(each) for each in value]
    return dict(value) if isinstance(value, Mapping) else value


def reference(text: str) -> str:
    """Return `text`, a page of docs/, with its marked tables regenerated."""
    tables = {
        "keys": [("Key", "Type", "Default", "Meaning"), *_rows(shapes.struct(Machine), "")],
        "package": [("Key", "Type", "Default", "Meaning"), *_rows(shapes.struct(Package), "")],
        "texts": [("Type", "Form", "Example"), *_text_rows()],
        "host": [("Key", "Type", "Default", "Meaning"), *_rows(shapes.struct(HostSettings), "")],
    }
    for name, rows in tables.items():
        if f"<!-- table: {name} -->" not in text:
            continue
        lines = [f"| {' | '.join(row)} |" for row in rows]
        lines.insert(1, f"|{'---|' * len(rows[0])}")
        head, rest = text.split(f"<!-- table: {name} -->")
        tail = rest.partition("<!-- end -->")[2]
        text = "\n".join([f"{head}<!-- table: {name} -->", "", *lines, "", f"<!-- end -->{tail}"])
    return text


def _rows(shape: Struct, prefix: str) -> Iterator[tuple[str, ...]]:
    for field in shape.fields.values():
        if shape.keyed and field.name == shape.bare:
            continue
        inner = field.shape
        if field.name == shape.rest:
            yield from _rest_rows(field, shape.entries, prefix)
            continue
        key = prefix + field.name
        if isinstance(inner, MapOf) and isinstance(inner.value, Struct):
            yield f"`{key}`", "map", "`{}`", field.doc
            yield from _rows(inner.value, f"{key}.{_type(inner.key).split()[-1].upper()}.")
        elif isinstance(inner, ListOf) and isinstance(inner.item, Struct) and not inner.item.bare:
            yield f"`{key}`", "list of maps", _default(field), field.doc
            yield from _rows(inner.item, f"{key}[].")
        elif isinstance(inner, Struct):
            if inner.bare:
                yield f"`{key}`", _type(inner), _default(field), field.doc
            yield from _rows(inner, f"{key}.")
        else:
            yield f"`{key}`", _type(inner), _default(field), field.doc


def _rest_rows(field: Field, entries: MapOf, prefix: str) -> Iterator[tuple[str, ...]]:
    """Yield the rows of entries that are written beside the fields of a struct."""
    key = f"{prefix}{_type(entries.key).split()[-1].upper()}"
    yield f"`{key}`", _type(entries.value), "", field.doc
    if isinstance(entries.value, Struct):
        yield from _rows(entries.value, f"{key}.")


def _type(shape: Shape) -> str:
    match shape:
        case Scalar():
            return shape.title
        case ListOf(single=True):
            return f"{_type(shape.item)}, or a list"
        case ListOf():
            return f"list: {_type(shape.item)}"
        case MapOf():
            return f"map: {_type(shape.key)} to {_type(shape.value)}"
        case Struct(keyed=True):
            return "a package"
        case Struct():
            return "map, or one word"


def _default(field: Field) -> str:
    value = _plain(field)
    if field.required:
        return "required"
    if value is None:
        return ""
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`".replace('"', "")


def _text_rows() -> Iterator[tuple[str, ...]]:
    for kind in TEXTS.values():
        if kind.form or kind.example:
            yield kind.name, kind.form, f"`{kind.example}`" if kind.example else ""


def render() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(render())
    for page in (REFERENCE, HOSTS):
        page.write_text(reference(page.read_text()))
