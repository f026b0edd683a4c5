"""Calendar events of OnCalendar= (systemd.time(7)), normalized as systemd-analyze(1) prints them."""

import re
from dataclasses import dataclass, replace

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = re.compile(
    "|".join(f"({long}|{short.lower()})(?=[-., ]|$)" for long, short in zip(_LONG_DAYS, _DAYS, strict=True))
)
_NAMED = {
    "minutely": "*-*-* *:*:0",
    "hourly": "*-*-* *:0:0",
    "daily": "*-*-* 0:0:0",
    "weekly": "mon *-*-* 0:0:0",
    "monthly": "*-*-1 0:0:0",
    "quarterly": "*-1,4,7,10-1 0:0:0",
    **dict.fromkeys(("annually", "yearly", "anually"), "*-1-1 0:0:0"),
    **dict.fromkeys(("biannually", "bi-annually", "semiannually", "semi-annually"), "*-1,7-1 0:0:0"),
}
_PART = re.compile(r"(\d+(?:\.\d+)?)(?:\.\.(\d+(?:\.\d+)?))?(?:/(\d+(?:\.\d+)?))?(?=[ ,:~-]|$)")
_LARGEST = 2**31 - 1
_MICROSECONDS = 1_000_000
# Names of time zones: with a slash, or short ones such as CET and EST5EDT.
_ZONE = re.compile(r"[A-Za-z_]+(?:/[A-Za-z0-9_+-]+)+|[A-Z]{3}(?:\d[A-Z]{3})?")


@dataclass(frozen=True, order=True)
class Part:
    """Numbers from `start`, in steps of `repeat`, until `stop` (-1: no end). Seconds are in microseconds."""

    start: int
    stop: int = -1
    repeat: int = 0


Chain = tuple[Part, ...]  # () stands for every number


@dataclass(frozen=True)
class Calendar:
    """A calendar event."""

    weekdays: frozenset[int] = frozenset()  # 0 is Monday; empty: all
    year: Chain = ()
    month: Chain = ()
    day: Chain = ()
    end_of_month: bool = False  # days count from the last one
    hour: Chain = ()
    minute: Chain = ()
    second: Chain = (Part(0),)
    zone: str = ""  # UTC, a time zone, or empty for that of the machine

    def __str__(self) -> str:
        date = f"{_text(self.year, 4)}-{_text(self.month, 2)}{'~' if self.end_of_month else '-'}"
        time = f"{_text(self.hour, 2)}:{_text(self.minute, 2)}:{_text(self.second, 2, _MICROSECONDS)}"
        days = _days_text(self.weekdays)
        return " ".join(filter(None, (days, date + _text(self.day, 2), time, self.zone)))


class _Reader:
    """The text of an event and the place in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def next(self) -> str:
        """Return the next character, empty at the end."""
        return self.text[self.at : self.at + 1]

    def blanks(self) -> None:
        """Go to the next character that is not a blank."""
        while self.next() == " ":
            self.at += 1


def parse(text: str) -> Calendar:
    """Return the event in `text`. Raises ValueError for an invalid one."""
    zone, rest = "", text
    if rest[-4:].lower() == " utc":
        zone, rest = "UTC", rest[:-4]
    else:
        before, blank, last = rest.rpartition(" ")
        if blank and _ZONE.fullmatch(last) and not _DAY.match(last.lower()):
            zone, rest = last, before
    reader = _Reader(_NAMED.get(rest.lower(), rest))
    if not reader.text:
        raise ValueError("not a calendar event")
    weekdays = _weekdays(reader)
    made = _date(reader, Calendar(weekdays, zone=zone))
    if reader.at < 0:
        return _checked(made)
    return _checked(_time(reader, made))


def _weekdays(reader: _Reader) -> frozenset[int]:
    found: set[int] = set()
    first = -1  # of an open range
    while match := _DAY.match(reader.text.lower(), reader.at):
        day = next(at for at in range(7) if match[at + 1])
        reader.at = match.end()
        if first > day:
            raise ValueError("a range of weekdays that ends before it begins")
        found.update(range(first if first >= 0 else day, day + 1))
        char = reader.next()
        if char in ("", " "):
            reader.blanks()
            return frozenset(found)
        if char in (".", "-"):
            if first >= 0 or (char == "." and reader.text[reader.at : reader.at + 2] != ".."):
                raise ValueError("not a range of weekdays")
            reader.at += 2 if char == "." else 1
            first = day
        else:
            reader.at += 1
            first = -1
        if reader.next() in ("", " "):
            if first >= 0:
                raise ValueError("a range of weekdays without an end")
            reader.blanks()
            return frozenset(found)
    if found:
        raise ValueError("not a weekday")
    return frozenset()


def _chain(reader: _Reader, unit: int = 1) -> Chain:
    """Return the parts at the reader's place; `unit` is the number of parts of a second."""
    if reader.next() == "*":
        reader.at += 1
        return (Part(0, -1, unit),) if unit > 1 else ()
    found: list[Part] = []
    while True:
        match = _PART.match(reader.text, reader.at)
        if not match:
            raise ValueError("not a calendar event")
        numbers = [_number(match[at], unit) for at in (1, 2, 3)]
        start = numbers[0] or 0
        stop = -1 if numbers[1] is None else numbers[1]
        if numbers[2] == 0:
            raise ValueError("a repetition of 0")
        repeat = numbers[2] if numbers[2] is not None else unit if stop >= 0 else 0
        if unit > 1 and numbers[2] is None and stop >= 0 and start + repeat > stop:
            raise ValueError("a range of less than a second")
        found.append(Part(start, stop, repeat))
        reader.at = match.end()
        if reader.next() != ",":
            return tuple(found)
        reader.at += 1


def _number(text: str | None, unit: int) -> int | None:
    if text is None:
        return None
    whole, dot, part = text.partition(".")
    if dot and (unit == 1 or not part):
        raise ValueError(f"{text} is not a whole number")
    value = int(whole) * unit
    if dot:
        digits = part[:7].ljust(7, "0")  # systemd rounds the seventh digit
        value += int(digits[:6]) + (int(digits[6]) >= 5)
    if value > _LARGEST:
        raise ValueError(f"{text} is too large")
    return value


def _date(reader: _Reader, made: Calendar) -> Calendar:
    """Return `made` with the date at the reader's place, or unchanged if there is a time."""
    if not reader.next():
        return made
    if reader.next() == "@":
        return _timestamp(reader)
    begin = reader.at
    first = _chain(reader)
    if reader.next() in ("", ":"):
        reader.at = begin
        return made
    end = _separator(reader)
    second = _chain(reader)
    if reader.next() in ("", " "):
        reader.blanks()
        return replace(made, month=first, day=second, end_of_month=end)
    if end:
        raise ValueError("not a date")
    end = _separator(reader)
    third = _chain(reader)
    if reader.next() not in ("", " "):
        raise ValueError("not a date")
    reader.blanks()
    return replace(made, year=first, month=second, day=third, end_of_month=end)


def _separator(reader: _Reader) -> bool:
    """Go past the sign between parts of a date; return True for ~."""
    char = reader.next()
    if char not in ("-", "~") or not char:
        raise ValueError("not a date")
    reader.at += 1
    return char == "~"


def _timestamp(reader: _Reader) -> Calendar:
    """Return the event of @SECONDS since 1970."""
    from datetime import UTC, datetime

    match = re.fullmatch(r"@\s*\+?(\d{1,11})", reader.text[reader.at :], re.ASCII)
    if not match:
        raise ValueError("not a time stamp")
    moment = datetime.fromtimestamp(int(match[1]), UTC)
    reader.at = -1
    parts = (moment.year, moment.month, moment.day, moment.hour, moment.minute)
    year, month, day, hour, minute = ((Part(each),) for each in parts)
    second = (Part(moment.second * _MICROSECONDS),)
    return Calendar(frozenset(), year, month, day, False, hour, minute, second, "UTC")


def _time(reader: _Reader, made: Calendar) -> Calendar:
    if not reader.next():
        return replace(made, hour=(Part(0),), minute=(Part(0),))
    hour = _chain(reader)
    if reader.next() != ":":
        raise ValueError("not a time of day")
    reader.at += 1
    minute = _chain(reader)
    if not reader.next():
        return replace(made, hour=hour, minute=minute)
    if reader.next() != ":":
        raise ValueError("not a time of day")
    reader.at += 1
    second = _chain(reader, _MICROSECONDS)
    if reader.next():
        raise ValueError("not a time of day")
    return replace(made, hour=hour, minute=minute, second=second)


def _checked(made: Calendar) -> Calendar:
    """Return the event in systemd's normal form. Raises ValueError for numbers out of range."""
    years = tuple(Part(_year(each.start), _year(each.stop), each.repeat) for each in made.year)
    normal = replace(
        made,
        weekdays=frozenset() if len(made.weekdays) == 7 else made.weekdays,
        year=_normal(years),
        month=_normal(made.month),
        day=_normal(made.day),
        hour=_normal(made.hour),
        minute=_normal(made.minute),
        second=_normal(made.second),
    )
    for chain, least, most in (
        (normal.year, 1970, 2199),
        (normal.month, 1, 12),
        (normal.day, 1, 28 if normal.end_of_month else 31),
        (normal.hour, 0, 23),
        (normal.minute, 0, 59),
        (normal.second, 0, 60 * _MICROSECONDS - 1),
    ):
        backwards = normal.end_of_month and chain is normal.day
        if not all(_fits(part, least, most, backwards=backwards) for part in chain):
            raise ValueError("a number out of range")
    return normal


def _year(number: int) -> int:
    """Return a year for one of two digits: 12 is 2012, 89 is 1989."""
    return number + 2000 if 0 <= number < 70 else number + 1900 if 70 <= number < 100 else number


def _normal(chain: Chain) -> Chain:
    found: set[Part] = set()
    for each in chain:
        start, stop, repeat = each.start, each.stop, each.repeat
        if stop > start and repeat > 0:
            stop -= (stop - start) % repeat
        if (stop > start and repeat > 0 and start + repeat > stop) or start == stop:
            stop, repeat = -1, 0
        found.add(Part(start, stop, repeat))
    return tuple(sorted(found))


def _fits(part: Part, least: int, most: int, *, backwards: bool) -> bool:
    if not least <= part.start <= most or part.repeat > most - least:
        return False
    if part.stop >= 0:
        return least <= part.stop <= most and part.start + part.repeat <= part.stop
    return part.start - part.repeat >= least if backwards else part.start + part.repeat <= most


def _days_text(days: frozenset[int]) -> str:
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and runs[-1][1] == day - 1:
            runs[-1][1] = day
        else:
            runs.append([day, day])
    texts = []
    for first, last in runs:
        between = "" if last == first else "," if last == first + 1 else ".."
        texts.append(_DAYS[first] + (between + _DAYS[last] if between else ""))
    return ",".join(texts)


def _text(chain: Chain, width: int, unit: int = 1) -> str:
    if not chain or (unit > 1 and chain == (Part(0, -1, unit),)):
        return "*"
    return ",".join(_part_text(part, width, unit) for part in chain)


def _part_text(part: Part, width: int, unit: int) -> str:
    def number(value: int, digits: int) -> str:
        rest = f".{value % unit:06}" if value % unit else ""
        return f"{value // unit:0{digits}}{rest}"

    text = number(part.start, width)
    if part.stop > 0:
        text += f"..{number(part.stop, width)}"
    if part.repeat > 0 and not (part.stop > 0 and part.repeat == unit):
        text += f"/{number(part.repeat, 1)}"
    return text
