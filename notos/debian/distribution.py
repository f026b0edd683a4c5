"""Debian and Ubuntu: the facts by which their archives differ, as data."""

from collections.abc import Sequence
from dataclasses import dataclass

from notos.config.model import Debian
from notos.debian.suites import ROLLING

ORIGINS = MAIN, SECURITY, UBUNTU = "main", "security", "ubuntu"  # values of LockedPackage.origin


@dataclass(frozen=True)
class Distribution:
    """A distribution. `keys` is the folder of its certificates below debian/keys.

    `main` and `security` are the origins of packages in its suites and in those of security fixes. Ubuntu has
    one pool for all suites, so they are the same.
    """

    title: str
    keys: str
    main: str
    security: str

    @property
    def origins(self) -> frozenset[str]:
        """The origins of all packages of the distribution."""
        return frozenset((self.main, self.security))

    def suites(self, suite: str) -> Sequence[tuple[str, str]]:
        """Return the suites of a release, each with its origin."""
        if suite in ROLLING:
            return [(suite, self.main)]
        return [(suite, self.main), (f"{suite}-updates", self.main), (f"{suite}-security", self.security)]

    def origin(self, suite: str) -> str:
        """Return the origin of a single suite."""
        return self.security if is_security(suite) else self.main


def is_security(suite: str) -> bool:
    """Return True if the security archive has the suite; in Ubuntu, the mirror may have it too."""
    return suite.endswith("-security")


ALL = {
    "debian": Distribution("Debian", "", MAIN, SECURITY),
    "ubuntu": Distribution("Ubuntu", "ubuntu", UBUNTU, UBUNTU),
}


def of(debian: Debian) -> Distribution:
    """Return the distribution of an archive."""
    return ALL[debian.distribution]
