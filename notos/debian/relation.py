"""Relations between packages: "libc6 (>= 2.38), debconf | debconf-2.0"; never who satisfies them.

Source: Debian policy 7.1, deb-control(5); versions compare as in deb-version(7).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cmp_to_key

from notos.errors import LockError

_RELATION = re.compile(
    r"(?P<name>[^\s:()|,]+)(?::[^\s()|,]+)?\s*(?:\(\s*(?P<operator><<|<=|=|>=|>>)\s*(?P<version>[^\s()]+)\s*\))?"
)
_ACCEPTED: dict[str, Callable[[int], bool]] = {
    "<<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    "=": lambda order: order == 0,
    ">=": lambda order: order >= 0,
    ">>": lambda order: order > 0,
}


@dataclass(frozen=True)
class Relation:
    """A package by name, with a constraint on its version; `operator` is empty without one."""

    name: str
    operator: str = ""
    version: str = ""

    def accepts(self, version: str) -> bool:
        """Whether this `version` will do; "" (a Provides without one) does only without a constraint."""
        if not self.operator:
            return True
        return bool(version) and _ACCEPTED[self.operator](compare(version, self.version))

    def __str__(self) -> str:
        return f"{self.name} ({self.operator} {self.version})" if self.operator else self.name


@cache
def parse(text: str) -> tuple[tuple[Relation, ...], ...]:
    """The groups of alternatives in a Depends or Provides field. Raises LockError."""
    return tuple(
        tuple(_relation(part.strip()) for part in group.split("|"))
        for group in text.split(",")
        if group.strip()
    )


@cache
def compare(one: str, other: str) -> int:
    """Less than, equal to or greater than 0, as `one` is older than, the same as or newer than `other`."""
    from debian.debian_support import version_compare

    order: int = version_compare(one, other)
    return order


version_key = cmp_to_key(compare)


def _relation(text: str) -> Relation:
    match = _RELATION.fullmatch(text)
    if match is None:
        raise LockError(f"an index has a relation that is none: {text!r}", hint="set another debian.mirror")
    return Relation(match["name"], match["operator"] or "", match["version"] or "")
