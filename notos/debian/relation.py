"""Relations between packages, such as "libc6 (>= 2.38), debconf | debconf-2.0". No packages are looked up.

Source: Debian policy 7.1, deb-control(5); versions compare as in deb-version(7).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cmp_to_key

from notos.errors import LockError

# A name, a qualifier (perl:any), a version, architectures ([any]), build profiles (<!nocheck>).
_RELATION = re.compile(
    r"""(?P<name>[^][\s:()<>|,]+)(?::[^][\s()<>|,]+)?
    \s*(?:\(\s*(?P<operator><<|<=|<|=|>=|>>|>)?\s*(?P<version>[^\s()<=>]+)\s*\))?
    \s*(?:\[(?P<architectures>[^][]*)\])?
    \s*(?P<profiles>(?:<[^<>]*>\s*)*)""",
    re.VERBOSE,
)
# dpkg reads these as the others, and a version without an operator as an exact one.
_DEPRECATED = {"<": "<=", ">": ">=", None: "="}
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
def parse(text: str, architecture: str = "") -> tuple[tuple[Relation, ...], ...]:
    """Return the groups of alternatives in a Depends or Provides field. Raises LockError.

    Alternatives that are restricted to other architectures than `architecture` (Debian's name; "" excludes
    none) or to build profiles, which no binary package has, are left out.
    """
    found = []
    for group in text.split(","):
        if group.strip():
            parts = [_relation(part.strip(), architecture) for part in group.split("|")]
            if kept := tuple(each for each in parts if each is not None):
                found.append(kept)
    return tuple(found)


def unrestricted(text: str, architecture: str) -> str:
    """Return a field without restrictions: with the relations that apply to `architecture`. Raises LockError.

    Binary packages have none (Debian policy 7.1), but dpkg reads them.
    """
    if "[" not in text and not re.search(r"<[^<=>]*>", text):
        return text
    return ", ".join(" | ".join(map(str, group)) for group in parse(text, architecture))


@cache
def compare(one: str, other: str) -> int:
    """Return < 0, 0 or > 0 if the version `one` is older than, equal to or newer than `other`."""
    from debian.debian_support import version_compare

    order: int = version_compare(one, other)
    return order


version_key = cmp_to_key(compare)


def _relation(text: str, architecture: str) -> Relation | None:
    """Return the relation, None if its restrictions exclude `architecture`."""
    match = _RELATION.fullmatch(text)
    if match is None:
        raise LockError(f"invalid relation: {text!r}", hint="the archive is broken")
    if not _is_for(match["architectures"], architecture) or not _is_without_profile(match["profiles"]):
        return None
    version = match["version"] or ""
    operator = match["operator"]
    return Relation(match["name"], _DEPRECATED.get(operator, operator or "") if version else "", version)


def _is_for(restriction: str | None, architecture: str) -> bool:
    """Return True if `restriction` ("linux-any", "!any") includes `architecture`."""
    if not architecture or not (words := (restriction or "").split()):
        return True
    cpu = architecture.rpartition("-")[2]
    names = {architecture, "any", "linux-any", f"any-{cpu}", f"linux-{cpu}"}
    excluded = {each.removeprefix("!") for each in words if each.startswith("!")}
    return not names & excluded if excluded else bool(names & set(words))


def _is_without_profile(formula: str) -> bool:
    """Return True if `formula` ("<!nocheck> <!cross !stage1>") holds without a build profile."""
    terms = re.findall(r"<([^<>]*)>", formula)
    return not terms or any(all(word.startswith("!") for word in term.split()) for term in terms)
