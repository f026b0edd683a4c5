"""Sets of packages from what is asked for: closures over dependencies and over libraries.

All sets are resolved together, one version of a package for all of them. What an earlier lock has is
kept; the archive is opened only for what that lacks.

Closures (`requests` maps set -> package -> closure):
    elf      the package, and for each library that its programs need the package that has it
    depends  all that it depends on, and the libraries of these
    package  the package alone; of one without files, what it depends on in exactly one version
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from notos import facts, relation
from notos.archive import Archive
from notos.cache import Cache
from notos.errors import ClosureError, LockError
from notos.facts import Facts
from notos.lock import Lock, LockedPackage
from notos.relation import Relation

Requests = Mapping[str, Mapping[str, str]]

# What only installs, configures or starts other packages: nothing of it is used by a machine of ours.
MACHINERY = frozenset(
    (
        *("adduser", "cdebconf", "debconf", "debconf-2.0", "debianutils", "dpkg", "init-system-helpers"),
        *("initramfs-tools", "install-info", "kmod", "linux-initramfs-tool", "lsb-base", "opensysusers"),
        *("passwd", "perl", "perl-base", "runit-helper", "systemd-standalone-sysusers", "systemd-sysusers"),
        *("sysuser-helper", "sysvinit-utils", "ucf", "update-inetd", "usrmerge"),
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
    tell which libraries they need. Raises LockError for a package or version that is not to be had,
    ClosureError for a library that nothing provides, FetchError.
    """
    wanted = {name: dict(sorted(packages.items())) for name, packages in sorted(requests.items())}
    if base is not None and base.suite != suite:
        base = None
    if base is not None and {name: dict(each) for name, each in base.requests.items()} == wanted:
        return base
    universe = _Universe(base, archive)
    sets = {}
    for name, packages in wanted.items():
        sets[name] = _Set(name, universe, cache, fetch).close(packages)
    chosen = {each.name: each for members in sets.values() for each in members.values()}
    return Lock(
        suite=suite,
        requests=wanted,
        sets={name: tuple(sorted(members)) for name, members in sets.items()},
        packages=dict(sorted(chosen.items())),
    )


class _Universe:
    """All packages there are: those of the earlier lock first, at the versions it has."""

    def __init__(self, base: Lock | None, archive: Archive) -> None:
        self._locked = dict(base.packages) if base is not None else {}
        self._found: dict[str, LockedPackage | None] = {}
        self._archive = archive

    def find(self, name: str) -> LockedPackage | None:
        """The one version of the package `name` that there is here."""
        if name in self._locked:
            return self._locked[name]
        if name not in self._found:
            self._found[name] = self._archive.newest(name)
        return self._found[name]

    def asked(self, name: str, where: str) -> LockedPackage:
        """The package that a config asks for. Raises LockError, with the names that come near."""
        package = self.find(name)
        if package is None:
            near = difflib.get_close_matches(name, self._archive.names(), 1)
            hint = (
                f"did you mean {near[0]}?" if near else "check its name and debian.components in the config"
            )
            raise LockError(f"{where}: {self._archive.debian.suite} has no package {name}", hint=hint)
        return package

    def pick(self, group: Sequence[Relation], members: Mapping[str, LockedPackage]) -> LockedPackage | None:
        """The package that meets one of the alternatives: a member of the set, a locked one, the first.

        None if there is none. Raises LockError where only another version of a locked one would do.
        """
        for pool in (members, self._locked):
            for each in group:
                if each.name in pool and each.accepts(pool[each.name].version):
                    return pool[each.name]
            for package in pool.values():
                if any(_provides(package, each) for each in group):
                    return package
        for each in group:
            if each.name in self._locked:
                raise LockError(
                    f"{each} is needed, and config.lock has {each.name} {self._locked[each.name].version}",
                    hint="run `doit lock` to move to newer versions",
                )
            found = self.find(each.name)
            if found is not None and each.accepts(found.version):
                return found
            for provider in self._archive.providers(each.name):
                if _provides(provider, each):
                    return provider
        return None

    def owners(self, soname: str) -> list[str]:
        """Packages of the archive that have the library, by its list of all files: slow."""
        return self._archive.packages_with(soname)


class _Set:
    """One set while it grows."""

    def __init__(
        self,
        name: str,
        universe: _Universe,
        cache: Cache,
        fetch: Callable[[Sequence[LockedPackage]], None],
    ) -> None:
        self._name = name
        self._universe = universe
        self._cache = cache
        self._fetch = fetch
        self._members: dict[str, LockedPackage] = {}
        self._facts: dict[str, Facts] = {}
        self._alone: set[str] = set()  # packages whose programs are not looked at

    def close(self, packages: Mapping[str, str]) -> dict[str, LockedPackage]:
        """The set for `packages` (closure by name). Raises LockError, ClosureError."""
        asked = {name: self._universe.asked(name, self._name) for name in packages}
        self._members.update(asked)
        for name, closure in packages.items():
            if closure == "depends":
                self._add_dependencies(asked[name])
            elif closure == "package":
                self._add_exact(asked[name])
        while self._add_libraries():
            pass
        return self._members

    def _add_dependencies(self, package: LockedPackage) -> None:
        pending = [package]
        while pending:
            needing = pending.pop()
            for each in self._dependencies(needing, strict=True):
                if each.name not in self._members:
                    self._members[each.name] = each
                    pending.append(each)

    def _add_exact(self, package: LockedPackage) -> None:
        self._alone.add(package.name)
        for group in relation.parse(package.depends):
            if len(group) == 1 and group[0].operator == "=" and group[0].name not in MACHINERY:
                found = self._universe.pick(group, self._members)
                if found is not None and found.name not in self._members:
                    self._members[found.name] = found
                    self._add_exact(found)

    def _dependencies(self, package: LockedPackage, *, strict: bool) -> list[LockedPackage]:
        """What `package` depends on directly, without machinery. `strict`: LockError if unmet."""
        found = []
        for group in relation.parse(package.depends):
            if any(each.name in MACHINERY for each in group):
                continue
            each = self._universe.pick(group, self._members)
            if each is not None:
                found.append(each)
            elif strict:
                said = " | ".join(map(str, group))
                raise LockError(
                    f"{self._name}: {package.name} needs {said}, which is not to be had",
                    hint="run `doit lock`, or check debian.components in the config",
                )
        return found

    def _add_libraries(self) -> bool:
        """Add packages for the libraries that members need and no member has; whether there were any."""
        self._learn(self._members.values())
        provided = {name for each in self._members.values() for name in self._facts[each.sha256].libraries}
        unmet: dict[str, tuple[LockedPackage, str]] = {}
        for package in self._members.values():
            if package.name in self._alone:
                continue
            for path, sonames in self._facts[package.sha256].needs.items():
                for soname in sonames:
                    if soname not in provided:
                        unmet.setdefault(soname, (package, path))
        if not unmet:
            return False
        for candidates in (self._likely, self._direct, self._indirect):
            choices = {soname: candidates(soname, unmet[soname][0]) for soname in unmet}
            self._learn(each for choice in choices.values() for each in choice)
            found = [
                next((each for each in choice if soname in self._facts[each.sha256].libraries), None)
                for soname, choice in choices.items()
            ]
            self._members.update({each.name: each for each in found if each is not None})
            if any(found):
                return True
        raise self._missing(*next((soname, *unmet[soname]) for soname in unmet))

    def _likely(self, soname: str, package: LockedPackage) -> list[LockedPackage]:
        """Of what `package` depends on, those whose names fit: libfoo.so.1 is mostly in libfoo1."""
        stem = _letters(soname.partition(".so")[0])
        return [each for each in self._direct(soname, package) if _letters(each.name).startswith(stem)]

    def _direct(self, soname: str, package: LockedPackage) -> list[LockedPackage]:
        """All that `package` depends on: dpkg-shlibdeps sees to it that the library is among it."""
        return self._dependencies(package, strict=False)

    def _indirect(self, soname: str, package: LockedPackage) -> list[LockedPackage]:
        """All that `package` depends on, all the way down, where a maintainer has left one out."""
        seen: dict[str, LockedPackage] = {}
        pending = [package]
        while pending:
            for each in self._dependencies(pending.pop(), strict=False):
                if each.name not in seen:
                    seen[each.name] = each
                    pending.append(each)
        return [each for each in seen.values() if each.name.startswith("lib")]

    def _learn(self, packages: Iterable[LockedPackage]) -> None:
        """Have the facts of `packages`."""
        new = {each.sha256: each for each in packages if each.sha256 not in self._facts}
        unread = [each for sha256, each in new.items() if not self._cache.facts(sha256).exists()]
        if unread:
            self._fetch(unread)
        if new:
            self._facts.update(facts.read_all(new, self._cache))

    def _missing(self, soname: str, package: LockedPackage, path: str) -> ClosureError:
        owners = self._universe.owners(soname)
        hint = f"add {' or '.join(owners)} to the packages" if owners else "no package of the suite has it"
        return ClosureError(
            f"{self._name}: {path} of {package.name} needs the library {soname}, which nothing provides",
            hint=hint,
        )


def _provides(package: LockedPackage, wanted: Relation) -> bool:
    return bool(package.provides) and any(
        group[0].name == wanted.name and wanted.accepts(group[0].version)
        for group in relation.parse(package.provides)
    )


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
