"""The sources of a lock: the further archives that its packages were chosen with.

Keys and validity dates are no part of them: a locked hash is not verified again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from notos.config.model import PackageSource
from notos.debian import policy
from notos.debian.package import LockedPackage


@dataclass(frozen=True)
class SourceRecord:
    """A source as config.lock has it. `url` is empty for suites of the distribution's own archive."""

    suites: tuple[str, ...]
    components: tuple[str, ...]
    packages: tuple[str, ...]
    pin: int
    url: str = ""

    @property
    def place(self) -> tuple[object, ...]:
        """All but the patterns: the same for a source whose patterns were edited."""
        return self.url, self.suites, self.components, self.pin

    def allows(self, name: str) -> bool:
        """Return True if the source may provide the package `name`."""
        return policy.allows(self.packages, name)

    def has(self, package: LockedPackage) -> bool:
        """Return True if the package came from this source."""
        is_here = package.origin == self.url if self.url else "://" not in package.origin
        return is_here and package.suite in self.suites

    def encoded(self) -> dict[str, object]:
        """Return the record as JSON has it."""
        return {key: value for key, value in asdict(self).items() if value != ""}


def decode(values: Mapping[str, Any]) -> SourceRecord:
    """Return the record of a JSON object. Raises TypeError if a key is missing or unknown."""
    lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    return SourceRecord(**{**values, **lists})


def records(sources: Iterable[PackageSource]) -> tuple[SourceRecord, ...]:
    """Return the records of the config's sources."""
    return tuple(
        SourceRecord(
            suites=tuple(each.suites),
            components=tuple(each.components),
            packages=tuple(each.packages),
            pin=policy.pin(each),
            url=each.url or "",
        )
        for each in sources
    )


def unaffected(
    packages: Mapping[str, LockedPackage], old: Iterable[SourceRecord], new: Iterable[SourceRecord]
) -> dict[str, LockedPackage]:
    """Return the locked packages whose choice the change of the sources cannot alter.

    A source that is new, or that may now provide a package, may have another version of it. The packages of
    a source that changed are chosen again, since its patterns also hide names in their Provides.
    """
    old, new = tuple(old), tuple(new)
    gone = [each for each in old if each not in new]
    added = [each for each in new if each not in old]

    def altered(name: str, package: LockedPackage) -> bool:
        before = {each.place for each in gone if each.allows(name)}
        after = {each.place for each in added if each.allows(name)}
        return before != after or any(each.has(package) for each in gone)

    return {name: package for name, package in packages.items() if not altered(name, package)}
