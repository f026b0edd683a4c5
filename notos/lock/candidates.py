"""All packages that can be had: those of the earlier lock first, then the archive's newest.

It says which package meets a relation; which ones a set needs is resolve.py's business.
"""

from collections.abc import Iterable, Mapping, Sequence

from notos.config.shapes import either
from notos.debian.archive import Archive
from notos.debian.package import LockedPackage
from notos.debian.relation import Relation, parse
from notos.errors import LockError
from notos.lock.lockfile import Lock


class Candidates:
    """One version of each package: the one that `base` has, or else the newest of `archive`.

    The archive is asked only for what `base` lacks. All methods raise FetchError then.
    """

    def __init__(self, base: Lock | None, archive: Archive) -> None:
        self.locked: Mapping[str, LockedPackage] = base.packages if base else {}
        self._archive = archive
        self._found: dict[str, LockedPackage | None] = {}

    def find(self, name: str) -> LockedPackage | None:
        """The package `name`; None when there is none."""
        if name in self.locked:
            return self.locked[name]
        if name not in self._found:
            self._found[name] = self._archive.newest(name)
        return self._found[name]

    def asked(self, requests: Mapping[str, Iterable[str]]) -> dict[str, LockedPackage]:
        """The packages that each set asks for. Raises LockError, naming all that do not exist."""
        sets: dict[str, list[str]] = {}
        for name, packages in requests.items():
            for package in packages:
                sets.setdefault(package, []).append(name)
        found = {name: self.find(name) for name in sets}
        lacking = [
            LockError(
                f"{self._archive.debian.suite} has no package {name} (asked for by {', '.join(sets[name])})",
                hint=self._hint(name),
                package=name,
            )
            for name, package in found.items()
            if package is None
        ]
        if lacking:
            told = ", ".join(
                f"{each.package} (asked for by {', '.join(sets[each.package])})" for each in lacking
            )
            raise LockError.joined(lacking, f"{self._archive.debian.suite} has no package {told}")
        return {name: package for name, package in found.items() if package is not None}

    def pick(
        self, group: Sequence[Relation], members: Mapping[str, LockedPackage], *, locked_only: bool = False
    ) -> LockedPackage | None:
        """What meets one of a group of alternatives: a member of the set, a locked one, the first there is.

        None when there is none; with `locked_only` the archive is not asked.
        """
        for packages in (members, self.locked):
            if package := _meeting(group, packages):
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
        """The first package that an alternative names, though its version is not accepted."""
        return next(filter(None, (self.find(each.name) for each in group)), None)

    def packages_with(self, soname: str) -> list[str]:
        """Packages that have the library, by the archive's list of all files: slow."""
        return self._archive.packages_with(soname)

    def _hint(self, name: str) -> str:
        from notos.debian import similar_names

        if component := self._archive.component_with(name):
            return f"it is in {component}: write debian: {{components: [main, {component}]}}"
        providers = [each.name for each in self._archive.providers(name)]
        popularity = self._archive.needed.__getitem__
        near = similar_names.meant(name, self._archive.names(), providers, popularity)
        if providers:
            return f"{name} is virtual, name one that provides it: {', '.join(near)}"
        if near:
            return f"did you mean {either(near)}?"
        return "check its name, and debian.components in the config"


def meets(package: LockedPackage, wanted: Relation) -> bool:
    """Whether `package` is, or provides, what is `wanted` (Debian policy 7.5)."""
    if package.name == wanted.name and wanted.accepts(package.version):
        return True
    return wanted.name in package.provides and any(
        provided.name == wanted.name and wanted.accepts(provided.version)
        for group in parse(package.provides)
        for provided in group
    )


def _meeting(group: Sequence[Relation], packages: Mapping[str, LockedPackage]) -> LockedPackage | None:
    """The first of `packages` that meets an alternative: one of that name before one that provides it."""
    for each in group:
        if each.name in packages and each.accepts(packages[each.name].version):
            return packages[each.name]
    return next(
        (package for package in packages.values() if any(meets(package, each) for each in group)), None
    )
