"""The packages that a further source may provide, and their priority, as in apt_preferences(5).

A source without the name of a package in its patterns does not exist for that package. Of all others, those
with the highest priority count, and of these the newest version.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from notos.config.model import PackageSource
from notos.debian.package import LockedPackage
from notos.debian.relation import parse

OWN = 500  # the priority of the distribution's packages
_PINS = {"newest": OWN, "prefer": 990, "fallback": 100}


def pin(source: PackageSource) -> int:
    """Return the priority of a source's packages."""
    return source.pin if isinstance(source.pin, int) else _PINS[source.pin]


def allows(patterns: Iterable[str], name: str) -> bool:
    """Return True if one of the patterns matches the name of a package; `*` and `?` are wildcards."""
    return any(_compiled(each).fullmatch(name) for each in patterns)


def allowed_provides(provides: str, allowed: Callable[[str], bool]) -> str:
    """Return a field Provides without the names that are not allowed."""
    return ", ".join(str(group[0]) for group in parse(provides) if allowed(group[0].name))


def title(source: PackageSource) -> str:
    """Return the name of a source in messages: its URL, or else its suites."""
    return source.url or ", ".join(source.suites)


def keys(debian_sources: Iterable[PackageSource], source: PackageSource) -> tuple[str, ...]:
    """Return the path of a source in the config; an item of a list is named by its number."""
    return ("debian", "sources", f"[{list(debian_sources).index(source)}]")


def keys_of(debian_sources: Sequence[PackageSource], package: LockedPackage) -> tuple[str, ...]:
    """Return the path in the config of the source that has a package, () for one of the distribution."""
    url = package.origin if "://" in package.origin else None
    for source in debian_sources:
        if source.url == url and package.suite in source.suites:
            return keys(debian_sources, source)
    return ()


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in pattern))
