"""A signed archive: one release, its updates and its security fixes as a single set of packages.

    InRelease (signed by a shipped key) ─► Packages.xz (sha256) ─► a stanza ─► a .deb (sha256)

All InRelease files come from one mirror and its security archive: the first mirror that has all of them.
The sources in the config follow, each for the packages that it may provide, and the user's own .debs.

This module finds packages. lock/resolve.py selects them.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from notos.architecture import Architecture
from notos.cache import Cache
from notos.config.model import Debian, PackageSource
from notos.debian import contents, distribution, download, further_sources, mirror, release, signed_suite
from notos.debian.archive_part import Part
from notos.debian.download import Progress, Retries
from notos.debian.keyring import Trust
from notos.debian.mirror import Mirrors
from notos.debian.package import LockedPackage
from notos.debian.relation import parse, version_key
from notos.debian.release import Release
from notos.debian.signed_suite import File, SignedSuite
from notos.errors import FetchError, LockError
from notos.host.proxy import ENVIRONMENT, Proxies


@dataclass(frozen=True)
class Archive:
    """The archive that `debian` describes, for one architecture. Indexes are fetched when first needed.

    All methods raise FetchError if the archive is unreachable, and SignatureError if it is not trustworthy.
    `keys` is a folder of armored certificates; `where` returns the mirrors for a Debian. `local` are the
    user's own packages by name, which no other version replaces.
    """

    debian: Debian
    cache: Cache
    architecture: Architecture
    keys: Path = release.KEYS
    progress: Callable[[Progress], None] | None = None
    retries: Retries = Retries()
    where: Callable[[Debian], Mirrors] = mirror.mirrors
    local: Mapping[str, LockedPackage] = field(default_factory=dict)

    @cached_property
    def mirrors(self) -> Mirrors:
        """Return the addresses of the mirrors."""
        return self.where(self.debian)

    def newest(self, name: str) -> LockedPackage | None:
        """Return the version of the package `name` to use, None if it does not exist.

        It is the user's own; otherwise the newest of those with the highest priority.
        """
        if name in self.local:
            return self.local[name]
        found = [(part, stanza) for part in self._parts for stanza in part.stanzas(name)]
        if not found:
            return None
        # If two suites have the same version, take the first: the main archive keeps its files longer.
        part, stanza = max(found, key=lambda each: (each[0].pin, version_key(each[1]["Version"])))
        return part.package(stanza)

    def providers(self, virtual: str) -> list[LockedPackage]:
        """Return the packages whose newest version has `virtual` in its Provides, sorted by name."""
        names = {name for part in self._parts for name in part.providers(virtual)}
        packages = filter(None, map(self.newest, sorted(names | self.local.keys())))
        return [each for each in packages if any(group[0].name == virtual for group in parse(each.provides))]

    def names(self) -> set[str]:
        """Return the names of all packages."""
        return {name for part in self._parts for name in part.names()} | self.local.keys()

    @cached_property
    def needed(self) -> Counter[str]:
        """Return, for each package, how many times other packages depend on it or recommend it."""
        return sum((part.index.needed() for part in self._own), Counter())

    def component_with(self, name: str) -> str:
        """Return the component outside of the config's that has the package `name`; "" if none has it."""
        found = [stanza for part in self._left_out for stanza in part.stanzas(name)]
        # The component is part of the path: pool/non-free-firmware/f/….
        return found[0]["Filename"].removeprefix("./").split("/")[1] if found else ""

    def not_allowed(self, name: str) -> list[tuple[PackageSource, str]]:
        """Return the sources that have a package `name` which they may not provide, with its version."""
        return [
            (part.source, version)
            for part in self._further
            for version in part.not_allowed(name)
            if part.source
        ]

    def versions(self, name: str) -> list[tuple[PackageSource | None, str]]:
        """Return all available versions of a package, each with its source (None: the distribution)."""
        return [(part.source, stanza["Version"]) for part in self._parts for stanza in part.stanzas(name)]

    def packages_with(self, file_name: str) -> list[str]:
        """Return the packages that have a file called `file_name`, for hints. Slow: reads all of Contents.

        Raises FetchError if that fails and the package is not found.
        """
        found: set[str] = set()
        failed: FetchError | None = None
        for name in (self.architecture.debian, "all"):
            if found or (name == "all" and ".so" in file_name):  # no library is for all architectures
                break
            for file in self._contents(name):
                try:
                    found.update(contents.packages_with(file_name, self._stream(file)))
                except FetchError as error:
                    failed = failed or error
        found &= self.names()
        if failed and not found:
            raise failed
        return sorted(found)

    def _stream(self, file: File) -> BinaryIO:
        """Return the compressed stream of a Contents file.

        A mirror may have those of another day than its Release. They are good enough for a hint, because
        only the names of packages in signed indexes count.
        """
        try:
            (path,) = self._fetch([file])
        except FetchError:
            url, proxies = f"{file.suite.url}/{file.path}", self.mirrors.proxies
            if url not in self._of_another_day:
                data = download.get(url, retries=self.retries.fewer, proxies=proxies)
                if data is None:
                    raise
                self._of_another_day[url] = data
            return BytesIO(self._of_another_day[url])
        return path.open("rb")

    @cached_property
    def _of_another_day(self) -> dict[str, bytes]:
        """Contents files that are not the signed ones, by address."""
        return {}

    @cached_property
    def _parts(self) -> list[Part]:
        """Return all indexes, the distribution's own first."""
        return [*self._own, *self._further]

    @cached_property
    def _own(self) -> list[Part]:
        """Return the indexes of the config's components in each of the distribution's suites."""
        return self._opened(self.debian.components)

    @cached_property
    def _further(self) -> list[Part]:
        """Return the indexes of the sources in the config."""
        if not self.debian.sources:
            return []
        return further_sources.Reader(
            self.debian, self.architecture.debian, self.cache, self.mirrors, self._trust, self.retries
        ).parts()

    @cached_property
    def _left_out(self) -> list[Part]:
        """Return the indexes of the other components, if the mirror has them.

        They are only used for hints, and a local mirror may have main only.
        """
        end = f"/binary-{self.architecture.debian}/Packages.xz"
        listed = {path.removesuffix(end) for path in self._suites[0].release.files if path.endswith(end)}
        found = []
        for component in sorted(each for each in listed - {*self.debian.components} if "/" not in each):
            try:
                found += self._opened([component])
            except (FetchError, LockError):
                continue
        return found

    def _opened(self, components: Sequence[str]) -> list[Part]:
        """Return the indexes of these components. Raises LockError if a suite lacks one of them."""
        name, files = self.architecture.debian, []
        for suite in self._suites:
            every = signed_suite.packages_files(suite, components, name)
            for component, found in zip(components, every, strict=True):
                if not found:
                    raise LockError(
                        f"{suite.release.title} has no {component}/binary-{name}/Packages.xz",
                        hint="check debian.components in the config",
                        keys=("debian", "components", component),
                    )
                files += found
        return [
            Part(file.suite, signed_suite.index(path, file.path), name)
            for file, path in zip(files, self._fetch(files), strict=True)
        ]

    def _contents(self, architecture: str) -> list[File]:
        """Return the Contents files: of each component, or in Ubuntu of each suite.

        Those of Debian have packages of one architecture, and Contents-all those for all architectures.
        """
        name = f"Contents-{architecture}.gz"
        paths = [*(f"{component}/{name}" for component in self.debian.components), name]
        found = []
        for suite in self._suites:
            listed = [path for path in paths if path in suite.release.files]
            found += [File(suite, path, suite.release.files[path]) for path in listed]
        return found

    @cached_property
    def _trust(self) -> Trust:
        return trust(self.debian, self.keys)

    @cached_property
    def _suites(self) -> list[SignedSuite]:
        mirrors = self.mirrors
        candidates = [mirrors] if mirrors.pinned else [mirrors, *mirrors.others]
        errors: list[FetchError] = []
        for each in candidates:
            try:
                return self._suites_of(each, self.retries if each is candidates[-1] else self.retries.fewer)
            except FetchError as error:
                errors.append(error)
        raise download.also_failed(errors[0], len(errors) - 1)

    def _suites_of(self, mirrors: Mirrors, retries: Retries) -> list[SignedSuite]:
        own = self._trust
        places = distribution.of(self.debian).suites(self.debian.suite)

        def read(name: str, origin: str) -> SignedSuite:
            is_security = distribution.is_security(name)
            every = (mirrors, self.mirrors, *self.mirrors.others)
            addresses = [each.security if is_security else each.main for each in every]
            url, *others = dict.fromkeys(f"{each}/dists/{name}" for each in addresses)
            found = signed(
                addresses[0],
                name,
                own,
                key="security_mirror" if is_security else "mirror",
                check_valid_until=self.debian.check_valid_until,
                retries=retries,
                proxies=self.mirrors.proxies,
            )
            return SignedSuite(origin, url, tuple(others), found)

        with ThreadPoolExecutor(len(places)) as pool:
            return list(pool.map(lambda place: read(*place), places))

    def _fetch(self, files: Sequence[File]) -> list[Path]:
        """Download and verify the files; return their paths in the cache."""
        proxies = self.mirrors.proxies
        return signed_suite.fetch(
            files, self.cache, progress=self.progress, retries=self.retries, proxies=proxies
        )


def trust(debian: Debian, keys: Path = release.KEYS) -> Trust:
    """Return the keys of the distribution's archive; `keys` is the folder of Debian's."""
    found = distribution.of(debian)
    certs = tuple(release.certificates(keys / found.keys if found.keys else keys))
    return Trust(certs, f"a key of {found.title}'s archive")


def signed(
    address: str,
    suite: str,
    own: Trust,
    *,
    key: str = "mirror",
    check_valid_until: bool = True,
    retries: Retries = download.RETRIES,
    proxies: Proxies = ENVIRONMENT,
) -> Release:
    """Return the Release of `suite` on the mirror at `address`.

    `key` is the mirror's key in the config, and `check_valid_until` is as in release.read.
    Raises FetchError if it does not exist, SignatureError if it is not trustworthy.
    """
    return signed_suite.signed(
        f"{address}/dists/{suite}",
        suite,
        own,
        missing=f"check debian.suite in the config, and the mirror (debian.{key})",
        keys=("debian", "suite") if key == "mirror" else ("debian", key),
        check_valid_until=check_valid_until,
        retries=retries,
        proxies=proxies,
    )
