"""The suites of a lock: the system's, and that of the tools trees if it is another one.

The programs that the build runs need not be as old or as new as the system: the QEMU of bookworm lacks
parts that runvm.sh uses, and packages of sid may have moved their programs to other packages. Each suite has
its own signed indexes and its own versions of packages.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from notos.cache import Cache
from notos.config.model import ComponentName, Debian, SuiteName
from notos.debian.archive import Archive
from notos.debian.package import LockedPackage
from notos.debian.suites import TOOLS
from notos.errors import LockError, NotosError, raise_all
from notos.lock.lockfile import Lock
from notos.lock.request import Requests
from notos.lock.resolve import resolve as resolve_one

PREFIX = "tools/"  # the prefix of the names of their sets


def tools(debian: Debian) -> Debian:
    """Return the archive of the tools trees."""
    suite = debian.tools_suite
    if suite == "auto":
        suite = SuiteName(TOOLS)
    if suite == debian.suite:
        return debian
    return replace(debian, suite=suite, components=(ComponentName("main"),))


def resolve(
    requests: Requests,
    *,
    debian: Debian,
    base: Lock | None,
    archive: Callable[[Debian], Archive],
    cache: Cache,
    fetch: Callable[[Sequence[LockedPackage]], None],
) -> Lock:
    """Return the lock for `requests` as resolve.resolve() does, with the tools' sets from their own suite.

    `archive` opens the archive of a suite. Raises the errors of both in one.
    """
    others = tools(debian)
    apart = others.suite != debian.suite
    own = {name: each for name, each in requests.items() if not (apart and name.startswith(PREFIX))}
    parts = [(own, debian, replace(base, tools=None) if base else None)]
    if apart:
        rest = {name: each for name, each in requests.items() if name not in own}
        parts.append((rest, others, base.tools if base else None))
    locks: list[Lock] = []
    errors: list[NotosError] = []
    for asked, suite, old in parts:
        try:
            locks.append(
                resolve_one(
                    asked, suite=suite.suite, base=old, archive=archive(suite), cache=cache, fetch=fetch
                )
            )
        except LockError as error:
            errors += error.parts or (error,)
    raise_all(errors)
    return replace(locks[0], tools=locks[1]) if apart else locks[0]
