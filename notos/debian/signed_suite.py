"""One suite of an archive: its verified Release, and the indexes that this lists, in the cache.

This module knows neither which packages a suite may provide nor which version is wanted.
"""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from notos.cache import Cache
from notos.debian import download, release
from notos.debian.download import Download, Progress, Retries
from notos.debian.index import Index
from notos.debian.keyring import Trust
from notos.debian.network_errors import OTHER_MIRROR
from notos.debian.release import Listed, Release
from notos.errors import FetchError
from notos.formats import xz
from notos.host.proxy import ENVIRONMENT, Proxies, without_password

# Compressions of a Packages file, the best one first.
_COMPRESSIONS = (".xz", ".gz", ".bz2", "")


@dataclass(frozen=True)
class SignedSuite:
    """A suite: the `origin` of its packages, its Release, and the addresses of that.

    `name` is the suite of a further source, empty for one of the release itself. `fallback` is True if a
    file may lack its by-hash name, although the Release promises it.
    """

    origin: str
    url: str
    others: tuple[str, ...]
    release: Release
    name: str = ""
    flat: bool = False
    fallback: bool = False
    unreachable: str = OTHER_MIRROR


@dataclass(frozen=True)
class File:
    """A file that a suite lists: its path below the suite, and its size and hash."""

    suite: SignedSuite
    path: str
    listed: Listed

    def download(self) -> Download:
        """Return its download, by hash if the archive has that (Acquire-By-Hash)."""
        folder, _, name = self.path.rpartition("/")
        suite = self.suite
        beside = f"{folder}/" if folder else ""
        places = [f"{beside}by-hash/SHA256/{self.listed.sha256}"] if suite.release.by_hash else [self.path]
        if suite.fallback and suite.release.by_hash:
            places.append(self.path)
        urls = [f"{each}/{place}" for place in places for each in (suite.url, *suite.others)]
        return Download(
            f"{name} of {suite.release.title or suite.origin}",
            urls[0],
            self.listed.size,
            self.listed.sha256,
            gone="the mirror is being updated; try again in a few minutes",
            unreachable=suite.unreachable,
            others=tuple(urls[1:]),
        )


def signed(
    url: str,
    suite: str,
    trust: Trust,
    *,
    missing: str,
    keys: tuple[str, ...],
    expected: str | None = None,
    check_valid_until: bool = True,
    retries: Retries = download.RETRIES,
    proxies: Proxies = ENVIRONMENT,
    unreachable: str = OTHER_MIRROR,
) -> Release:
    """Return the Release of `suite` in the folder at `url`: of InRelease, or of Release and Release.gpg.

    `missing` is the hint and `keys` the place of the error for a suite that does not exist. `expected` and
    `check_valid_until` are as in release.read; the first is `suite` by default. Raises FetchError if it does
    not exist, SignatureError if it is not trustworthy.
    """

    def get(name: str) -> bytes | None:
        return download.get(f"{url}/{name}", retries=retries, proxies=proxies, unreachable=unreachable)

    name, signature = "InRelease", None
    data = get(name)
    if data is None:
        name, data = "Release", get("Release")
        signature = get("Release.gpg") if data is not None else None
        if data is None:
            at = without_password(url.removesuffix(f"/dists/{suite}"))
            raise FetchError(f"no suite {suite} at {at}", hint=missing, keys=keys)
        if signature is None:
            shown = without_password(f"{url}/Release")
            raise FetchError(f"{shown} has no signature: Release.gpg does not exist", hint=missing, keys=keys)
    return release.read(
        data,
        trust,
        expected=suite if expected is None else expected,
        shown=without_password(f"{url}/{name}"),
        signature=signature,
        check_valid_until=check_valid_until,
    )


def packages_files(suite: SignedSuite, components: Sequence[str], architecture: str) -> Iterator[list[File]]:
    """Yield the Packages files of each component for an architecture; no files if it has none.

    A repository may list packages for all architectures in an index of their own.
    """
    if suite.flat:
        yield list(_best(suite, "Packages"))
        return
    for component in components:
        own = list(_best(suite, f"{component}/binary-{architecture}/Packages"))
        every = list(_best(suite, f"{component}/binary-all/Packages")) if suite.fallback else []
        yield [*own, *every]


def _best(suite: SignedSuite, path: str) -> Iterator[File]:
    for suffix in _COMPRESSIONS:
        if listed := suite.release.files.get(path + suffix):
            yield File(suite, path + suffix, listed)
            return


def fetch(
    files: Sequence[File],
    cache: Cache,
    *,
    progress: Callable[[Progress], None] | None,
    retries: Retries,
    proxies: Proxies,
) -> list[Path]:
    """Download and verify the files; return their paths in the cache."""
    downloads = [each.download() for each in files]
    download.fetch(downloads, cache, progress=progress, retries=retries, proxies=proxies)
    return [each.place(cache) for each in downloads]


def index(path: Path, name: str) -> Index:
    """Return the Packages file at `path`; `name` has its suffix. Raises FetchError if it is damaged."""
    return Index(_unpacked(path, name))


def _unpacked(path: Path, name: str) -> Iterator[bytes]:
    data = path.read_bytes()
    try:
        match name.rpartition(".")[2]:
            case "xz":
                yield from xz.decompress(data)
            case "gz":
                yield gzip.decompress(data)
            case "bz2":
                yield bz2.decompress(data)
            case _:
                yield data
    except (
        lzma.LZMAError,
        OSError,
        EOFError,
        zlib.error,
    ) as error:  # its hash was correct after the download
        raise FetchError(f"{path} is damaged: {error}", hint="remove the file and build again") from error
