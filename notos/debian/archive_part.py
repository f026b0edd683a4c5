"""One index of an archive, with the packages that it may provide and their priority."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from notos.config.model import PackageSource
from notos.debian import package, policy
from notos.debian.index import Index
from notos.debian.package import LockedPackage
from notos.debian.relation import compare, parse
from notos.debian.signed_suite import SignedSuite
from notos.errors import LockError, PackageError


@dataclass(frozen=True)
class Part:
    """The index of one component of a suite; `source` is None for the distribution's own suites.

    `architecture` is Debian's name of that of the machine, and `keys` the source's place in the config.
    """

    suite: SignedSuite
    index: Index
    architecture: str
    source: PackageSource | None = None
    keys: tuple[str, ...] = ()

    @property
    def pin(self) -> int:
        """The priority of the packages."""
        return policy.pin(self.source) if self.source else policy.OWN

    def allows(self, name: str) -> bool:
        """Return True if the part may provide a package of this name, really or by its Provides."""
        return self.source is None or policy.allows(self.source.packages, name)

    def names(self) -> Iterator[str]:
        """Return the names of the packages that the part may provide."""
        return filter(self.allows, self.index.names())

    def stanzas(self, name: str) -> Iterator[Mapping[str, str]]:
        """Yield the versions of a package, if the part may provide it. Each has a valid Version.

        The index of a flat repository has the packages of all architectures. Raises LockError for an invalid
        stanza.
        """
        if not self.allows(name):
            return
        try:
            for each in self.index.stanzas(name):
                if each.get("Architecture", "all") in (self.architecture, "all"):
                    yield self._checked(each)
        except PackageError as error:
            raise self._error(error.message) from error

    def not_allowed(self, name: str) -> Iterator[str]:
        """Yield the versions of a package that the source has and may not provide."""
        if not self.allows(name):
            with suppress(PackageError):
                yield from (each["Version"] for each in self.index.stanzas(name) if "Version" in each)

    def providers(self, virtual: str) -> Iterator[str]:
        """Yield packages that may have `virtual` in their Provides."""
        return filter(self.allows, self.index.providers(virtual)) if self.allows(virtual) else iter(())

    def package(self, stanza: Mapping[str, str]) -> LockedPackage:
        """Return the package of a stanza. Raises LockError if it is invalid."""
        try:
            found = package.of_stanza(stanza, self.suite.origin, self.architecture, self.suite.name)
            if self.source is None:
                return found
            for each in (found.depends, found.conflicts):  # so that a fault of them is one of this source
                parse(each)
            return replace(found, provides=policy.allowed_provides(found.provides, self.allows))
        except LockError as error:
            raise self._error(error.message, error.hint) from error

    def _checked(self, stanza: Mapping[str, str]) -> Mapping[str, str]:
        """Return a stanza with a version that compares with others. Raises LockError."""
        name, version = stanza["Package"], stanza.get("Version")
        if not version:
            raise self._error(f"the index of {self.suite.origin} has no Version for {name}")
        try:
            compare(version, version)
        except ValueError as error:
            raise self._error(f"invalid stanza of {name}: {error}") from error
        return stanza

    def _error(self, message: str, hint: str = "") -> LockError:
        return LockError(message, hint=hint or "the archive is broken", keys=self.keys)
