"""The systemd units that the config names, and the packages that have them, for services and timers."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from notos.config.model import Machine, Package, PackageName, Service, Timer
from notos.config.package_lists import system_names
from notos.config.types import TEXTS
from notos.features.model import Unit
from notos.features.named import settled

# The units whose work a service of Notos does, by its name.
REPLACED: Mapping[str, tuple[str, ...]] = {
    "syslog": (
        *("syslog.service", "syslog.socket", "rsyslog.service", "syslog-ng.service"),
        *("busybox-syslogd.service", "inetutils-syslogd.service"),
    ),
    "sshd": ("ssh.service", "sshd.service", "ssh.socket"),
    "dropbear": ("dropbear.service", "ssh.service", "sshd.service"),
    "udev": ("systemd-udevd.service", "systemd-udev-settle.service", "systemd-udev-trigger.service"),
    "nix-daemon": ("nix-daemon.service", "nix-daemon.socket"),
}


def is_unit(each: Service | Timer) -> bool:
    """Return True if a systemd unit says how a service or a timer runs."""
    if isinstance(each, Timer):
        return each.unit is not None
    return each.run is None and each.source is None


def unit_of(each: Service | Timer, default: str) -> Unit:
    """Return the unit of a service or a timer; `default` is the name without one in the config."""
    name = each.unit or default
    environment = each.environment if isinstance(each, Service) else {}
    file = name if name.startswith("/") else ""
    return Unit(
        name=name.rpartition("/")[2],
        file=file,
        beside=tuple(_beside(file)) if file else (),
        settings={key: tuple(map(_text, values)) for key, values in each.set.items()},
        environment={key: _text(value) for key, value in environment.items()},
    )


def packages_of(
    users: Mapping[Any, Service | Timer], machine: Machine
) -> tuple[tuple[Package, ...], tuple[Package, ...]]:
    """Return the packages of services or timers, and those that are only used if the archive has them.

    A unit of a package needs no list: the package with the name in the config is used if it exists. It is not
    optional if the config names it elsewhere.
    """
    listed = tuple(settled(package) for each in users.values() for package in each.packages or ())
    known = system_names(machine)
    names = (
        name
        for name, each in users.items()
        if each.packages is None and is_unit(each) and not (each.unit or "").startswith("/")
    )
    optional = tuple(
        settled(Package(name=PackageName(name)))
        for name in dict.fromkeys(names)
        if name not in known and re.fullmatch(TEXTS[PackageName].pattern, name)
    )
    return listed, optional


def _beside(file: str) -> Iterator[str]:
    """Yield the files of other units with the same name, which systemd would use with this one."""
    stem = file.rpartition(".")[0]
    for path in (f"{stem}{suffix}" for suffix in (".service", ".socket")):
        if path != file and Path(path).is_file():
            yield path


def _text(value: int | bool | str) -> str:
    """Return a value of the config as a unit has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
