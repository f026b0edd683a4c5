"""Values of settings: booleans, times, sizes, percentages, limits, modes and lists of names.

Each function takes the text of a value and raises ValueError with a message of a few words. The formats are
those of systemd.syntax(7), systemd.time(7) and the pages of the keys; systemd 257 is the reference.
"""

import re

from notos.units.names import CAPABILITIES, ERRORS, EXIT_STATUSES, SIGNALS

INFINITY = "infinity"
_TRUE = ("1", "yes", "y", "true", "t", "on")
_FALSE = ("0", "no", "n", "false", "f", "off")
_SECOND = 1_000_000
_UNITS = (  # the first suffix that matches is taken, so longer ones stand first
    *(("seconds", _SECOND), ("second", _SECOND), ("sec", _SECOND), ("s", _SECOND)),
    *(("minutes", 60 * _SECOND), ("minute", 60 * _SECOND), ("min", 60 * _SECOND)),
    *(("months", 2_629_800 * _SECOND), ("month", 2_629_800 * _SECOND), ("M", 2_629_800 * _SECOND)),
    *(("msec", 1000), ("ms", 1000), ("m", 60 * _SECOND)),
    *(("hours", 3600 * _SECOND), ("hour", 3600 * _SECOND), ("hr", 3600 * _SECOND), ("h", 3600 * _SECOND)),
    *(("days", 86_400 * _SECOND), ("day", 86_400 * _SECOND), ("d", 86_400 * _SECOND)),
    *(("weeks", 604_800 * _SECOND), ("week", 604_800 * _SECOND), ("w", 604_800 * _SECOND)),
    *(("years", 31_557_600 * _SECOND), ("year", 31_557_600 * _SECOND), ("y", 31_557_600 * _SECOND)),
    *(("usec", 1), ("us", 1), ("µs", 1), ("μs", 1)),
)
_LARGEST = 2**64 - 1
_TIME = re.compile(r"[ \t\n\r]*(\+?\d+)?(\.(\d*))?")
_SIZE = re.compile(r"[ \t\n\r]*(\+?\d+)(?:\.(\d*))?[ \t\n\r]*([EPTGMKB]?)")
_SUFFIXES = "EPTGMKB"
_PERCENT = re.compile(r"(\d+)(?:\.(\d{1,2}))?%|(\d+)(?:\.(\d))?‰|(\d+)‱")
_INTEGER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|[0-9]+)")
REALTIME_SIGNALS = (34, 64)  # SIGRTMIN and SIGRTMAX of glibc


def boolean(text: str) -> bool:
    """Return the boolean."""
    word = text.lower()
    if word not in _TRUE + _FALSE:
        raise ValueError("not a boolean")
    return word in _TRUE


def integer(text: str, least: int, most: int) -> int:
    """Return the integer, between `least` and `most`. Like strtol(3), a leading zero means octal."""
    word = text.strip(" \t\n\r")
    if not _INTEGER.fullmatch(word):
        raise ValueError("not an integer")
    sign, digits = (-1, word[1:]) if word[0] == "-" else (1, word.lstrip("+"))
    octal = len(digits) > 1 and digits[0] == "0" and digits.isdigit()
    try:
        number = sign * int(digits, 8 if octal else 0)
    except ValueError:
        raise ValueError("not an integer") from None
    if not least <= number <= most:
        raise ValueError(f"not between {least} and {most}")
    return number


def time(text: str, unit: int = _SECOND) -> int | None:
    """Return the microseconds, None for infinity; a number without a unit counts `unit` microseconds."""
    rest = text.strip(" \t\n\r")
    if rest == INFINITY:
        return None
    total, found = 0, False
    while rest:
        match = _TIME.match(rest)
        if not match or (match[1] is None and match[2] is None):
            raise ValueError("not a time")
        rest = rest[match.end() :]
        bare = rest.lstrip(" \t\n\r")
        for suffix, microseconds in _UNITS:
            if bare.startswith(suffix):
                factor, rest = microseconds, bare[len(suffix) :]
                break
        else:
            factor = unit
            if rest and rest == bare:  # a further number needs a blank before it
                raise ValueError("not a time")
            rest = bare
        if (match[2] is not None and not match[3]) or int(match[1] or 0) >= 2**63:
            raise ValueError("not a time")
        total += int(match[1] or 0) * factor
        part = factor // 10
        for digit in match[3] or "":
            total += int(digit) * part
            part //= 10
        found = True
        if total >= _LARGEST:
            raise ValueError("too long a time")
        rest = rest.lstrip(" \t\n\r")
    if not found:
        raise ValueError("not a time")
    return total


def size(text: str, base: int = 1024) -> int:
    """Return the bytes of a size such as 1.5G or 1G 512M."""
    rest, total, start = text, 0, 0
    suffixes = [*_SUFFIXES, ""]
    while True:
        match = _SIZE.match(rest)
        if not match or match[3] not in suffixes[start:]:
            raise ValueError("not a size")
        power = 0 if match[3] in ("", "B") else len(_SUFFIXES) - 1 - _SUFFIXES.index(match[3])
        fraction = float(int(match[2] or 0))
        for _ in match[2] or "":
            fraction /= 10  # digit by digit, as systemd does, for the same rounding
        if int(match[2] or 0) > _LARGEST:
            raise ValueError("too many digits")
        factor = int(base**power)
        total += int(match[1]) * factor + int(fraction * factor)
        if total > _LARGEST:
            raise ValueError("too large a size")
        start = suffixes.index(match[3]) + 1
        rest = rest[match.end() :]
        if not rest:
            return total


def permyriad(text: str) -> int:
    """Return a percentage (12.5%), per mille or per myriad (‱) as ten thousandths; it may exceed 100%."""
    match = _PERCENT.fullmatch(text)
    if not match:
        raise ValueError("not a percentage")
    if match[1]:
        return int(match[1]) * 100 + int((match[2] or "0").ljust(2, "0"))
    return int(match[3]) * 10 + int(match[4] or 0) if match[3] else int(match[5])


def mode(text: str) -> int:
    """Return the file mode, an octal number."""
    if not re.fullmatch(r"[0-7]+", text) or int(text, 8) > 0o7777:
        raise ValueError("not a file mode")
    return int(text, 8)


def signal(text: str) -> int:
    """Return the number of a signal: a number, TERM, SIGTERM or RTMIN+3."""
    if re.fullmatch(r"[+-]?\d+", text):
        return integer(text, 1, REALTIME_SIGNALS[1])
    name = text.removeprefix("SIG")
    if name in SIGNALS:
        return SIGNALS[name]
    least, most = REALTIME_SIGNALS
    match = re.fullmatch(r"RTMIN(?:\+(\d+))?|RTMAX(?:-(\d+))?", name)
    if match:
        number = least + int(match[1] or 0) if name.startswith("RTMIN") else most - int(match[2] or 0)
        if least <= number <= most:
            return number
    raise ValueError(f"{text} is not a signal")


def status_or_signal(text: str) -> str:
    """Return an exit status as a number, or a signal as SIG and its number (SIG15)."""
    if text in EXIT_STATUSES:
        return str(EXIT_STATUSES[text])
    if text.isdigit():
        return str(integer(text, 0, 255))
    return f"SIG{signal(text)}"


def error_number(text: str) -> int:
    """Return the number of an errno(3) name, or a number of 0 to 4095."""
    if text in ERRORS:
        return ERRORS[text]
    try:
        return integer(text, 0, 4095)
    except ValueError:
        raise ValueError(f"{text} is not an error number") from None


def capability(text: str) -> int:
    """Return the number of a capability: its name, in any case, or a number."""
    name = text.upper()
    if name in CAPABILITIES:
        return CAPABILITIES[name]
    if text.isdigit() and int(text) < 63:
        return int(text)
    raise ValueError(f"{text} is not a capability")


def limit(resource: str, text: str) -> tuple[str, str]:
    """Return the soft and the hard limit of Limit… (systemd.exec(5)): numbers or infinity.

    `resource` is the part after Limit: NOFILE and so on.
    """
    soft, colon, hard = text.partition(":")
    low = _limit(resource, soft)
    high = _limit(resource, hard) if colon else low
    if high is not None and (low is None or low > high):
        raise ValueError("the soft limit exceeds the hard limit")
    return tuple(INFINITY if each is None else str(each) for each in (low, high))  # type: ignore[return-value]


def _limit(resource: str, text: str) -> int | None:
    if text == INFINITY:
        return None
    if resource in ("CPU", "RTTIME"):
        microseconds = time(text, _SECOND if resource == "CPU" else 1)
        seconds = None if microseconds is None else -(-microseconds // _SECOND)
        return seconds if resource == "CPU" else microseconds
    if resource == "NICE" and text[:1] in ("+", "-"):
        return 20 - integer(text, -20, 19)
    if resource in ("FSIZE", "DATA", "STACK", "CORE", "RSS", "AS", "MEMLOCK", "MSGQUEUE"):
        return size(text)
    return integer(text, 0, 40 if resource == "NICE" else _LARGEST - 1)


def processors(text: str) -> tuple[int, ...]:
    """Return the numbers of a list of processors or memory nodes: "0-3 5,7"."""
    found: set[int] = set()
    for word in re.split(r"[\s,]+", text):
        if not word:
            continue
        first, dash, last = word.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or int(last or first) > 8191:
            raise ValueError(f"{word} is not a range of processors")
        if last and int(first) > int(last):
            raise ValueError(f"{word} is not a range of processors")
        found.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(found))


def ranges(numbers: tuple[int, ...]) -> str:
    """Return sorted numbers as ranges: 0-3,5."""
    found: list[list[int]] = []
    for each in numbers:
        if found and found[-1][1] == each - 1:
            found[-1][1] = each
        else:
            found.append([each, each])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in found)
