"""Relations between packages, such as "libc6 (>= 2.38), debconf | debconf-2.0". No packages are looked up.

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
    """A package name with a version constraint; `operator` is empty without a constraint."""

    name: str
    operator: str = ""
    version: str = ""

    def accepts(self, version: str) -> bool:
        """Return True if `version` meets the constraint; "" (an unversioned Provides) meets none."""
        if not self.operator:
            return True
        return bool(version) and _ACCEPTED[self.operator](compare(version, self.version))

    def __str__(self) -> str:
        return f"{self.name} ({self.operator} {self.version})" if self.operator else self.name


@cache
def parse(text: str) -> tuple[tuple[Relation, ...], ...]:
    """Return the groups of alternatives in a Depends or Provides field. Raises LockError."""
    return tuple(
        tuple(_relation(part.strip()) for part in group.split("|"))
        for group in text.split(",")
        if group.strip()
    )


@cache
def compare(one: str, other: str) -> int:
    """Return < 0, 0 or > 0 if the version `one` is older than, equal to or newer than `other`."""
    from debian.debian_support import version_compare

    order: int = version_compare(one, other)
    return order


version_key = cmp_to_key(compare)


def _relation(text: str) -> Relation:
    match = _RELATION.fullmatch(text)
    if match is None:
        raise LockError(f"invalid relation in an index: {text!r}", hint="set another debian.mirror")
    return Relation(match["name"], match["operator"] or "", match["version"] or "")
