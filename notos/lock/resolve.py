"""The resolver: from requests to sets of packages, by closures over dependencies and libraries.

All sets are resolved together and share one version of each package. Packages of an existing lock keep
their versions; the archive is only used for packages that it lacks.

Closures of a request:
    elf      the package, and the packages of the libraries that its ELF files need, recursively
    depends  the package and its dependencies, recursively, and the libraries that all of these need
    package  the package, and its dependencies on an exact version (a metapackage's kernel) and on parts of a
             kernel, recursively
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from notos.architecture import Architecture
from notos.cache import Cache
from notos.debian import distribution
from notos.debian.archive import Archive
from notos.debian.package import LOCAL, LockedPackage
from notos.debian.relation import Relation, parse
from notos.debian.unpack import chosen
from notos.errors import ClosureError, FetchError, LockError, raise_all
from notos.formats.shared_libraries import is_plugin
from notos.lock import elf_facts, source_record
from notos.lock.candidates import Candidates, meets
from notos.lock.dependencies import depended_on, groups, is_narrowed, is_part
from notos.lock.elf_facts import Facts, Need
from notos.lock.lockfile import Lock, present
from notos.lock.request import Request, Requests
from notos.lock.source_record import SourceRecord


def resolve(
    requests: Requests,
    *,
    suite: str,
    base: Lock | None,
    archive: Archive,
    cache: Cache,
    fetch: Callable[[Sequence[LockedPackage]], None],
) -> Lock:
    """Return the lock for `requests`; `base` itself if its requests and its sources are the same.

    `archive` is only used for packages that `base` lacks. `fetch` downloads .debs into `cache`, since the
    needed libraries are only known from their ELF files; each call has as many packages as possible. Raises
    LockError for an unavailable package or version, ClosureError for a library that no package provides,
    FetchError.
    """
    wanted = {name: dict(sorted(packages.items())) for name, packages in sorted(requests.items())}
    if base is not None and base.suite != suite:
        base = None
    sources = source_record.records(archive.debian.sources)
    locked = _still_valid(base, archive, sources) if base is not None else {}
    same = base is not None and {name: dict(each) for name, each in base.requests.items()} == wanted
    if base is not None and same and base.sources == sources and len(locked) == len(base.packages):
        return base
    candidates = Candidates(locked, archive)
    # Another source may have what the archives lacked.
    same_sources = base is not None and base.sources == sources
    left_out = _left_out(base if same_sources else None, wanted, candidates)
    found = {name: present(each, each.keys() - left_out) for name, each in wanted.items()}
    reader = _FactsReader(cache, archive.architecture, fetch)
    requested = candidates.requested(found)
    sets = {name: _Set(name, candidates, reader, packages, requested) for name, packages in found.items()}
    while unread := [package for each in sets.values() for package in each.grow()]:
        reader.read(unread)
    for each in sets.values():
        each.check_versions()
    raise_all(error for each in sets.values() for error in each.conflicts())
    chosen = {package.name: package for each in sets.values() for package in each.members.values()}
    return Lock(
        suite=suite,
        requests=wanted,
        sets={name: tuple(sorted(each.members)) for name, each in sets.items()},
        packages=dict(sorted(chosen.items())),
        sources=sources,
    )


def _left_out(base: Lock | None, wanted: Requests, candidates: Candidates) -> set[str]:
    """Return the packages of optional requests that do not exist: in `base` if it has the request, or now."""
    names = {name for packages in wanted.values() for name, request in packages.items() if request.optional}
    known = {
        name
        for packages in (base.requests if base else {}).values()
        for name, request in packages.items()
        if request.optional
    }
    has = base.packages if base else {}
    return {name for name in names if (name not in has if name in known else candidates.find(name) is None)}


def _still_valid(base: Lock, archive: Archive, sources: tuple[SourceRecord, ...]) -> dict[str, LockedPackage]:
    """Return the packages of `base` that a change of sources or of the user's .debs does not concern."""
    kept = source_record.unaffected(base.packages, base.sources, sources)
    local = archive.local
    others = frozenset((LOCAL, *distribution.ORIGINS)) - distribution.of(archive.debian).origins
    return {
        name: package
        for name, package in kept.items()
        if local.get(name) == package or (name not in local and package.origin not in others)
    }


class _FactsReader:
    """The ELF facts of the packages that have been read so far."""

    def __init__(
        self, cache: Cache, architecture: Architecture, fetch: Callable[[Sequence[LockedPackage]], None]
    ) -> None:
        self._cache = cache
        self.architecture = architecture
        self._fetch = fetch
        self._facts: dict[str, Facts] = {}

    def get(self, package: LockedPackage) -> Facts | None:
        """Return the facts of `package`, None if its .deb has not been read yet."""
        if package.architecture == "all":  # ELF files in it are for other machines, and only data here
            return Facts()
        if package.sha256 not in self._facts:
            kept = elf_facts.known(package.sha256, self._cache, self.architecture)
            if kept is None:
                return None
            self._facts[package.sha256] = kept
        return self._facts[package.sha256]

    def read(self, packages: Sequence[LockedPackage]) -> None:
        """Read the .debs of `packages`; download those that the cache lacks."""
        by_hash = {each.sha256: each for each in packages}
        self._fetch(list(by_hash.values()))
        self._facts.update(elf_facts.read(by_hash, self._cache, self.architecture))


@dataclass(frozen=True)
class _Place:
    """A group of packages that may have a library, and the condition for that."""

    packages: Sequence[LockedPackage]
    offers: Callable[[Facts, Need], bool] = Facts.offers


class _Set:
    """One set during resolution."""

    def __init__(
        self,
        name: str,
        candidates: Candidates,
        reader: _FactsReader,
        requests: Mapping[str, Request],
        requested: Mapping[str, LockedPackage],
    ) -> None:
        """Add the requested packages and those that follow from dependencies alone."""
        self.members: dict[str, LockedPackage] = {each: requested[each] for each in requests}
        self._name = name
        self._candidates = candidates
        self._reader = reader
        self._requests = requests
        self._narrowed: dict[str, Facts] = {}
        self._closed: set[str] = set()  # members whose libraries are complete or not checked
        self._excused: set[Need] = set()  # libraries of a member in a folder that ld.so does not search
        followed: set[str] = set()
        for each, request in requests.items():
            if request.closure == "depends":
                self._add_dependencies(requested[each], followed)
            elif request.closure == "package":
                self._add_exact(requested[each])
        self._whole = depended_on(requests, self.members)

    def grow(self) -> list[LockedPackage]:
        """Add packages for the libraries that members need; return the packages to read before the next call.

        The result is empty when the set is complete. Raises ClosureError for a library that no package
        provides.
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
        """Raise LockError if a member's dependency does not accept the version of another member."""
        for package in self.members.values():
            for group in parse(package.depends):
                held = [self.members[each.name] for each in group if each.name in self.members]
                if len(held) == len(group) and not any(
                    meets(member, each) for each in group for member in self.members.values()
                ):
                    raise self._unmet(package, group, held[0])

    def conflicts(self) -> Iterator[LockError]:
        """Yield an error for each member that conflicts with another one or breaks it.

        Source: Debian policy 7.3 and 7.4.
        Tools stand side by side without being installed, as do packages of which only chosen files are used.
        """
        if self._name.startswith("tools/"):
            return
        whole = {
            name: package
            for name, package in self.members.items()
            if not (name in self._requests and self._requests[name].only)
        }
        by_name: dict[str, list[LockedPackage]] = {}
        for package in whole.values():
            provided = (each.name for group in parse(package.provides) for each in group)
            for name in {package.name, *provided}:
                by_name.setdefault(name, []).append(package)
        for package in whole.values():
            for relation in dict.fromkeys(each for group in parse(package.conflicts) for each in group):
                for other in by_name.get(relation.name, ()):
                    if other is not package and meets(other, relation):
                        why = f"{self._reason(package)}, {self._reason(other)}"
                        yield LockError(
                            f"set {self._name}: {package.name} {package.version} conflicts with "
                            f"{other.name} {other.version} ({relation}); {why}",
                            hint="leave out one of them, or choose files of one with `only`",
                            package=package.name if package.name in self._requests else other.name,
                        )

    def _reason(self, package: LockedPackage) -> str:
        """Return a clause that names the requested package because of which `package` is a member."""
        if package.name in self._requests:
            return f"{package.name} is requested"
        for name in self._requests:
            if any(each.name == package.name for each in self._below(self.members[name])):
                return f"{package.name} is needed by {name}"
        return f"{package.name} has a needed library"

    def _unmet(
        self, package: LockedPackage, group: Sequence[Relation], held: LockedPackage | None
    ) -> LockError:
        """Return the error for an unmet group; `held` is the available version, None if there is none."""
        prefix = f"set {self._name}: {package.name} {package.version} needs {_text(group)}"
        hint, keys = self._candidates.elsewhere(group)
        if held is None:
            message = f"{prefix}, which does not exist"
            hint = hint or "check debian.components in the config"
        else:
            source = "config.lock" if held.name in self._candidates.locked else "the archive"
            message = f"{prefix}, but {source} has {held.name} {held.version}"
            hint = hint or (
                "run `./doit lock` to upgrade all packages"
                if self._candidates.locked
                else "the mirror is being updated; try again later"
            )
        return LockError(message, hint=hint, keys=keys, package=package.name)

    def _add_dependencies(self, package: LockedPackage, followed: set[str]) -> None:
        """Add all dependencies of `package`; `followed` are the packages whose dependencies are members."""
        pending = [package]
        while pending:
            needing = pending.pop()
            if needing.name in followed:
                continue
            followed.add(needing.name)
            for group in groups(needing):
                each = self._candidates.pick(group, self.members)
                if each is None:
                    raise self._unmet(needing, group, self._candidates.whatever_version(group))
                self.members.setdefault(each.name, each)
                pending.append(each)

    def _add_exact(self, package: LockedPackage) -> None:
        self._closed.add(package.name)
        for group in groups(package):
            if is_part(group):
                found = self._candidates.pick(group, self.members)
                if found is None:
                    raise self._unmet(package, group, self._candidates.whatever_version(group))
                if found.name not in self.members:
                    self.members[found.name] = found
                    self._add_exact(found)

    def _facts(self, package: LockedPackage) -> Facts | None:
        """Return the facts of the requested files of `package`, None if it has not been read yet."""
        request = self._requests.get(package.name)
        if request is None or not is_narrowed(request, package.name in self._whole):
            return self._reader.get(package)
        if package.name not in self._narrowed:
            known = self._reader.get(package)
            if known is None:
                return None
            self._narrowed[package.name] = known.narrowed(chosen(request.only, request.exclude))
        return self._narrowed[package.name]

    def _has(self, package: LockedPackage, need: Need) -> bool:
        """Return True if ld.so finds the library in a member, or if `package` has it in any folder."""
        known = ((each, self._facts(each)) for each in self.members.values())
        return need in self._excused or any(
            has.offers(need) or (each is package and has.holds(need)) for each, has in known if has
        )

    def _search(
        self, package: LockedPackage, needs: Sequence[Need], lost: list[tuple[LockedPackage, Need]]
    ) -> dict[str, LockedPackage]:
        """Add packages that have the libraries `needs`; return the packages to read to find the others.

        Only the most likely packages are returned, since these often have the other libraries too.
        Libraries that cannot be found are added to `lost`.
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
                if is_plugin(need.path, self._reader.architecture):
                    self._excused.add(need)  # Debian only recommends its package
                else:
                    lost.append((package, need))
        return waves[min(waves)] if waves else {}

    def _places(self, package: LockedPackage, need: Need) -> Iterator[_Place]:
        """Yield the groups of packages that may have the library, the most likely first.

        dpkg-shlibdeps adds a dependency on the package that has the library, whose name is mostly similar.
        Otherwise a plugin relies on a library that its program has loaded, from any folder; or a dependency
        is missing, and only indirect dependencies have the library.
        """
        for locked_only in (True, False) if self._candidates.locked else (False,):
            direct = self._direct(package, locked_only)
            yield _Place([each for each in direct if _fits(each.name, need.soname)])
            yield _Place([each for each in direct if each.name.startswith("lib")])
            yield _Place(direct)
        yield _Place(list(self.members.values()), Facts.holds)
        below = [each for each in self._below(package) if each.name.startswith("lib")]
        yield _Place([each for each in below if _fits(each.name, need.soname)])
        yield _Place(below)

    def _direct(self, package: LockedPackage, locked_only: bool) -> list[LockedPackage]:
        """Return the direct dependencies of `package`; with `locked_only`, those in the existing lock.

        They may have a version that `package` does not accept: `check_versions` then raises a better error
        than one about a missing library.
        """
        found = []
        for group in groups(package):
            each = self._candidates.pick(group, self.members, locked_only=locked_only)
            if each is None and not locked_only:
                each = self._candidates.whatever_version(group)
            if each is not None:
                found.append(each)
        return found

    def _below(self, package: LockedPackage) -> list[LockedPackage]:
        """Return all direct and indirect dependencies of `package`, the direct ones first."""
        seen = {package.name: package}
        pending = [package]
        for each in pending:
            new = {below.name: below for below in self._direct(each, False) if below.name not in seen}
            seen.update(new)
            pending.extend(new.values())
        return pending[1:]

    def _lost(self, package: LockedPackage, need: Need) -> ClosureError:
        try:
            owners = self._candidates.packages_with(need.soname)
        except FetchError:  # only the hint is lost
            owners = []
        hint = f"add {' or '.join(owners)} to the packages" if owners else "add the package that has it"
        return ClosureError(
            f"set {self._name}: {need.path} of {package.name} needs {need.soname}, "
            "which none of its dependencies has",
            hint=hint,
            package=package.name,
        )


def _fits(package: str, soname: str) -> bool:
    """Return True if the package is named after the library: libfoo1t64 or libfoo-1 for libfoo.so.1."""
    return _letters(package).startswith(_letters(soname.partition(".so")[0]))


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9+]", "", name.lower())


def _text(group: Sequence[Relation]) -> str:
    return " | ".join(map(str, group))
