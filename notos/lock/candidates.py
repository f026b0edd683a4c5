"""The available packages: those in the existing lock first, then the newest in the archive.

This module finds packages that meet a relation. resolve.py selects the packages of a set.
"""

from collections.abc import Iterable, Mapping, Sequence

from notos.config.shapes import either
from notos.debian import policy
from notos.debian.archive import Archive
from notos.debian.package import LockedPackage
from notos.debian.relation import Relation, parse
from notos.errors import LockError


class Candidates:
    """One version of each package: the one in `locked`, otherwise the newest in `archive`.

    The archive is only used for packages that `locked` lacks. All methods may then raise FetchError.
    """

    def __init__(self, locked: Mapping[str, LockedPackage], archive: Archive) -> None:
        self.locked = locked
        self._archive = archive
        self._found: dict[str, LockedPackage | None] = {}

    def find(self, name: str) -> LockedPackage | None:
        """Return the package `name`, None if it does not exist."""
        if name in self.locked:
            return self.locked[name]
        if name not in self._found:
            self._found[name] = self._archive.newest(name)
        return self._found[name]

    def requested(self, requests: Mapping[str, Iterable[str]]) -> dict[str, LockedPackage]:
        """Return all requested packages by name. Raises LockError with all names that do not exist."""
        sets: dict[str, list[str]] = {}
        for name, packages in requests.items():
            for package in packages:
                sets.setdefault(package, []).append(name)
        found = {name: self.find(name) for name in sets}
        lacking = [
            LockError(
                f"{self._archive.debian.suite} has no package {name} (requested by {', '.join(sets[name])})",
                hint=self._hint(name),
                package=name,
            )
            for name, package in found.items()
            if package is None
        ]
        if lacking:
            names = ", ".join(
                f"{each.package} (requested by {', '.join(sets[each.package])})" for each in lacking
            )
            raise LockError.joined(lacking, f"{self._archive.debian.suite} has no package {names}")
        return {name: package for name, package in found.items() if package is not None}

    def pick(
        self, group: Sequence[Relation], members: Mapping[str, LockedPackage], *, locked_only: bool = False
    ) -> LockedPackage | None:
        """Return a package that meets one of a group of alternatives, None if there is none.

        `members` come first, then locked packages, then the archive unless `locked_only` is set.
        """
        for packages in (members, self.locked):
            if package := meeting(group, packages):
                return package
        if locked_only:
            return None
        for each in group:
            package = self.find(each.name)
            if package is not None and each.accepts(package.version):
                return package
            for provider in self._archive.providers(each.name):
                package = self.find(provider.name)
                if package is not None and meets(package, each):
                    return package
        return None

    def whatever_version(self, group: Sequence[Relation]) -> LockedPackage | None:
        """Return the first package that an alternative names, even if its version is not accepted."""
        return next(filter(None, (self.find(each.name) for each in group)), None)

    def elsewhere(self, group: Sequence[Relation]) -> tuple[str, tuple[str, ...]]:
        """Return a hint for an unmet group that a source could meet, and the source's place in the config.

        Both are empty if no source could.
        """
        sources = self._archive.debian.sources
        if not sources:
            return "", ()
        for each in group:
            newest = self._archive.newest(each.name)
            if newest is not None and each.accepts(newest.version):
                return "", ()  # only the lock is too old for it
            for source, version in self._archive.not_allowed(each.name):
                if each.accepts(version):
                    hint = (
                        f"{policy.title(source)} has {each.name} {version}; add {each.name} to its packages"
                    )
                    return hint, policy.keys(sources, source)
            for other, version in self._archive.versions(each.name):
                if other is not None and each.accepts(version):
                    hint = (
                        f"{policy.title(other)} has {each.name} {version}; set a higher pin for that source"
                    )
                    return hint, policy.keys(sources, other)
        return "", ()

    def packages_with(self, soname: str) -> list[str]:
        """Return the packages that have the library `soname`. Slow: reads the archive's Contents."""
        return self._archive.packages_with(soname)

    def _hint(self, name: str) -> str:
        from notos.debian import similar_names

        if component := self._archive.component_with(name):
            return f"it is in {component}; set debian: {{components: [main, {component}]}}"
        if advice := self.elsewhere([Relation(name)])[0]:
            return advice
        providers = [each.name for each in self._archive.providers(name)]
        popularity = self._archive.needed.__getitem__
        target = self._archive.architecture
        near = similar_names.meant(name, self._archive.names(), providers, popularity, target)
        if providers:
            return f"{name} is a virtual package; name a package that provides it: {', '.join(near)}"
        if near:
            return f"did you mean {either(near)}?"
        return "check its name and debian.components in the config"


def meets(package: LockedPackage, wanted: Relation) -> bool:
    """Return True if `package` or one of its Provides satisfies `wanted` (Debian policy 7.5)."""
    if package.name == wanted.name and wanted.accepts(package.version):
        return True
    return wanted.name in package.provides and any(
        provided.name == wanted.name and wanted.accepts(provided.version)
        for group in parse(package.provides)
        for provided in group
    )


def meeting(group: Sequence[Relation], packages: Mapping[str, LockedPackage]) -> LockedPackage | None:
    """Return the first of `packages` that meets an alternative, by its name or else by its Provides."""
    for each in group:
        if each.name in packages and each.accepts(packages[each.name].version):
            return packages[each.name]
    return next(
        (package for package in packages.values() if any(meets(package, each) for each in group)), None
    )
