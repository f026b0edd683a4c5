"""All features in order, and the join of a machine's features."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from notos.config.model import Machine, Package
from notos.config.reader import Checks
from notos.features import (
    base,
    disk,
    dropbear,
    files,
    hostname,
    network,
    nix,
    openssh,
    power,
    services,
    ssh,
    time_servers,
    virtual_machine,
)
from notos.features.model import Feature, Features


class Module(Protocol):
    """The interface of a feature's module."""

    @property
    def KEYS(self) -> tuple[str, ...]:  # noqa: N802
        """Return the keys of the config that belong to the module; a key belongs to one module."""

    @property
    def feature(self) -> Callable[[Machine], Feature]:
        """Return the additions to a machine; an empty value if the machine lacks the feature.

        The machine may come from a config with mistakes and lack required values.
        """

    @property
    def CHECKS(self) -> Checks:  # noqa: N802
        """Return the feature's rules for the config, by the struct to which they apply."""


# Stage-1 loads modules in this order. The services and files of the config come last.
MODULES: tuple[Module, ...] = (
    virtual_machine,
    base,
    power,
    hostname,
    network,
    ssh,
    openssh,
    dropbear,
    nix,
    disk,
    time_servers,
    services,
    files,
)

# Keys of the config that belong to no feature: sources, builds and the virtual machine.
OTHER_KEYS = ("name", "debian", "kernel", "initrd", "system", "kernel_params", "vm", "build")


_NONE = Feature()


def features(machine: Machine) -> Features:
    """Return the joined additions of all features of `machine`."""
    return join(module.feature(machine) for module in MODULES)


def join(each: Iterable[Feature]) -> Features:
    """Return the join: tuples concatenated, maps merged, numbers added; a single value may be set only once.

    Raises ValueError if two features set the same single value.
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
