"""One index of an archive, with the packages that it may provide and their priority."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from notos.config.model import PackageSource
from notos.debian import package, policy
from notos.debian.index import Index
from notos.debian.package import LockedPackage
from notos.debian.signed_suite import SignedSuite


@dataclass(frozen=True)
class Part:
    """The index of one component of a suite; `source` is None for the distribution's own suites.

    `architecture` is Debian's name of that of the machine.
    """

    suite: SignedSuite
    index: Index
    architecture: str
    source: PackageSource | None = None

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
        """Yield the versions of a package, if the part may provide it.

        The index of a flat repository has the packages of all architectures.
        """
        if self.allows(name):
            for each in self.index.stanzas(name):
                if each.get("Architecture", "all") in (self.architecture, "all"):
                    yield each

    def providers(self, virtual: str) -> Iterator[str]:
        """Yield packages that may have `virtual` in their Provides."""
        return filter(self.allows, self.index.providers(virtual)) if self.allows(virtual) else iter(())

    def package(self, stanza: Mapping[str, str]) -> LockedPackage:
        """Return the package of a stanza. Raises LockError if it is invalid."""
        found = package.of_stanza(stanza, self.suite.origin, self.architecture, self.suite.name)
        if self.source is None or not found.provides:
            return found
        return replace(found, provides=policy.allowed_provides(found.provides, self.allows))
