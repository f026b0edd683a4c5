"""The join of features: one value of all."""

from collections.abc import Iterable, Mapping
from typing import Any

from notos.config.model import Package
from notos.features.model import Feature, Features

_NONE = Feature()


def join(each: Iterable[Feature]) -> Features:
    """Return one value of all: tuples one after the other, numbers added, the only one of single values.

    Raises ValueError where two features give a value of which a machine has one.
    """
    parts = list(each)
    values = {name: _joined(name, [getattr(part, name) for part in parts]) for name in vars(_NONE)}
    for name in ("packages", "initrd_packages"):
        values[name] = _by_name(values[name])
    return Features(**values)


def _joined(name: str, values: list[Any]) -> Any:
    match default := getattr(_NONE, name):
        case tuple():
            return tuple(item for value in values for item in value)
        case bool():
            return any(values)
        case int():
            return sum(values)
        case Mapping():
            return {key: value for mapping in values for key, value in mapping.items()}
    found = [value for value in values if value]
    if len(found) > 1:
        raise ValueError(f"two features give {name}")
    return found[0] if found else default


def _by_name(packages: Iterable[Package]) -> tuple[Package, ...]:
    return tuple({package.name: package for package in packages}.values())
