"""All features in order, and the join of a machine's features."""

from collections.abc import Callable
from typing import Protocol

from notos.config.model import Machine
from notos.config.reader import Checks
from notos.features import (
    alternatives,
    base,
    boot,
    console,
    disk,
    dropbear,
    extensions,
    files,
    hostname,
    keymap,
    locale,
    modules,
    mounts,
    network,
    nix,
    openssh,
    power,
    services,
    setuid,
    ssh,
    sysctl,
    syslog,
    time_servers,
    timers,
    timezone,
    udev,
    users,
    virtual_machine,
)
from notos.features.join import join
from notos.features.model import Feature, Features


class Module(Protocol):
    """The interface of a feature's module."""

    __name__: str

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


# Stage-1 loads modules in this order. The extensions, services and files of the project come last.
MODULES: tuple[Module, ...] = (
    virtual_machine,
    base,
    power,
    hostname,
    locale,
    timezone,
    keymap,
    modules,
    udev,
    sysctl,
    mounts,
    network,
    ssh,
    openssh,
    dropbear,
    users,
    console,
    nix,
    disk,
    time_servers,
    syslog,
    alternatives,
    setuid,
    extensions,
    services,
    boot,
    timers,
    files,
)

# The features of Notos itself. No extension may add what one of them adds.
OWN = tuple(each for each in MODULES if each not in (extensions, services, boot, timers, files))

# Keys of the config that belong to no feature: sources, builds and the virtual machine.
OTHER_KEYS = ("name", "debian", "kernel", "initrd", "system", "kernel_params", "vm", "build")


def features(machine: Machine) -> Features:
    """Return the joined additions of all features of `machine`."""
    return join(module.feature(machine) for module in MODULES)
