"""The join of features: one value of all."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from notos.config.model import Package
from notos.features.model import Feature, Features


def join(each: Iterable[Feature]) -> Features:
    """Return one value of all: tuples one after the other, numbers added, the only one of single values.

    Raises ValueError where two features give a value of which a machine has one.
    """
    parts = list(each)
    values = {
        field.name: _joined(field.name, [getattr(part, field.name) for part in parts])
        for field in fields(Feature)
    }
    values["packages"] = _by_name(values["packages"])
    values["initrd_packages"] = _by_name(values["initrd_packages"])
    return Features(**values)


def _joined(name: str, values: list[Any]) -> Any:
    match values:
        case [tuple(), *_]:
            return tuple(item for value in values for item in value)
        case [bool(), *_]:
            return any(values)
        case [int(), *_]:
            return sum(values)
        case [Mapping(), *_]:
            return {key: value for mapping in values for key, value in mapping.items()}
    found = [value for value in values if value]
    if len(found) > 1:
        raise ValueError(f"two features give {name}")
    return found[0] if found else values[0]


def _by_name(packages: Iterable[Package]) -> tuple[Package, ...]:
    return tuple({package.name: package for package in packages}.values())
