"""The files of pinned Python packages: chosen by tags and hashes for a machine, fetched into the cache."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from notos import atomic, errors
from notos.cache import Cache
from notos.debian.download import Download, Progress, fetch, get
from notos.errors import FetchError, NotosError, SignatureError
from notos.host.proxy import without_password
from notos.programs import python_index, wheels
from notos.programs.python_index import Link, Places
from notos.programs.requirements import Digest, Pinned
from notos.programs.wheels import Python

if TYPE_CHECKING:
    from packaging.tags import Tag

_FORMAT = 2
_SHOWN = 3  # platforms in a message
_JOBS = 8


class Chosen(NamedTuple):
    """A file of a package: its name, its digest, and its address, which is not compared."""

    package: str
    version: str
    file: str
    digest: Digest
    url: str = ""

    @property
    def is_wheel(self) -> bool:
        """Return False for a source archive."""
        return self.file.endswith(".whl")

    def place(self, cache: Cache) -> Path:
        """Return the path of the file in the cache."""
        return cache.download(self.digest.value, self.digest.algorithm)


def key(pinned: Iterable[Pinned], python: Python) -> str:
    """Return the key of the choice of files for `pinned`: 64 hex digits."""
    rows = sorted(
        [each.name, str(each.version), each.url, *sorted(map(str, each.digests))] for each in pinned
    )
    words = [_FORMAT, python.version, python.glibc, python.target.uname, rows]
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()


def ensure(
    pinned: Sequence[Pinned],
    python: Python,
    cache: Cache,
    keys: tuple[str, ...],
    *,
    places: Callable[[], Places],
    progress: Callable[[Progress], None] | None = None,
) -> list[Chosen]:
    """Return the files for `pinned`, which are in the cache afterwards.

    `places` returns where files are; it is called only if the cache lacks some. Raises NotosError, with
    `keys`, for packages that have no fitting file, and FetchError.
    """
    kept = cache.vendored(key(pinned, python)).with_suffix(".json")
    try:
        chosen = [Chosen(a, b, c, Digest(*d)) for a, b, c, d in json.loads(kept.read_bytes())]
        if all(each.place(cache).is_file() for each in chosen):
            return chosen
    except (OSError, ValueError, TypeError):
        pass
    chosen = choose(pinned, python, places(), keys, cache)
    local = [each for each in chosen if "://" not in each.url]
    for each in local:
        _copy(each, cache)
    fetch(
        [
            Download(
                each.file,
                each.url,
                None,
                each.digest.value,
                gone="the index lists it; try again later",
                wrong="the index is broken or being updated; try again later",
                unreachable="pip's configuration names the index (index-url)",
                algorithm=each.digest.algorithm,
            )
            for each in chosen
            if each not in local
        ],
        cache,
        progress=progress,
    )
    kept.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(kept, json.dumps([each[:4] for each in chosen]).encode())
    return chosen


def choose(
    pinned: Sequence[Pinned], python: Python, places: Places, keys: tuple[str, ...], cache: Cache
) -> list[Chosen]:
    """Return the best fitting file of each package. Raises NotosError with all packages without one.

    A file whose digest nothing shows is fetched into `cache`.
    """
    ranks = {tag: number for number, tag in enumerate(wheels.tags(python))}

    def one(wanted: Pinned) -> Chosen | NotosError:
        try:
            if wanted.url:
                return _at_address(wanted, ranks, python, cache)
            found = list(python_index.links(wanted.name, places, python_index.fetch_page))
            return _best(wanted, found, ranks, python, cache)
        except NotosError as error:
            return error
        except OSError as error:
            return NotosError(f"{wanted.where}: cannot read {error.filename}: {error.strerror}")

    with ThreadPoolExecutor(_JOBS) as pool:
        results = list(pool.map(one, pinned))
    wrong = [each for each in results if isinstance(each, NotosError)]
    if wrong and all(isinstance(each, FetchError) for each in wrong):
        wrong = wrong[:1]  # one server that does not answer
    errors.raise_all(type(each)(each.message, hint=each.hint, keys=keys) for each in wrong)
    return [each for each in results if isinstance(each, Chosen)]


def _at_address(wanted: Pinned, ranks: "dict[Tag, int]", python: Python, cache: Cache) -> Chosen:
    """Return the file at the address of `wanted`. Raises NotosError."""
    try:
        link = python_index.at_address(wanted.url)
    except ValueError as error:
        shown = without_password(wanted.url)
        raise NotosError(f"{wanted.where}: invalid address {shown}", hint="correct it") from error
    version = wheels.version_of(link.file, wanted.name)
    if not version:
        message = f"{wanted.where}: {link.file} is not the name of a wheel or source archive of {wanted.name}"
        raise NotosError(message, hint="correct the address")
    return _best(wanted._replace(version=version), [link], ranks, python, cache)


def _best(
    wanted: Pinned, found: Sequence[Link], ranks: "dict[Tag, int]", python: Python, cache: Cache
) -> Chosen:
    """Return the file with the lowest rank of those with a digest of `wanted`. Raises NotosError."""
    version = str(wanted.version)
    title = f"{wanted.where}: {wanted.name}=={version}"
    if not found:
        raise NotosError(
            f"{title}: no index has this package", hint="correct its name, or pip's configuration"
        )
    of_version = [each for each in found if _is_of(each.file, wanted.name, version)]
    if not of_version:
        raise NotosError(f"{title}: no index has this version", hint="pin another version")
    names = ", ".join(each.file for each in of_version[:_SHOWN])
    unmatched = SignatureError(
        f"{title}: no file has one of the hashes that are written there ({names})",
        hint="somebody changed the file or the hashes; pin them again if you trust the index",
    )
    matching = [(each, allowed) for each in of_version if (allowed := _allowed(each, wanted))]
    if not matching:
        raise unmatched
    ranked = [
        (rank, each.file, each, allowed)
        for each, allowed in matching
        if (rank := wheels.rank(each.file, wanted.name, version, ranks)) is not None
    ]
    if not ranked:
        kinds = wheels.platforms_of(each.file for each, _ in matching)
        more = " …" if len(kinds) > _SHOWN else ""
        series = "{}.{}".format(*python.series)
        raise NotosError(
            f"{title}: no wheel is for Python {series} on {python.target.uname}; "
            f"those with a hash are for {', '.join(kinds[:_SHOWN])}{more}",
            hint="pin a version that has one, with its hash",
        )
    for rank, _, link, allowed in sorted(ranked, key=lambda row: row[:2]):
        if rank == len(ranks) and (absent := _absent(wanted, of_version)):
            raise NotosError(
                f"{title}: only a source archive fits, but no index has the file with the hash {absent}, "
                "which may be a wheel",
                hint="try again later, or remove that hash",
            )
        digest = min(allowed) if link.digests or len(allowed) == 1 else _identify(link, allowed, cache)
        if digest is not None:
            return Chosen(wanted.name, version, link.file, digest, link.url)
    raise unmatched


def _absent(wanted: Pinned, found: Sequence[Link]) -> str:
    """Return a hash of `wanted` that no file in `found` has; "" if all are known, or none can be.

    Without this check, the choice would depend on the day: an index may be updated slowly.
    """
    if not all(each.digests for each in found):
        return ""
    listed = {digest for each in found for digest in each.digests}
    algorithms = {each.algorithm for each in listed}
    lost = sorted(each for each in wanted.digests - listed if each.algorithm in algorithms)
    return f"{lost[0].algorithm}:{lost[0].value}" if lost else ""


def _is_of(file: str, name: str, version: str) -> bool:
    """Return True if `file` is a wheel or a source archive of the package in this version."""
    from packaging.utils import parse_wheel_filename
    from packaging.version import Version

    if not file.endswith(".whl"):
        return wheels.rank(file, name, version, {}) is not None
    try:
        found = parse_wheel_filename(file)
    except ValueError:
        return False
    return found[0] == name and found[1] == Version(version)


def _allowed(link: Link, wanted: Pinned) -> frozenset[Digest]:
    """Return the digests of `wanted` that a file may have; all of them if nothing shows its own."""
    if link.digests:
        return link.digests & wanted.digests
    if "://" in link.url:  # the index has no digests, so the download shows
        return wanted.digests
    kinds = {each.algorithm for each in wanted.digests}
    return frozenset(_digest(link.url, kind) for kind in kinds) & wanted.digests


def _identify(link: Link, allowed: frozenset[Digest], cache: Cache) -> Digest | None:
    """Return which of the digests a file has, None if none; with one, keep the file. Raises FetchError."""
    if "://" not in link.url:
        return min(allowed)
    data = get(link.url, unreachable=python_index.HINT)
    if data is None:
        raise FetchError(
            f"the server no longer has {link.file} ({without_password(link.url)})", hint=python_index.HINT
        )
    for digest in sorted(allowed):
        if hashlib.new(digest.algorithm, data).hexdigest() == digest.value:
            place = cache.download(digest.value, digest.algorithm)
            place.parent.mkdir(parents=True, exist_ok=True)
            atomic.write(place, data)
            return digest
    return None


def _digest(path: str, algorithm: str) -> Digest:
    with open(path, "rb") as stream:
        return Digest(algorithm, hashlib.file_digest(stream, algorithm).hexdigest())


def _copy(chosen: Chosen, cache: Cache) -> None:
    """Copy a file of this host into the cache. Raises SignatureError if it has another digest."""
    if _digest(chosen.url, chosen.digest.algorithm) != chosen.digest:
        raise SignatureError(f"{chosen.url} has a wrong {chosen.digest.algorithm}", hint="remove it")
    place = chosen.place(cache)
    place.parent.mkdir(parents=True, exist_ok=True)
    with atomic.scratch(place.parent) as scratch:
        shutil.copyfile(chosen.url, scratch / "file")
        atomic.move(scratch / "file", place)
