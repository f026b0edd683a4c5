"""Sets of packages from what is asked for: closures over dependencies and over libraries.

All sets are resolved together, one version of a package for all of them. What an earlier lock has is
kept; the archive is opened only for what that lacks.

Closures of a request:
    elf      the package, and for each library that its programs need the package that has it
    depends  all that it depends on, and the libraries of these
    package  the package alone, and what it depends on in exactly one version (a metapackage's kernel)
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from notos.cache import Cache
from notos.debian.archive import Archive
from notos.debian.package import LockedPackage
from notos.debian.relation import Relation, parse
from notos.debian.unpack import chosen
from notos.errors import ClosureError, FetchError, LockError
from notos.lock import elf_facts
from notos.lock.candidates import Candidates, meets
from notos.lock.elf_facts import Facts, Need
from notos.lock.lockfile import Lock
from notos.lock.request import Request, Requests

# What only serves to install, configure or start packages, which nothing does here. It is not followed
# either, so perl-base, which most of it needs, comes only where something else depends on it. The
# alternatives of one of these (systemd, for systemd-sysusers) are left out with it.
MACHINERY = frozenset(
    (
        *("adduser", "cdebconf", "debconf", "debconf-2.0", "dpkg", "init-system-helpers"),
        *("initramfs-tools", "install-info", "linux-initramfs-tool", "lsb-base", "opensysusers"),
        *("runit-helper", "sysuser-helper", "sysvinit-utils", "systemd-standalone-sysusers"),
        *("systemd-sysusers", "ucf", "update-inetd", "update-notifier-common", "usrmerge"),
    )
)


def resolve(
    requests: Requests,
    *,
    suite: str,
    base: Lock | None,
    archive: Archive,
    cache: Cache,
    fetch: Callable[[Sequence[LockedPackage]], None],
) -> Lock:
    """The lock for `requests`; `base` itself if it covers them, then without network or .debs.

    `archive` is asked only for what `base` lacks; `fetch` brings .debs into `cache`, for only they
    tell which libraries they need, and is called once for all that is to be read next. Raises
    LockError for a package or version that is not to be had, ClosureError for a library that nothing
    provides, FetchError.
    """
    wanted = {name: dict(sorted(packages.items())) for name, packages in sorted(requests.items())}
    if base is not None and base.suite != suite:
        base = None
    if base is not None and {name: dict(each) for name, each in base.requests.items()} == wanted:
        return base
    pool = Candidates(base, archive)
    shelf = _Shelf(cache, fetch)
    asked = pool.asked(wanted)
    sets = {name: _Set(name, pool, shelf, packages, asked) for name, packages in wanted.items()}
    while unread := [package for each in sets.values() for package in each.grow()]:
        shelf.read(unread)
    for each in sets.values():
        each.check_versions()
    chosen = {package.name: package for each in sets.values() for package in each.members.values()}
    return Lock(
        suite=suite,
        requests=wanted,
        sets={name: tuple(sorted(each.members)) for name, each in sets.items()},
        packages=dict(sorted(chosen.items())),
    )


class _Shelf:
    """The facts of packages, as far as they are known."""

    def __init__(self, cache: Cache, fetch: Callable[[Sequence[LockedPackage]], None]) -> None:
        self._cache = cache
        self._fetch = fetch
        self._facts: dict[str, Facts] = {}

    def get(self, package: LockedPackage) -> Facts | None:
        """What is known of `package`; None when its .deb has not been read yet."""
        if package.architecture == "all":  # programs in it, if any, are another machine's: data here
            return Facts()
        if package.sha256 not in self._facts:
            kept = elf_facts.known(package.sha256, self._cache)
            if kept is None:
                return None
            self._facts[package.sha256] = kept
        return self._facts[package.sha256]

    def read(self, packages: Sequence[LockedPackage]) -> None:
        """Read the .debs of `packages`, fetching those that are not there."""
        by_hash = {each.sha256: each for each in packages}
        self._fetch(list(by_hash.values()))
        self._facts.update(elf_facts.read(by_hash, self._cache))


@dataclass(frozen=True)
class _Place:
    """Packages that may have a library, and what counts as having it."""

    packages: Sequence[LockedPackage]
    offers: Callable[[Facts, Need], bool] = Facts.offers


class _Set:
    """One set while it grows."""

    def __init__(
        self,
        name: str,
        pool: Candidates,
        shelf: _Shelf,
        requests: Mapping[str, Request],
        asked: Mapping[str, LockedPackage],
    ) -> None:
        """Start with what is asked for and what follows from dependencies alone."""
        self.members: dict[str, LockedPackage] = {each: asked[each] for each in requests}
        self._name = name
        self._pool = pool
        self._shelf = shelf
        self._requests = requests
        self._narrowed: dict[str, Facts] = {}
        self._closed: set[str] = set()  # members whose libraries are all there, or not looked at
        self._excused: set[Need] = set()  # libraries that only stand in a folder of another package
        for each, request in requests.items():
            if request.closure == "depends":
                self._add_dependencies(asked[each])
            elif request.closure == "package":
                self._add_exact(asked[each])

    def grow(self) -> list[LockedPackage]:
        """Add members for the libraries that members need; the packages to read before it can go on.

        None are left to read when the set is complete. Raises ClosureError for a library that
        nothing provides.
        """
        while True:
            before = len(self.members)
            unread: dict[str, LockedPackage] = {}
            lost: list[tuple[LockedPackage, Need]] = []
            for package in list(self.members.values()):
                if package.name not in self._closed:
                    known = self._facts(package)
                    if known is None:
                        unread[package.name] = package
                    elif not (unmet := [each for each in known.needs if not self._has(package, each)]):
                        self._closed.add(package.name)
                    else:
                        unread.update(self._search(package, unmet, lost))
            if len(self.members) == before:
                if lost and not unread:
                    raise self._lost(*lost[0])
                return list(unread.values())

    def check_versions(self) -> None:
        """Raise LockError when members do not accept each other's versions."""
        for package in self.members.values():
            for group in parse(package.depends):
                held = [self.members[each.name] for each in group if each.name in self.members]
                if len(held) == len(group) and not any(
                    meets(member, each) for each in group for member in self.members.values()
                ):
                    raise self._unmet(package, group, held[0])

    def _unmet(
        self, package: LockedPackage, group: Sequence[Relation], held: LockedPackage | None
    ) -> LockError:
        """What to say when `held` is all that there is of a group; None: not even another version."""
        told = f"set {self._name}: {package.name} {package.version} needs {_text(group)}"
        if held is None:
            return LockError(
                f"{told}, which does not exist",
                hint="check debian.components in the config",
                package=package.name,
            )
        where = "config.lock" if held.name in self._pool.locked else "the archive"
        hint = (
            "run `./doit lock` to move to newer versions"
            if self._pool.locked
            else "the mirror is being updated; try again later"
        )
        return LockError(
            f"{told}, and {where} has {held.name} {held.version}", hint=hint, package=package.name
        )

    def _add_dependencies(self, package: LockedPackage) -> None:
        pending = [package]
        while pending:
            needing = pending.pop()
            for group in _groups(needing):
                each = self._pool.pick(group, self.members)
                if each is None:
                    raise self._unmet(needing, group, self._pool.whatever_version(group))
                if each.name not in self.members:
                    self.members[each.name] = each
                    pending.append(each)

    def _add_exact(self, package: LockedPackage) -> None:
        self._closed.add(package.name)
        for group in _groups(package):
            if len(group) == 1 and group[0].operator == "=":
                found = self._pool.pick(group, self.members)
                if found is None:
                    raise self._unmet(package, group, self._pool.whatever_version(group))
                if found.name not in self.members:
                    self.members[found.name] = found
                    self._add_exact(found)

    def _facts(self, package: LockedPackage) -> Facts | None:
        """What is known of those files of `package` that are wanted; None when it has not been read yet."""
        request = self._requests.get(package.name)
        if request is None or not (request.only or request.exclude):
            return self._shelf.get(package)
        if package.name not in self._narrowed:
            known = self._shelf.get(package)
            if known is None:
                return None
            self._narrowed[package.name] = known.narrowed(chosen(request.only, request.exclude))
        return self._narrowed[package.name]

    def _has(self, package: LockedPackage, need: Need) -> bool:
        """Whether a member offers it to ld.so, or `package` has it itself, in a folder of its own."""
        known = ((each, self._facts(each)) for each in self.members.values())
        return need in self._excused or any(
            has.offers(need) or (each is package and has.holds(need)) for each, has in known if has
        )

    def _search(
        self, package: LockedPackage, needs: Sequence[Need], lost: list[tuple[LockedPackage, Need]]
    ) -> dict[str, LockedPackage]:
        """Add members that offer what `package` needs; the packages to read in order to find more.

        Of these only the most promising: often what they have besides settles the rest. What
        cannot be found is added to `lost`.
        """
        waves: dict[int, dict[str, LockedPackage]] = {}
        for need in needs:
            for effort, place in enumerate(self._places(package, need)):
                known = [(each, self._facts(each)) for each in place.packages]
                found = next((each for each, has in known if has and place.offers(has, need)), None)
                if found is not None:
                    self.members[found.name] = found
                    if place.offers is Facts.holds:
                        self._excused.add(need)
                    break
                if unread := {each.name: each for each, has in known if has is None}:
                    waves.setdefault(effort, {}).update(unread)
                    break
            else:
                lost.append((package, need))
        return waves[min(waves)] if waves else {}

    def _places(self, package: LockedPackage, need: Need) -> Iterator[_Place]:
        """Where the library may be, likely places first.

        dpkg-shlibdeps sees to it that a package depends on the one that has it, which is mostly called
        like it. Else a plugin counts on what its program has loaded, from whatever folder; or a
        dependency has been forgotten, and only follows from others.
        """
        for locked_only in (True, False) if self._pool.locked else (False,):
            direct = self._direct(package, locked_only)
            yield _Place([each for each in direct if _fits(each.name, need.soname)])
            yield _Place([each for each in direct if each.name.startswith("lib")])
            yield _Place(direct)
        yield _Place(list(self.members.values()), Facts.holds)
        below = [each for each in self._below(package) if each.name.startswith("lib")]
        yield _Place([each for each in below if _fits(each.name, need.soname)])
        yield _Place(below)

    def _direct(self, package: LockedPackage, locked_only: bool) -> list[LockedPackage]:
        """What `package` depends on directly, if it exists; `locked_only`: and is in the earlier lock.

        Of another version than it wants, too: `check_versions` then has more to say than that a library
        is missing.
        """
        found = []
        for group in _groups(package):
            each = self._pool.pick(group, self.members, locked_only=locked_only)
            if each is None and not locked_only:
                each = self._pool.whatever_version(group)
            if each is not None:
                found.append(each)
        return found

    def _below(self, package: LockedPackage) -> list[LockedPackage]:
        """All that `package` depends on, all the way down, the nearest first."""
        seen = {package.name: package}
        pending = [package]
        for each in pending:
            new = {below.name: below for below in self._direct(each, False) if below.name not in seen}
            seen.update(new)
            pending.extend(new.values())
        return pending[1:]

    def _lost(self, package: LockedPackage, need: Need) -> ClosureError:
        try:
            owners = self._pool.packages_with(need.soname)
        except FetchError:  # this is not what is wrong
            owners = []
        hint = f"add {' or '.join(owners)} to the packages" if owners else "add the package that has it"
        return ClosureError(
            f"set {self._name}: {need.path} of {package.name} needs {need.soname}, "
            "which nothing that it depends on has",
            hint=hint,
            package=package.name,
        )


def _groups(package: LockedPackage) -> list[tuple[Relation, ...]]:
    """What `package` depends on, without machinery."""
    return [group for group in parse(package.depends) if not any(each.name in MACHINERY for each in group)]


def _fits(package: str, soname: str) -> bool:
    """Whether a package is called like the library: libfoo1t64 or libfoo-1 for libfoo.so.1."""
    return _letters(package).startswith(_letters(soname.partition(".so")[0]))


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9+]", "", name.lower())


def _text(group: Sequence[Relation]) -> str:
    return " | ".join(map(str, group))
