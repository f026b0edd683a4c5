"""A signed Debian archive: one release, its updates and its security fixes as a single set of packages.

    InRelease (signed by a shipped key) ─► Packages.xz (sha256) ─► a stanza ─► a .deb (sha256)

All InRelease files come from one mirror and its security archive: the first mirror that has all of them.

This module finds packages. lock/resolve.py selects them.
"""

import gzip
import lzma
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from notos.architecture import Architecture
from notos.cache import Cache
from notos.config.model import Debian
from notos.debian import download, mirror, release
from notos.debian.download import Download, Progress, Retries
from notos.debian.index import Index
from notos.debian.mirror import Mirrors
from notos.debian.package import LockedPackage
from notos.debian.relation import parse, unrestricted, version_key
from notos.debian.release import Release
from notos.debian.suites import ROLLING
from notos.errors import FetchError, LockError
from notos.formats import xz
from notos.host.proxy import ENVIRONMENT, Proxies, without_password

if TYPE_CHECKING:
    from pysequoia import Cert


@dataclass(frozen=True)
class _Suite:
    """A suite: its mirror `origin` ("main" or "security"), its Release, and the addresses of that."""

    origin: str
    url: str
    others: tuple[str, ...]
    release: Release


@dataclass(frozen=True)
class Archive:
    """The archive that `debian` describes, for one architecture. Indexes are fetched when first needed.

    All methods raise FetchError if the archive is unreachable, and SignatureError if it is not trustworthy.
    `keys` is a folder of armored certificates; `where` returns the mirrors for a Debian.
    """

    debian: Debian
    cache: Cache
    architecture: Architecture
    keys: Path = release.KEYS
    progress: Callable[[Progress], None] | None = None
    retries: Retries = Retries()
    where: Callable[[Debian], Mirrors] = mirror.mirrors

    @cached_property
    def mirrors(self) -> Mirrors:
        """Return the addresses of the mirrors."""
        return self.where(self.debian)

    def newest(self, name: str) -> LockedPackage | None:
        """Return the newest version of the package `name`, None if it does not exist."""
        found = [(stanza, origin) for origin, index in self._indexes for stanza in index.stanzas(name)]
        if not found:
            return None
        # If two suites have the same version, take the first: the main archive keeps its files longer.
        stanza, origin = max(found, key=lambda each: version_key(each[0]["Version"]))
        return _package(stanza, origin, self.architecture.debian)

    def providers(self, virtual: str) -> list[LockedPackage]:
        """Return the packages whose newest version has `virtual` in its Provides, sorted by name."""
        names = {name for _, index in self._indexes for name in index.providers(virtual)}
        packages = filter(None, map(self.newest, sorted(names)))
        return [each for each in packages if any(group[0].name == virtual for group in parse(each.provides))]

    def names(self) -> set[str]:
        """Return the names of all packages."""
        return {name for _, index in self._indexes for name in index.names()}

    @cached_property
    def needed(self) -> Counter[str]:
        """Return, for each package, how many times other packages depend on it or recommend it."""
        return sum((index.needed() for _, index in self._indexes), Counter())

    def component_with(self, name: str) -> str:
        """Return the component outside of the config's that has the package `name`; "" if none has it."""
        found = [stanza for _, index in self._left_out for stanza in index.stanzas(name)]
        # The component is part of the path: pool/non-free-firmware/f/….
        return found[0]["Filename"].removeprefix("./").split("/")[1] if found else ""

    def packages_with(self, file_name: str) -> list[str]:
        """Return the packages that have a file called `file_name`. Slow: reads all of Contents."""
        found: set[str] = set()
        listed = self._listed(f"Contents-{self.architecture.debian}.gz")
        wanted = f"/{file_name}".encode()
        for path in self._fetch(listed):
            with gzip.open(path) as stream:
                for line in stream:
                    if wanted in line:
                        place, _, packages = line.decode(errors="replace").rpartition(" ")
                        if place.rstrip().endswith(f"/{file_name}"):
                            found.update(each.strip().rpartition("/")[2] for each in packages.split(","))
        return sorted(found)

    @cached_property
    def _indexes(self) -> list[tuple[str, Index]]:
        """Return the indexes of the config's components in each suite, with their origin."""
        return self._opened(self.debian.components)

    @cached_property
    def _left_out(self) -> list[tuple[str, Index]]:
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

    def _opened(self, components: Sequence[str]) -> list[tuple[str, Index]]:
        listed = self._listed(f"binary-{self.architecture.debian}/Packages.xz", components)
        return [
            (suite.origin, Index(_unpacked(path)))
            for (suite, _, _), path in zip(listed, self._fetch(listed), strict=True)
        ]

    @cached_property
    def _suites(self) -> list[_Suite]:
        mirrors = self.mirrors
        candidates = [mirrors] if mirrors.pinned else [mirrors, *mirrors.others]
        errors: list[FetchError] = []
        for each in candidates:
            try:
                return self._suites_of(each, self.retries if each is candidates[-1] else self.retries.fewer)
            except FetchError as error:
                errors.append(error)
        raise download.also_failed(errors[0], len(errors) - 1)

    def _suites_of(self, mirrors: Mirrors, retries: Retries) -> list[_Suite]:
        suite: str = self.debian.suite
        certs = release.certificates(self.keys)
        places = [(suite, "main")]
        if suite not in ROLLING:
            places += [(f"{suite}-updates", "main"), (f"{suite}-security", "security")]

        def read(name: str, origin: str) -> _Suite:
            addresses = [
                each.main if origin == "main" else each.security
                for each in (mirrors, self.mirrors, *self.mirrors.others)
            ]
            url, *others = dict.fromkeys(f"{each}/dists/{name}" for each in addresses)
            key = "mirror" if origin == "main" else "security_mirror"
            found = signed(
                addresses[0],
                name,
                certs,
                key=key,
                check_valid_until=self.debian.check_valid_until,
                retries=retries,
                proxies=self.mirrors.proxies,
            )
            return _Suite(origin, url, tuple(others), found)

        with ThreadPoolExecutor(len(places)) as pool:
            return list(pool.map(lambda place: read(*place), places))

    def _listed(self, path: str, components: Sequence[str] = ()) -> list[tuple[_Suite, str, release.Listed]]:
        """Return the entry for the file `path` of each component, in each suite.

        `components` are those of the config by default. Raises LockError if a file is missing.
        """
        found = []
        for suite in self._suites:
            for component in components or self.debian.components:
                listed = suite.release.files.get(f"{component}/{path}")
                if listed is None:
                    raise LockError(
                        f"{suite.release.codename} has no {component}/{path}",
                        hint="check debian.components in the config",
                        keys=("debian", "components", component),
                    )
                found.append((suite, f"{component}/{path}", listed))
        return found

    def _fetch(self, listed: list[tuple[_Suite, str, release.Listed]]) -> list[Path]:
        """Download and verify the files; return their paths in the cache."""
        downloads = []
        for suite, path, file in listed:
            folder, _, name = path.rpartition("/")
            place = f"{folder}/by-hash/SHA256/{file.sha256}" if suite.release.by_hash else path
            downloads.append(
                Download(
                    f"{name} of {suite.release.codename}",
                    f"{suite.url}/{place}",
                    file.size,
                    file.sha256,
                    gone="the mirror is being updated; try again in a few minutes",
                    others=tuple(f"{each}/{place}" for each in suite.others),
                )
            )
        proxies = self.mirrors.proxies
        download.fetch(downloads, self.cache, progress=self.progress, retries=self.retries, proxies=proxies)
        return [each.place(self.cache) for each in downloads]


def signed(
    address: str,
    suite: str,
    certs: "list[Cert]",
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
    url = f"{address}/dists/{suite}/InRelease"
    data = download.get(url, retries=retries, proxies=proxies)
    if data is None:
        raise FetchError(
            f"no suite {suite} at {without_password(address)}",
            hint=f"check debian.suite in the config, and the mirror (debian.{key})",
            keys=("debian", "suite") if key == "mirror" else ("debian", key),
        )
    return release.read(
        data, certs, expected=suite, shown=without_password(url), check_valid_until=check_valid_until
    )


def _unpacked(path: Path) -> Iterator[bytes]:
    try:
        yield from xz.decompress(path.read_bytes())
    except lzma.LZMAError as error:  # its hash was correct after the download
        raise FetchError(f"{path} is damaged: {error}", hint="remove the file and build again") from error


def _package(stanza: Mapping[str, str], origin: str, architecture: str) -> LockedPackage:
    try:
        return LockedPackage(
            name=stanza["Package"],
            version=stanza["Version"],
            architecture=stanza["Architecture"],
            origin=origin,
            filename=stanza["Filename"].removeprefix("./"),
            size=int(stanza["Size"]),
            sha256=stanza["SHA256"],
            depends=_joined(architecture, stanza, "Pre-Depends", "Depends"),
            provides=_joined(architecture, stanza, "Provides"),
            conflicts=_joined(architecture, stanza, "Conflicts", "Breaks"),
        )
    except (KeyError, ValueError) as error:
        raise LockError(f"invalid stanza of {stanza.get('Package')} in the index: {error}") from error


def _joined(architecture: str, stanza: Mapping[str, str], *fields: str) -> str:
    return ", ".join(unrestricted(stanza[each], architecture) for each in fields if stanza.get(each))
