"""The suites of a lock: the system's, and that of the tools trees if it is another one.

The programs that the build runs need not be as old or as new as the system: the QEMU of bookworm lacks
parts that runvm.sh uses, and packages of sid may have moved their programs to other packages. Each suite has
its own signed indexes and its own versions of packages. Tools come from Debian alone: neither from Ubuntu,
nor from further sources, nor from the user's .debs.
"""

from collections.abc import Callable, Mapping, Sequence
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
    if debian.distribution != "debian":
        return Debian(suite=suite, check_valid_until=debian.check_valid_until)
    if suite == debian.suite:
        return replace(debian, sources=())
    return replace(debian, suite=suite, components=(ComponentName("main"),), sources=())


def are_apart(debian: Debian, local: Mapping[str, LockedPackage]) -> bool:
    """Return True if the tools have a lock of their own: their packages may differ from the system's."""
    return tools(debian).suite != debian.suite or bool(debian.sources or local)


def resolve(
    requests: Requests,
    *,
    debian: Debian,
    base: Lock | None,
    archive: Callable[[Debian], Archive],
    cache: Cache,
    fetch: Callable[[Sequence[LockedPackage]], None],
    local: Mapping[str, LockedPackage] = {},
) -> Lock:
    """Return the lock for `requests` as resolve.resolve() does, with the tools' sets from their own suite.

    `archive` opens the archive of a suite; `local` are the user's .debs by package, only for the system.
    Raises the errors of both in one.
    """
    others = tools(debian)
    apart = are_apart(debian, local)
    own = {name: each for name, each in requests.items() if not (apart and name.startswith(PREFIX))}
    parts = [(own, replace(archive(debian), local=local), _base(base, own, debian.suite))]
    if apart:
        rest = {name: each for name, each in requests.items() if name not in own}
        parts.append((rest, archive(others), _base(base, rest, others.suite)))
    locks: list[Lock] = []
    errors: list[NotosError] = []
    for asked, where, old in parts:
        try:
            locks.append(
                resolve_one(
                    asked, suite=where.debian.suite, base=old, archive=where, cache=cache, fetch=fetch
                )
            )
        except LockError as error:
            errors += error.parts or (error,)
    raise_all(errors)
    return replace(locks[0], tools=locks[1]) if apart else locks[0]


def _base(base: Lock | None, requests: Requests, suite: str) -> Lock | None:
    """Return the part of an existing lock that has the packages for `requests` in a suite.

    The tools keep their versions when they get a lock of their own, or lose it.
    """
    if base is None:
        return None
    parts = [replace(base, tools=None), *([base.tools] if base.tools else [])]
    parts = [each for each in parts if each.suite == suite]
    if not parts:
        return None
    whole = next((each for each in parts if each.requests.keys() == requests.keys()), None)
    if whole is not None:
        return whole
    first = next((each for each in parts if each.requests.keys() & requests.keys()), parts[0])
    packages = {name: each for part in [*parts[::-1], first] for name, each in part.packages.items()}
    return replace(first, packages=dict(sorted(packages.items())))
