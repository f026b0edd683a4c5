"""One line of a tmpfiles.d(5) file as a value. plan.py has the order of lines, shell.py the commands."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass

from notos.system.conf_words import LATE, LineError, expanded, simplified, unescaped, words

FOLDERS = frozenset("dDvqQ")
GLOBS = frozenset("wetTaAhHxXrRzZm")  # types whose path is a pattern, glob(7) with braces
MODIFIERS = "!+-=~^$?"
UNSUPPORTED = {  # types that the shell cannot do, and what they need
    **dict.fromkeys("tT", "extended attributes"),
    **dict.fromkeys("aA", "access control lists"),
    **dict.fromkeys("hH", "file attributes"),
}
_FIRST = frozenset("fFdDvqQpLcbCwexXrR")  # types that come before others for the same path
_NO_ARGUMENT = frozenset("dvqQeDpxXrRmzZ")
_PURGED = frozenset("CFfwevqQcbLpdD")
_EXPANDED = frozenset("CLfFw")
_AGE = re.compile(r"\s*(\d+(\.\d*)?\s*(us|usec|µs|μs|ms|msec|[a-zA-Z]*)\s*)+")
_UNITS = frozenset(
    (
        *("", "s", "sec", "second", "seconds", "m", "min", "minute", "minutes", "h", "hr", "hour", "hours"),
        *("d", "day", "days", "w", "week", "weeks", "M", "month", "months", "y", "year", "years"),
        *("ms", "msec", "us", "usec", "µs", "μs", "nsec", "ns"),
    )
)


@dataclass(frozen=True)
class Line:
    """A valid line. A field that is "-" or missing is None."""

    kind: str  # one letter
    modifiers: str
    path: str
    mode: int | None = None
    masked: bool = False  # ~: limited by the bits that the file has
    mode_if_new: bool = False  # :
    user: str | None = None
    user_if_new: bool = False
    group: str | None = None
    group_if_new: bool = False
    age: str = ""
    argument: str | None = None
    data: bytes | None = None  # the decoded argument of ~

    @property
    def is_glob(self) -> bool:
        """Return True if the path is a pattern."""
        return self.kind in GLOBS

    @property
    def is_first(self) -> bool:
        """Return True for types that create, remove or write, which come first for a path."""
        return self.kind in _FIRST

    @property
    def needs_machine_id(self) -> bool:
        """Return True if the line has no effect in a machine without /etc/machine-id."""
        return f"{LATE}m" in self.path + (self.argument or "")

    def conflicts(self, other: "Line") -> bool:
        """Return True if two lines for one path exclude each other, so that the later one is ignored."""
        if not (self.is_first and other.is_first):
            return False
        if self.kind == other.kind == "w" and "+" in self.modifiers and "+" in other.modifiers:
            return False
        return self._essence() != other._essence()

    def _essence(self) -> tuple[object, ...]:
        argument = self.data if self.data is not None else self.argument
        default = 0o755 if self.kind in FOLDERS else 0o644
        mode = (self.mode is None, default if self.mode is None else self.mode, self.mode_if_new, self.masked)
        owner = (self.user, self.user_if_new, self.group, self.group_if_new)
        return (argument, mode, owner, self.age)


def parsed(text: str, release: Mapping[str, str]) -> Line:
    """Return the line `text`; `release` has the fields of os-release(5).

    Raises LineError for a line that systemd-tmpfiles refuses.
    """
    found, rest = words(text, 6, escapes=True)
    if len(found) < 2 or not found[0]:
        raise LineError("a line of tmpfiles.d needs a type and a path")
    action, path, mode, user, group, age = [*found, *[""] * (6 - len(found))]
    kind, modifiers = action[0], action[1:]
    if any(each not in MODIFIERS or modifiers.count(each) > 1 for each in modifiers):
        raise LineError(f"the modifiers of {action} are not understood")
    path = expanded(path, release)
    if path.startswith("/var/run/") and path.strip("/") != "var/run":
        path = path.removeprefix("/var")
    if not path.startswith("/"):
        raise LineError(f"{path} is not an absolute path")
    argument = None if rest in ("", "-") else rest
    _check_kind(kind, modifiers, argument)
    data = None
    if argument is not None and kind in _EXPANDED and "~" not in modifiers:
        argument = expanded(unescaped(argument), release)
    if kind in _NO_ARGUMENT:
        argument = None
    elif argument is not None and "~" in modifiers and "^" not in modifiers:
        data = _decoded(argument)
    if kind == "C" and argument is not None and not argument.startswith("/"):
        raise LineError(f"the source {argument} is not an absolute path")
    if kind in "LC" and argument is None:
        argument = f"/usr/share/factory{simplified(path)}"
    if "^" in modifiers and argument is None:
        raise LineError("the name of the credential is missing")
    number, masked, mode_if_new = _mode(mode)
    _check_age(age)
    return Line(
        kind=kind,
        modifiers=modifiers,
        path=simplified(path),
        mode=number,
        masked=masked,
        mode_if_new=mode_if_new,
        user=_account(user),
        user_if_new=user.startswith(":"),
        group=_account(group),
        group_if_new=group.startswith(":"),
        age="" if age == "-" else age,
        argument=argument,
        data=data,
    )


def _check_kind(kind: str, modifiers: str, argument: str | None) -> None:
    if kind not in _FIRST | _NO_ARGUMENT | UNSUPPORTED.keys():
        raise LineError(f"a line of type {kind} is not understood")
    if kind in "wcbtTaAhH" and argument is None:
        raise LineError(f"a line of type {kind} needs an argument")
    if kind in "LCcbtTaAhH" and "~" in modifiers:
        raise LineError(f"a line of type {kind} does not take base64 (~)")
    if "$" in modifiers and kind not in _PURGED:
        raise LineError(f"a line of type {kind} does not take $")
    if "?" in modifiers and kind != "L":
        raise LineError(f"a line of type {kind} does not take ?")
    if kind in "cb" and argument is not None and not re.fullmatch(r"[0-9]+:[0-9]+", argument):
        raise LineError(f"{argument} is not a device number; write MAJOR:MINOR")


def _decoded(argument: str) -> bytes:
    plain = re.sub(r"[ \t\n\r]", "", argument)
    try:
        return base64.b64decode(plain.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise LineError(f"{argument} is not base64") from error


def _mode(field: str) -> tuple[int | None, bool, bool]:
    """Return the mode, and True for a mode that is limited (~) and one for new files only (:)."""
    if field in ("", "-"):
        return None, False, False
    digits = field.lstrip("~:")
    marks = field[: len(field) - len(digits)]
    if not re.fullmatch(r"[0-7]+", digits) or int(digits, 8) > 0o7777:
        raise LineError(f"{field} is not a mode; write octal digits, such as 0755")
    return int(digits, 8), "~" in marks, ":" in marks


def _account(field: str) -> str | None:
    if field in ("", "-"):
        return None
    name = field.removeprefix(":")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise LineError(f"{field} is not the name of an account")
    return name


def _check_age(field: str) -> None:
    if field in ("", "-"):
        return
    kinds, colon, seconds = field.removeprefix("~").partition(":")
    if not colon:
        kinds, seconds = "a", kinds
    known = re.fullmatch(r"[abcmABCM \t]*[abcmABCM][abcmABCM \t]*", kinds)
    units = re.findall(r"[a-zA-Zµμ]+", seconds)
    valid = seconds == "infinity" or (_AGE.fullmatch(seconds) and all(each in _UNITS for each in units))
    if not known or not valid:
        raise LineError(f"{field} is not an age; write, for example, 10d")
