"""Specifiers of settings (%n, %i, %t, …; systemd.unit(5)) that are known at build time.

The user of %u, %h and so on is that of the service manager, root. %b (boot ID), %m (machine ID) and %v
(kernel release) differ with each machine or boot, so a setting that contains them cannot be translated.
"""

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from notos.units import unit_names
from notos.units.words import WordError

_FIXED = {
    **{"C": "/var/cache", "D": "/usr/share", "E": "/etc", "L": "/var/log", "S": "/var/lib", "t": "/run"},
    **{"T": "/tmp", "V": "/var/tmp"},
    **{"h": "/root", "s": "/bin/sh", "u": "root", "U": "0", "g": "root", "G": "0"},
}
_RELEASE = {
    **{"A": "IMAGE_VERSION", "B": "BUILD_ID", "M": "IMAGE_ID", "o": "ID", "w": "VERSION_ID"},
    **{"W": "VARIANT_ID"},
}
_LATE = {
    **{"b": "the boot ID", "m": "the machine ID", "v": "the kernel's release", "q": "the pretty hostname"},
    **{"c": "the control group", "r": "the control group", "R": "the control group"},
}
_POSSIBLE = string.ascii_letters + string.digits + "%"


class SpecifierError(ValueError):
    """A specifier without a value; the message says which.

    `unknown` is True for one that systemd does not know either.
    """

    def __init__(self, message: str, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown


@dataclass(frozen=True)
class Specifiers:
    """The values of the specifiers in a unit."""

    name: str  # the unit's
    fragment: str  # absolute path of the unit's file
    hostname: str
    release: Mapping[str, str]  # fields of os-release(5)
    architecture: str  # systemd's name

    def expand(self, text: str) -> str:
        """Return `text` with all specifiers replaced. Raises SpecifierError."""
        if "%" not in text:
            return text
        out, at = [], 0
        while at < len(text):
            char = text[at]
            at += 1
            if char == "%" and at < len(text):
                char = self._value(text[at])
                at += 1
            out.append(char)
        return "".join(out)

    def _value(self, letter: str) -> str:
        if letter == "%":
            return "%"
        if letter in _FIXED:
            return _FIXED[letter]
        if letter in _RELEASE:
            return self.release.get(_RELEASE[letter], "")
        if letter in _LATE:
            raise SpecifierError(f"%{letter} ({_LATE[letter]}) is not known at build time")
        if letter in "Hl":
            if not self.hostname:
                raise SpecifierError(f"%{letter} needs a hostname in the config")
            return self.hostname if letter == "H" else self.hostname.partition(".")[0]
        get = _NAMES.get(letter)
        if get:
            try:
                return get(self)
            except WordError as error:
                raise SpecifierError(f"%{letter}: {error}", unknown=True) from None
        if letter in _POSSIBLE:
            message = f"%{letter} is not a specifier; write %% for a percent sign"
            raise SpecifierError(message, unknown=True)
        return "%" + letter


def _last(each: Specifiers) -> str:
    return unit_names.prefix(each.name).rpartition("-")[2]


_NAMES: Mapping[str, Callable[[Specifiers], str]] = {
    "a": lambda each: each.architecture,
    "d": lambda each: f"/run/credentials/{each.name}",
    "f": lambda each: unit_names.unescaped_path(
        unit_names.instance(each.name) or unit_names.prefix(each.name)
    ),
    "i": lambda each: unit_names.instance(each.name),
    "I": lambda each: unit_names.unescaped(unit_names.instance(each.name)),
    "j": _last,
    "J": lambda each: unit_names.unescaped(_last(each)),
    "n": lambda each: each.name,
    "N": lambda each: unit_names.stem(each.name),
    "p": lambda each: unit_names.prefix(each.name),
    "P": lambda each: unit_names.unescaped(unit_names.prefix(each.name)),
    "y": lambda each: each.fragment,
    "Y": lambda each: each.fragment.rpartition("/")[0],
}
