"""Units made up by tests, and their translation."""

from collections.abc import Mapping
from typing import Any

from notos import architecture
from notos.units.model import Context, Timer, Translation
from notos.units.plan import parsed
from notos.units.timers import timer
from notos.units.translate import translate
from notos.units.unit_files import UnitFiles

FOLDER = "usr/lib/systemd/system"
BUS = {"dbus.service": "dbus"}


def files(
    units: Mapping[str, str], links: Mapping[str, str] | None = None, own: Mapping[str, str] | None = None
) -> UnitFiles:
    """Return units by name, or by the path below the folder of units."""

    def path(name: str) -> str:
        return name if name.startswith(("etc/", "usr/")) else f"{FOLDER}/{name}"

    return UnitFiles(
        {path(name): text.encode("utf-8", "surrogateescape") for name, text in units.items()},
        {path(name): target for name, target in (links or {}).items()},
        {name: (f"units/{name}", text.encode()) for name, text in (own or {}).items()},
    )


def context(**fields: Any) -> Context:
    """Return the facts of a machine."""
    given = {"service": "x", "target": architecture.host(), "keys": ("services", "x"), "services": BUS}
    return Context(**{**given, **fields})


def service(text: str, name: str = "x.service", **fields: Any) -> Translation:
    """Return the translation of a unit of a package with this text."""
    return translate(name, files({name: text}), context(**fields))


def plan(text: str, name: str = "x.service", **fields: Any) -> list[tuple[str, ...]]:
    """Return the lines of its plan."""
    return parsed(service(text, name, **fields).plan)


def lines(text: str, key: str, name: str = "x.service", **fields: Any) -> list[tuple[str, ...]]:
    """Return the fields of the lines of `key` in its plan."""
    return [line[1:] for line in plan(text, name, **fields) if line[0] == key]


def values(settings: str, key: str, **fields: Any) -> list[tuple[str, ...]]:
    """Return the fields of the lines of `key` for a service with these settings of [Service]."""
    return lines(f"[Service]\nExecStart=/bin/true\n{settings}\n", key, **fields)


def times(text: str, name: str = "x.timer", **fields: Any) -> Timer:
    """Return the schedule of a timer of a package with this text."""
    starts = {"x.service": "[Service]\nExecStart=/bin/true\n"}
    return timer(name, files({name: text, **starts}), context(**fields))
