"""All features in order, and the join of those that a machine has."""

from collections.abc import Callable
from typing import Protocol

from notos.config.model import Machine
from notos.config.reader import Checks
from notos.features import (
    base,
    disk,
    dropbear,
    extensions,
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
from notos.features.join import join
from notos.features.model import Feature, Features


class Module(Protocol):
    """What a feature's module has."""

    @property
    def KEYS(self) -> tuple[str, ...]:  # noqa: N802
        """The keys of the config that belong to it; a key belongs to one module."""

    @property
    def feature(self) -> Callable[[Machine], Feature]:
        """Return what the feature adds to a machine; an empty value where the machine does not have it.

        The machine may come from a config with mistakes, and lack values that are required.
        """

    @property
    def CHECKS(self) -> Checks:  # noqa: N802
        """The feature's own rules for the config, by the struct that they are for."""


# Stage-1 loads modules in this order. The project's extensions, services and files come last.
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
    extensions,
    services,
    files,
)

# Those of Notos itself: no extension may add what one of them adds.
OWN = tuple(each for each in MODULES if each not in (extensions, services, files))

# Keys of the config that are of no feature: where parts come from, how they are made and what boots them.
OTHER_KEYS = ("name", "debian", "kernel", "initrd", "system", "kernel_params", "vm", "build")


def features(machine: Machine) -> Features:
    """Return what all features of `machine` add to it."""
    return join(module.feature(machine) for module in MODULES)
