"""Timer units (systemd.timer(5)): their schedules and the unit that they start."""

from notos.errors import NotosError
from notos.units import calendar, unit_names, values
from notos.units.model import Context, Timer
from notos.units.report import Report
from notos.units.section import Section
from notos.units.translate import read_sections
from notos.units.unit_files import UnitFiles

_BASES = {
    **{"OnActiveSec": "active", "OnBootSec": "boot", "OnStartupSec": "startup"},
    **{"OnUnitActiveSec": "unit-active", "OnUnitInactiveSec": "unit-inactive"},
}
_ACCURACY = 60 * 1_000_000


def timer(name: str, files: UnitFiles, context: Context) -> Timer:
    """Return the schedules of the timer unit `name` ("logrotate.timer"), and the unit that it starts.

    Raises NotosError with one part for each setting that is invalid or not supported, with its file and line.
    """
    try:
        unit = files.load(name)
    except NotosError as error:
        raise NotosError(error.message, hint=error.hint, keys=context.keys) from None
    report = Report(unit.name, context.keys)
    for note in unit.notes:
        report.note(note)
    sections = read_sections(unit, context, report, ("Timer", "Unit", "Install"))
    section = sections["Timer"]
    calendars, monotonic = _schedules(section)
    starts = _starts(section, unit.name)
    if not calendars and not monotonic and not report.failed:
        report.unit_error("it has no On…= that can be followed here", "set: {Timer.OnCalendar: daily}")
    if starts and not files.exists(starts):
        report.unit_error(f"no package has the unit {starts}, which it starts")
    delay = section.last(values.time, "RandomizedDelaySec") or 0
    accuracy = section.last(values.time, "AccuracySec")
    report.raise_errors()
    return Timer(
        unit=unit.name,
        starts=files.canonical(starts),
        calendars=tuple(dict.fromkeys(calendars)),
        monotonic=tuple(monotonic),
        persistent=bool(section.last(values.boolean, "Persistent")) and bool(calendars),
        random_delay=delay / 1_000_000,
        fixed_random_delay=bool(section.last(values.boolean, "FixedRandomDelay")),
        accuracy=(_ACCURACY if accuracy is None else accuracy) / 1_000_000,
        notes=report.notes(),
    )


def _schedules(section: Section) -> tuple[list[str], list[tuple[str, float]]]:
    """Return the calendar events and the monotonic times; an empty value of any key removes all of both."""
    calendars: list[str] = []
    monotonic: list[tuple[str, float]] = []
    for setting in section.every("OnCalendar", *_BASES):
        if not setting.value:
            calendars, monotonic = [], []
            continue
        text = section.expanded(setting, setting.value)
        if text is None:
            continue
        try:
            if setting.key == "OnCalendar":
                calendars.append(str(calendar.parse(text)))
            else:
                microseconds = values.time(text)
                if microseconds is not None:
                    monotonic.append((_BASES[setting.key], microseconds / 1_000_000))
        except ValueError as error:
            section.report.ignored(setting, f"{text}: {error}")
    return calendars, monotonic


def _starts(section: Section, name: str) -> str:
    """Return the unit of Unit=, or the service with the timer's name."""
    found = unit_names.with_kind(name, "service")
    for setting in section.all("Unit"):
        text = section.expanded(setting, setting.value)
        if text and unit_names.is_valid(text) and unit_names.kind(text) != "timer":
            found = text
        elif text:
            section.report.ignored(setting, f"{text} is not a unit that a timer can start")
    return found
