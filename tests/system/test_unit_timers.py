"""Times of systemd timers, as the service for timers reads them."""

import pytest

from notos.errors import NotosError
from notos.system import unit_timers
from notos.units.model import Timer

KEYS = ("timers", "x")


@pytest.mark.parametrize(
    ("calendar", "line"),
    [
        ("*-*-* 00:00:00", "* * * * 0 0 0 local"),
        ("Mon *-*-* 06,18:00:00", "1 * * * 6,18 0 0 local"),
        ("Sat..Mon *-*-* *:00/20:00 UTC", "0,1,6 * * * * 0,20,40 0 UTC"),
        ("Mon..Wed,Fri 2026..2028-01,07-01..03 10:00:00", "1,2,3,5 2026,2027,2028 1,7 1,2,3 10 0 0 local"),
        ("*-02~01 03:10:00", "* * 2 ~1 3 10 0 local"),
        ("*-*-* *:*:00/15", "* * * * * * 0,15,30,45 local"),
    ],
)
def test_calendars(calendar: str, line: str) -> None:
    timer = Timer(unit="x.timer", starts="x.service", calendars=(calendar,))
    assert unit_timers.times(timer, KEYS) == f"calendar {line}\n"


def test_monotonic_times_and_the_line_of_the_table() -> None:
    timer = Timer(
        unit="x.timer",
        starts="x.service",
        monotonic=(("boot", 900.0), ("unit-active", 86400.0), ("active", 5.0)),
        random_delay=60,
        persistent=True,
    )
    assert unit_timers.times(timer, KEYS) == "boot 900\nstart 5\nactive 86400\n"
    assert unit_timers.line("x", timer) == "x timer 60 1 0 0 root\n"


@pytest.mark.parametrize("calendar", ["*-*-* 00:00:00 Europe/Berlin", "*-*-* 00:00:00.5"])
def test_times_that_are_not_supported(calendar: str) -> None:
    timer = Timer(unit="x.timer", starts="x.service", calendars=(calendar,))
    with pytest.raises(NotosError, match=r"OnCalendar=.* is not supported") as caught:
        unit_timers.times(timer, KEYS)
    assert caught.value.keys == KEYS
