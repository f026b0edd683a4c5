"""The scripts and systemd timers in the config's `timers`, and the service that runs them.

The build adds the times of systemd timers, which only their units have (system/unit_timers.py).
"""

from collections.abc import Iterator

from notos.config.model import Machine, Timer
from notos.config.reader import Checks
from notos.config.yaml_source import MappingNode, Node, Problem, key_place
from notos.features.boot import script_text
from notos.features.model import Feature, Script, Service, UnitTimer
from notos.features.own_units import is_unit, packages_of, unit_of

KEYS = ("timers",)
SERVICE = "timers"

_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_SECONDS = {"m": 60, "h": 3600, "d": 86400}


def feature(machine: Machine) -> Feature:
    """Return the service with its scripts, and their packages; nothing for a machine without timers."""
    if not machine.timers:
        return Feature()
    scripted = {name: each for name, each in machine.timers.items() if not is_unit(each)}
    table = "".join(f"{name} {_line(each)}\n" for name, each in scripted.items())
    scripts = tuple(
        Script(
            f"scripts/{name}", text=script_text(each.run or ""), keys=("timers", name), user=each.user or ""
        )
        for name, each in scripted.items()
    )
    units = tuple(
        UnitTimer(name, unit_of(each, f"{name}.timer"), ("timers", name))
        for name, each in machine.timers.items()
        if is_unit(each)
    )
    named, optional = packages_of(dict(machine.timers), machine)
    service = Service(
        name=SERVICE, folder=SERVICE, log=True, files={"table": table}, scripts=scripts, timers=units
    )
    return Feature(
        packages=named,
        optional_packages=optional,
        services=(service,),
        reserved_services={SERVICE: "an empty `timers`"},
    )


def _line(timer: Timer) -> str:
    """Return the kind, the period in seconds, the hour, the minute, the day (0 is Sunday) and the account."""
    hour, minute = (timer.at or "00:00").split(":")
    day = _DAYS.index(timer.on or "monday")
    every = str(timer.every or "day")  # a config with mistakes may lack it
    kind, seconds = (every, 0) if every in ("hour", "day", "week") else ("period", _seconds(every))
    return f"{kind} {seconds} {int(hour)} {int(minute)} {day} {timer.user or 'root'}"


def _seconds(period: str) -> int:
    return int(period[:-1]) * _SECONDS[period[-1]]


def _problems(machine: Machine, node: Node) -> Iterator[Problem]:
    for name, each in machine.timers.items():
        if each.on is not None and each.every and each.every != "week":
            message = f"timers.{name}.on needs every: week, but every is {each.every}"
            yield Problem(message, key_place(node, "timers", name, "on"))
        if each.at is None:
            continue
        if each.every == "hour" and not each.at.startswith("00:"):
            message = f"timers.{name}.at: with every: hour only the minute counts; write 00:{each.at[3:]}"
            yield Problem(message, key_place(node, "timers", name, "at"))
        elif each.every and each.every not in ("hour", "day", "week"):
            message = f"timers.{name}.at needs every: hour, day or week, but every is {each.every}"
            yield Problem(message, key_place(node, "timers", name, "at"))


def _timer_problems(timer: Timer, node: Node) -> Iterator[Problem]:
    """Yield keys of a script's timer in one of a unit and the reverse, and a script without `every`."""
    if not isinstance(node, MappingNode):
        return
    if is_unit(timer):
        for key in ("every", "at", "on", "user"):
            if key in node.items:
                yield Problem(f"a timer with unit takes no {key}; its unit has it", key_place(node, key))
    elif timer.run is not None:
        if timer.every is None:
            yield Problem("a timer with run needs every: hour, day, week or a period such as 15m", node.place)
        if "set" in node.items:
            message = "a timer with run takes no set; its keys are for a systemd timer"
            yield Problem(message, key_place(node, "set"))


CHECKS: Checks = {Machine: _problems, Timer: _timer_problems}
