"""The archives and suites in `debian.sources`: each is read and verified by its own keys alone."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from notos.cache import Cache
from notos.config.model import Debian, PackageSource
from notos.debian import distribution, keyring, policy, seen_releases, signed_suite
from notos.debian.archive_part import Part
from notos.debian.download import Retries, also_failed
from notos.debian.keyring import Trust
from notos.debian.mirror import Mirrors
from notos.debian.network_errors import OTHER_MIRROR
from notos.debian.release import Release
from notos.debian.signed_suite import SignedSuite
from notos.errors import FetchError, LockError, NotosError, raise_all


@dataclass(frozen=True)
class Reader:
    """A reader of all sources of a machine; `own` are the keys of the distribution."""

    debian: Debian
    architecture: str
    cache: Cache
    mirrors: Mirrors
    own: Trust
    retries: Retries

    def parts(self) -> list[Part]:
        """Return the indexes of all sources. Raises the errors of all sources in one."""
        sources = self.debian.sources
        with ThreadPoolExecutor(max(len(sources), 1)) as pool:
            results = list(pool.map(self._tried, sources))
        raise_all(each for each in results if isinstance(each, NotosError))
        return [part for each in results if not isinstance(each, NotosError) for part in each]

    def _tried(self, source: PackageSource) -> list[Part] | NotosError:
        try:
            found = list(self._parts(source))
            raise_all(self._unmatched(source, found))
        except NotosError as error:
            for each in error.parts or (error,):
                each.keys = each.keys or policy.keys(self.debian.sources, source)
            return error
        return found

    def _parts(self, source: PackageSource) -> Iterator[Part]:
        keys = policy.keys(self.debian.sources, source)
        for name in source.suites:
            suite = self._suite(source, name, keys)
            files = []
            for component, each in zip(
                source.components,
                signed_suite.packages_files(suite, source.components, self.architecture),
                strict=False,
            ):
                if not each:
                    where = "" if suite.flat else f"{component}/binary-{self.architecture}/"
                    hint = "check its components" if not suite.flat else "check its url and its suites"
                    raise LockError(f"{suite.url} lists no {where}Packages", hint=hint, keys=keys)
                files += each
            proxies = self.mirrors.proxies
            paths = signed_suite.fetch(
                files, self.cache, progress=None, retries=self.retries, proxies=proxies
            )
            for file, path in zip(files, paths, strict=True):
                yield Part(suite, signed_suite.index(path, file.path), self.architecture, source, keys)

    def _suite(self, source: PackageSource, name: str, keys: tuple[str, ...]) -> SignedSuite:
        """Read and verify one suite of a source."""
        place = f"debian.sources ({policy.title(source)})"
        until = f"check_valid_until: false in {place}"
        missing = f"check url and suites in {place}"
        if source.url is None:
            origin = distribution.of(self.debian).origin(name)
            mirrors = (self.mirrors, *self.mirrors.others)
            is_security = distribution.is_security(name)
            addresses = [each.security if is_security else each.main for each in mirrors]
            urls = list(dict.fromkeys(f"{each}/dists/{name}" for each in addresses))
            trust = Trust(self.own.certs, self.own.signer, self.own.hint, f"suites in {place}", until, keys)
            unreachable = OTHER_MIRROR
        else:
            origin, unreachable = source.url, f"check the url in {place}"
            flat = f"{source.url}/{name.removeprefix('./').strip('/')}".rstrip("/")
            urls = [flat if name.endswith("/") else f"{source.url}/dists/{name}"]
            trust = _trust(source, place, until, keys)

        def read(url: str, retries: Retries) -> Release:
            return signed_suite.signed(
                url,
                name,
                trust,
                missing=missing,
                keys=keys,
                expected="" if name.endswith("/") else name,
                check_valid_until=source.check_valid_until,
                retries=retries,
                proxies=self.mirrors.proxies,
                unreachable=unreachable,
            )

        # As for the release itself: of a mirror that the config names, its indexes are the only ones.
        url, release = self._first(urls[:1] if self.mirrors.pinned else urls, read)
        if source.url and source.check_valid_until:
            seen_releases.check(url, release, self.cache, until=until, keys=keys)
        return SignedSuite(
            origin,
            url,
            tuple(each for each in urls if each != url),
            release,
            name,
            flat=name.endswith("/"),
            fallback=source.url is not None,
            unreachable=unreachable,
        )

    def _first(self, urls: Sequence[str], read: Callable[[str, Retries], Release]) -> tuple[str, Release]:
        """Return the first address that `read` can read, and its result. Raises FetchError."""
        errors: list[FetchError] = []
        for url in urls:
            try:
                return url, read(url, self.retries if url == urls[-1] else self.retries.fewer)
            except FetchError as error:
                errors.append(error)
        raise also_failed(errors[0], len(errors) - 1)

    def _unmatched(self, source: PackageSource, parts: Sequence[Part]) -> Iterator[LockError]:
        """Yield an error for each pattern of a source that no package of it matches."""
        names = {name for part in parts for name in part.index.names()}
        virtual = [part.index.providers for part in parts]
        for pattern in source.packages:
            if any(policy.allows((pattern,), each) for each in names):
                continue
            if any(next(find(pattern), None) for find in virtual):
                continue
            near = difflib.get_close_matches(pattern.strip("*"), sorted(names), 1)
            yield LockError(
                f"{policy.title(source)} has no package {pattern}",
                hint=f"did you mean {near[0]}?" if near else "check packages, suites and components",
                keys=policy.keys(self.debian.sources, source),
            )


def _trust(source: PackageSource, place: str, until: str, keys: tuple[str, ...]) -> Trust:
    """Return the keys of a source with a URL. Raises SignatureError if none of them is usable."""
    assert source.key is not None, "checked when the config was loaded"
    try:
        certs, faults = keyring.read(Path(source.key))
    except NotosError as error:
        error.keys = keys
        raise
    hint = "; ".join([*faults, "check the key and the url; both are of one archive"])
    return Trust(tuple(certs), f"a key in {source.key}", hint, f"suites in {place}", until, keys)
