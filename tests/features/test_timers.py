"""The timers' service with a fake clock: the times of runs, in busybox's shell with its `date`."""

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import FIXTURES

RUN = Path(__file__).resolve().parents[2] / "runit/services/timers/run"
Tool = Callable[[str], list[str]]

# The clock is a file with the seconds since the epoch and those since the boot. `sleep` moves it on, and a
# line of the file `jumps` (uptime and seconds) sets it. The service ends at the time in `end`.
SLEEP = """#!@sh@
read -r now up <clock
pause=$1
if [ -s jumps ]; then
	read -r at by <jumps
	[ "$pause" -lt 60 ] || pause=60
	if [ "$up" -ge "$at" ]; then now=$((now + by)); : >jumps; fi
fi
up=$((up + pause)) now=$((now + pause))
echo "$now $up" >clock
echo "$up.00 0" >uptime
read -r end <end
[ "$up" -lt "$end" ] || kill "$PPID"
"""
# The clock, and GNU's `date` as a machine with the package coreutils has it.
BUSYBOX = """#!@sh@
read -r now _ <"$CLOCK"
case "$*" in
'date +%s') echo "$now" ;;
*) exec @busybox@ "$@" ;;
esac
"""
DATE = """#!@sh@
read -r now _ <"$CLOCK"
case $1 in
+%s) echo "$now" ;;
*) exec /usr/bin/date "$@" ;;
esac
"""
CHPST = """#!@sh@
case $1 in
-L)
	[ ! -e "$2.held" ] || exit 1
	# The service tries the lock in the foreground, so the clock has the time of the run.
	[ "$3" != true ] || { read -r now _ <"$CLOCK" && echo "$now" >>starts; }
	;;
-u) echo "as $2" ;;
esac
shift 2
exec "$@"
"""


class Service:
    """The service in a folder, with a table and a fake clock."""

    def __init__(self, folder: Path, busybox: list[str]) -> None:
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        (folder / "scripts").mkdir()
        self._shell = folder / "bin/sh"
        self._write("bin/sh", f'#!/bin/sh\nexec {" ".join(busybox)} sh "$@"\n')
        for name, text in (("sleep", SLEEP), ("date", DATE), ("busybox", BUSYBOX), ("chpst", CHPST)):
            self._write(
                f"bin/{name}", text.replace("@sh@", "/bin/sh").replace("@busybox@", " ".join(busybox))
            )
        service = RUN.read_text()
        for old, new in (
            ("/var/lib/notos/timers", "state"),
            ("/run/notos/timers", "locks"),
            ("/proc/uptime", "uptime"),
        ):
            assert f"={old}\n" in service
            service = service.replace(f"={old}\n", f"={folder / new}\n")
        # Longer than in a machine, where the clock is looked at each minute; a jump comes at its own time.
        assert "\nlongest=60\n" in service
        self._write("run", service.replace("\nlongest=60\n", "\nlongest=1800\n"))
        self.busybox = busybox

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)
        (self.folder / name).chmod(0o755)

    def timer(self, line: str, script: str = "exit 0") -> None:
        with (self.folder / "table").open("a") as stream:
            stream.write(f"{line}\n")
        self._write(f"scripts/{line.split(maxsplit=1)[0]}", f"#!/bin/sh\n{script}\n")

    def unit(self, name: str, times: str, *, delay: int = 0, persistent: bool = False) -> None:
        """Add a systemd timer."""
        (self.folder / f"units/{name}.timer").mkdir(parents=True)
        (self.folder / f"units/{name}.timer/times").write_text(times)
        self._write("units/times", (RUN.parents[2] / "unit/times").read_text())
        self.timer(f"{name} timer {delay} {int(persistent)} 0 0 root")

    def runs(
        self, start: datetime, seconds: int, *, zone: str = "UTC", jump: tuple[int, int] | None = None
    ) -> list[datetime]:
        """Run the service from `start` on for `seconds` of uptime; return the times of the runs."""
        (self.folder / "starts").write_text("")
        self.output(start, seconds, zone=zone, jump=jump)
        lines = (self.folder / "starts").read_text().split()
        return [datetime.fromtimestamp(int(line), ZoneInfo(zone)) for line in lines]

    def output(
        self, start: datetime, seconds: int, *, zone: str = "UTC", jump: tuple[int, int] | None = None
    ) -> list[str]:
        (self.folder / "clock").write_text(f"{int(start.timestamp())} 10\n")
        (self.folder / "uptime").write_text("10.00 0\n")
        (self.folder / "end").write_text(f"{seconds}\n")
        (self.folder / "jumps").write_text(f"{jump[0]} {jump[1]}\n" if jump else "")
        done = subprocess.run(
            [*self.busybox, "sh", str(self.folder / "run")],
            cwd=self.folder,
            env={
                "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
                "TZ": zone,
                "CLOCK": str(self.folder / "clock"),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == -15, done.stdout + done.stderr
        assert not done.stderr
        return done.stdout.splitlines()


@pytest.fixture
def service(tmp_path: Path, tool: Tool) -> Service:
    return Service(tmp_path / "service", tool("busybox"))


NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)
DAY = 86400


def test_every_day(service: Service) -> None:
    service.timer("backup day 0 3 0 1 root")
    runs = service.runs(NOON, 3 * DAY)
    assert [f"{each:%d %H:%M:%S}" for each in runs] == ["29 03:00:00", "30 03:00:00", "31 03:00:00"]


def test_every_hour_and_week_and_period(service: Service) -> None:
    service.timer("hourly hour 0 0 8 1 root")
    runs = service.runs(NOON, 3 * 3600, zone="Asia/Kolkata")
    assert [f"{each:%H:%M}" for each in runs] == ["18:08", "19:08", "20:08"]
    (service.folder / "table").unlink()
    service.timer("weekly week 0 9 8 0 root")  # Sunday; 2026-03-29 is one
    runs = service.runs(NOON, 9 * DAY)
    assert [f"{each:%a %d %H:%M}" for each in runs] == ["Sun 29 09:08", "Sun 05 09:08"]
    (service.folder / "table").unlink()
    service.timer("often period 900 0 0 1 root")
    runs = service.runs(NOON, 3600)
    assert [f"{each:%H:%M}" for each in runs] == ["12:15", "12:30", "12:45"]


@pytest.mark.parametrize("time", ["0 2 30", "0 3 0", "0 1 30", "0 0 0", "0 23 59"])
@pytest.mark.parametrize(
    "start", [datetime(2026, 3, 27, 12, tzinfo=UTC), datetime(2026, 10, 23, 12, tzinfo=UTC)]
)
def test_once_a_day_where_summer_time_begins_and_ends(service: Service, time: str, start: datetime) -> None:
    service.timer(f"daily day {time} 1 root")
    runs = service.runs(start, 4 * DAY, zone="Europe/Berlin")
    assert [each.date() for each in runs] == sorted({each.date() for each in runs})
    assert len(runs) == 4
    _, hour, minute = map(int, time.split())
    usual = [each for each in runs if (each.hour, each.minute) == (hour, minute)]
    assert len(usual) >= 3


CALENDARS = {
    "* * * * 3 0 0 local": "*-*-* 03:00:00",
    "1,3 * * * 0,12 30 0 local": "Mon,Wed *-*-* 00,12:30:00",
    "* * * 1,~1 6 0 0 UTC": "the first and the last day of a month",
    "5 * 4,5 13,14,15,16,17,18,19 9 0 0 local": "a Friday",
    "* * * 31 23 59 59 local": "only long months",
}


@pytest.mark.parametrize("calendar", CALENDARS)
def test_the_calendar_of_a_systemd_timer(service: Service, calendar: str) -> None:
    """All seconds of 70 days that match are those of the runs."""
    service.unit("job", f"calendar {calendar}\n")
    zone = "UTC" if calendar.endswith("UTC") else "Asia/Kolkata"
    found = service.runs(NOON, 70 * DAY, zone="Asia/Kolkata")
    assert [each.astimezone(ZoneInfo(zone)) for each in found] == list(expected(calendar, zone, NOON, 70))


def expected(calendar: str, zone: str, start: datetime, days: int) -> Iterator[datetime]:
    """Yield the times of a calendar after `start`, within `days`."""
    weekdays, years, months, dates, *clock, _ = calendar.split(" ")
    first = start.astimezone(ZoneInfo(zone))
    times = sorted(itertools.product(*(map(int, each.split(",")) for each in clock)))
    for count in range(days + 1):
        day = first.date() + timedelta(days=count)
        left = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - day
        fits = (str((day.weekday() + 1) % 7), weekdays), (str(day.year), years), (str(day.month), months)
        if all(wanted == "*" or value in wanted.split(",") for value, wanted in fits) and (
            dates == "*" or {str(day.day), f"~{left.days}"} & set(dates.split(","))
        ):
            for hour, minute, second in times:
                at = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=ZoneInfo(zone))
                if start < at <= start + timedelta(days=days):
                    yield at


def test_only_a_persistent_systemd_timer_makes_up_a_missed_run(service: Service) -> None:
    service.unit("job", "calendar * * * * 3 0 0 local\n")
    service.unit("kept", "calendar * * * * 4 0 0 local\n", persistent=True)
    assert len(service.runs(NOON, DAY)) == 2
    later = NOON + timedelta(days=10)
    found = [f"{each:%d %H:%M}" for each in service.runs(later, DAY)]
    assert found == ["07 12:00", "08 03:00", "08 04:00"]


def test_a_systemd_timer_counts_from_the_boot_and_from_its_run(service: Service) -> None:
    service.unit("job", "boot 900\nactive 3600\n")
    assert [f"{each:%H:%M}" for each in service.runs(NOON, 3 * 3600)] == ["12:14", "13:14", "14:14"]
    later = NOON + timedelta(hours=4)
    (service.folder / "locks/job.ran").unlink()  # the folder is in memory
    assert [f"{each:%H:%M}" for each in service.runs(later, 3600)] == ["16:14"], "after each boot"


def test_a_time_after_the_boot_that_has_passed_takes_place_at_once(service: Service) -> None:
    service.unit("job", "boot 0\nactive 3600\n")
    assert [f"{each:%H:%M:%S}" for each in service.runs(NOON, 3700)] == ["12:00:00", "13:00:00"]


def test_a_random_delay_is_at_most_the_one_that_is_set(service: Service) -> None:
    service.unit("job", "calendar * * * * * 0 0 local\n", delay=600)
    runs = service.runs(NOON, 10 * 3600 + 900)
    assert len(runs) == 10
    assert all(each.minute < 10 for each in runs)
    assert len({each.minute * 60 + each.second for each in runs}) > 1


def test_a_missed_run_is_made_up_once(service: Service) -> None:
    """On a machine with a drive, whose state is kept."""
    service.timer("backup day 0 3 0 1 root")
    assert len(service.runs(NOON, DAY)) == 1
    later = NOON + timedelta(days=10)
    assert [f"{each:%d %H:%M}" for each in service.runs(later, DAY)] == ["07 12:00", "08 03:00"]


def test_a_machine_without_state_makes_up_nothing(service: Service) -> None:
    service.timer("backup day 0 3 0 1 root")
    assert service.runs(NOON, 3600) == []


@pytest.mark.parametrize("by", [400 * DAY, -400 * DAY, 7200, -7200])
def test_the_clock_is_set_at_boot(service: Service, by: int) -> None:
    """Times between the wrong and the right clock were not missed."""
    service.timer("backup day 0 3 0 1 root")
    wrong = NOON - timedelta(seconds=by)
    runs = service.runs(wrong, 2 * DAY, jump=(40, by))
    assert [f"{each:%d %H:%M}" for each in runs] == ["29 03:00", "30 03:00"]


def test_a_boot_with_a_wrong_clock_keeps_the_state(service: Service) -> None:
    """A machine without a battery starts in 1970; what ran before does not run again."""
    service.timer("backup day 0 3 0 1 root")
    assert len(service.runs(NOON, DAY)) == 1
    right = NOON + timedelta(days=1, hours=1)
    start = datetime(1970, 1, 1, tzinfo=UTC)
    by = int((right - start).total_seconds())
    assert [f"{each:%d %H:%M}" for each in service.runs(start, DAY, jump=(40, by))] == ["30 03:00"]


def test_a_small_step_back_repeats_nothing(service: Service) -> None:
    service.timer("backup day 0 3 0 1 root")
    start = datetime(2026, 3, 29, 2, 50, tzinfo=UTC)
    assert len(service.runs(start, 7200, jump=(620, -900))) == 1


def test_the_account_and_the_failure_are_in_the_log(service: Service) -> None:
    service.timer("backup period 60 0 0 1 nobody", "echo $USER; echo err >&2; exit 3")
    lines = service.output(NOON, 120)
    # With all groups of the account.
    said = ["as nobody:nogroup", "nobody", "err", "failed with status 3"]
    assert lines[:4] == [f"backup: {each}" for each in said]


def test_no_run_while_the_earlier_one_goes_on(service: Service) -> None:
    service.timer("backup period 60 0 0 1 root")
    (service.folder / "locks").mkdir()
    (service.folder / "locks/backup.held").touch()
    assert service.output(NOON, 120)[0] == "backup: the earlier run has not ended; this run is left out"


@settings(max_examples=5, suppress_health_check=FIXTURES)
@given(
    time=st.datetimes(),
    day=st.integers(0, 300),
    zone=st.sampled_from(
        ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]
    ),
)
def test_one_run_for_each_local_day(
    tmp_path_factory: pytest.TempPathFactory, tool: Tool, time: datetime, day: int, zone: str
) -> None:
    service = Service(tmp_path_factory.mktemp("timers") / "service", tool("busybox"))
    service.timer(f"daily day 0 {time.hour} {time.minute} 1 root")
    runs = service.runs(datetime(2026, 1, 1, 17, 3, 1, tzinfo=UTC) + timedelta(days=day), 3 * DAY, zone=zone)
    assert len(runs) == 3
    assert len({each.date() for each in runs}) == 3
    assert sum((each.hour, each.minute) == (time.hour, time.minute) for each in runs) >= 2
