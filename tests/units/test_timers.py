"""Timers. The facts are those of systemd.timer(5); systemd-analyze verify judges the settings."""

import re
from pathlib import Path

import pytest

from notos.errors import NotosError
from notos.units.timers import timer
from tests.units.conftest import Systemd
from tests.units.made import context, files, times


def test_a_timer() -> None:
    made = times(
        "[Timer]\nOnCalendar=daily\nOnCalendar=Mon *-*-1 4:00 UTC\nPersistent=true\nRandomizedDelaySec=12h\n"
        "AccuracySec=1us\nFixedRandomDelay=yes\nOnBootSec=15min\nOnUnitActiveSec=1d\n"
    )
    assert (made.unit, made.starts) == ("x.timer", "x.service")
    assert made.calendars == ("*-*-* 00:00:00", "Mon *-*-01 04:00:00 UTC")
    assert made.monotonic == (("boot", 900.0), ("unit-active", 86400.0))
    assert (made.persistent, made.random_delay, made.fixed_random_delay) == (True, 43200.0, True)
    assert made.accuracy == 1e-6


def test_defaults() -> None:
    made = times("[Timer]\nOnActiveSec=5\n")
    assert (made.persistent, made.random_delay, made.accuracy, made.calendars) == (False, 0, 60, ())
    assert made.monotonic == (("active", 5.0),)


def test_an_empty_value_removes_all_times() -> None:
    made = times("[Timer]\nOnCalendar=daily\nOnBootSec=5\nOnUnitActiveSec=\nOnStartupSec=7\n")
    assert (made.calendars, made.monotonic) == ((), (("startup", 7.0),))


def test_the_unit_that_it_starts() -> None:
    units = {
        "x.timer": "[Timer]\nOnBootSec=1\nUnit=y@%j.service\n",
        "y@.service": "[Service]\nExecStart=/a\n",
        "z.timer": "[Timer]\nOnBootSec=1\n",
    }
    assert timer("x.timer", files(units), context()).starts == "y@x.service"
    with pytest.raises(NotosError, match=r"no package has the unit z\.service, which it starts"):
        timer("z.timer", files(units), context())


SETTINGS = (
    *("OnCalendar=foo", "OnCalendar=", "OnBootSec=x", "OnBootSec=5min", "OnActiveSec=-1", "Persistent=maybe"),
    *(
        "RandomizedDelaySec=x",
        "AccuracySec=1h",
        "Unit=foo",
        "Unit=x.service",
        "OnCalendar=*-*-* 25:00",
        "Foo=bar",
    ),
    *("WakeSystem=yes", "FixedRandomDelay=2", "OnUnitInactiveSec=1d 3h", "Unit=y.timer", "OnCalendar=*:0/5"),
)


def test_the_judge_of_settings_is_systemd(systemd: Systemd, tmp_path: Path) -> None:
    text = "\n".join(("[Timer]", *SETTINGS, ""))
    (tmp_path / "x.timer").write_text(text)
    (tmp_path / "x.service").write_text("[Service]\nExecStart=/bin/true\n")
    theirs = {*systemd.verify(tmp_path / "x.timer").lines}
    ours = {int(line) for note in times(text).notes for line in re.findall(r"x\.timer:(\d+): ", note)}
    assert [text.splitlines()[at - 1] for at in sorted(ours ^ theirs)] == []
    assert len(theirs) > 5


def test_a_timer_without_times() -> None:
    with pytest.raises(NotosError, match=r"x\.timer: it has no On…=") as caught:
        times("[Timer]\nOnClockChange=yes\n")
    assert "Timer.OnCalendar" in caught.value.hint


def test_settings_of_the_config() -> None:
    given = {"Timer.OnCalendar": ["", "hourly"], "LimitNOFILE": "5", "Unit.After": "y.service"}
    assert times("[Timer]\nOnCalendar=daily\n", overrides=given).calendars == ("*-*-* *:00:00",)
    with pytest.raises(
        NotosError, match=r"services\.x\.set: OnCalendar= foo: not a calendar event"
    ) as caught:
        times("[Timer]\nOnCalendar=daily\n", overrides={"Timer.OnCalendar": "foo"})
    assert caught.value.keys == ("services", "x", "set", "OnCalendar")
