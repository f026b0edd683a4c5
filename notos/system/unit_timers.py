"""Systemd timers: the files that the service for timers has for them, made by notos.units.

services/timers/scripts/NAME          runs the timer's unit
services/timers/units/times           computes times
services/timers/units/NAME.timer/     the plan of the unit that the timer starts, and `times`: when it does
"""

import re
from collections.abc import Iterator

from notos.errors import NotosError
from notos.features.model import Keys
from notos.units.model import Timer

_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_ONE = r"(?:\*|[0-9]+(?:\.\.[0-9]+)?)(?:/[0-9]+)?"
_LIST = rf"{_ONE}(?:,{_ONE})*"
_CALENDAR = re.compile(
    rf"(?:(?P<weekdays>[A-Z][A-Za-z.,]*) )?(?P<year>{_LIST})-(?P<month>{_LIST})(?P<last>[-~])(?P<day>{_LIST})"
    rf" (?P<hour>{_LIST}):(?P<minute>{_LIST}):(?P<second>{_LIST})(?: (?P<zone>\S+))?"
)
_RANGES = {"month": (1, 12), "day": (1, 31), "hour": (0, 23), "minute": (0, 59), "second": (0, 59)}
_YEARS = (1970, 2199)  # those that systemd.time(7) allows
_BASES = {
    "boot": "boot",
    "startup": "boot",
    "active": "start",
    "unit-active": "active",
    "unit-inactive": "active",
}


def line(name: str, timer: Timer) -> str:
    """Return the line of a timer in the table of the service for timers."""
    return f"{name} timer {round(timer.random_delay)} {int(timer.persistent)} 0 0 root\n"


def times(timer: Timer, keys: Keys) -> str:
    """Return the file `times` of a timer. Raises NotosError for times that the service does not support."""
    lines = [f"calendar {_calendar(each, timer.unit, keys)}\n" for each in timer.calendars]
    monotonic = [(_BASES[base], round(seconds)) for base, seconds in timer.monotonic]
    # The service reads the lines in this order: a timer with a first time does not run before it.
    monotonic.sort(key=lambda each: each[0] == "active")
    return "".join((*lines, *(f"{base} {seconds}\n" for base, seconds in monotonic)))


def _calendar(text: str, unit: str, keys: Keys) -> str:
    """Return a calendar expression, normalized as by systemd-analyze(1), as lists of numbers."""
    match = _CALENDAR.fullmatch(text)
    zone = (match and match["zone"]) or "local"
    if not match or zone not in ("local", "UTC"):
        hint = "only UTC is a time zone here; set another time: set: {Timer.OnCalendar: ['', daily]}"
        raise NotosError(f"{unit}: OnCalendar={text} is not supported", hint=hint, keys=keys)
    weekdays = _weekdays(match["weekdays"]) if match["weekdays"] else "*"
    years = _numbers(match["year"], *_YEARS)
    others = {name: _numbers(match[name], *bounds) for name, bounds in _RANGES.items()}
    if match["last"] == "~":
        others["day"] = ",".join(f"~{each}" for each in others["day"].split(","))
    return " ".join((weekdays, years, *others.values(), zone))


def _weekdays(text: str) -> str:
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("..")
        start = _WEEKDAYS.index(first[:3])
        end = _WEEKDAYS.index(last[:3]) if last else start
        found.update((start + each) % 7 for each in range((end - start) % 7 + 1))
    return ",".join(map(str, sorted(found)))


def _numbers(text: str, low: int, high: int) -> str:
    """Return the numbers of a component between two bounds as a list; * for all."""
    if text == "*":
        return "*"
    return ",".join(map(str, sorted({each for part in text.split(",") for each in _part(part, low, high)})))


def _part(text: str, low: int, high: int) -> Iterator[int]:
    numbers, _, step = text.partition("/")
    first, dots, last = numbers.partition("..")
    start = low if first == "*" else int(first)
    end = int(last) if dots else high if step else start
    yield from range(start, end + 1, int(step or 1))
