"""Verified downloads from a mirror into the cache. The callers select the files.

A download is written to HASH.part under a lock, so that two builds may request it at the same time. An
interrupted transfer is resumed where it stopped (RFC 9110, 14.2), also from another mirror. Only a file with
the expected size and digest is renamed to its final path.
"""

import errno
import fcntl
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from notos.cache import Cache
from notos.debian.network_errors import (
    BROKEN_MIRROR,
    OTHER_MIRROR,
    PassingError,
    UnreachableError,
    check_status,
    host,
    network,
    route,
)
from notos.errors import FetchError, SignatureError
from notos.host.proxy import ENVIRONMENT, Proxies, without_password

if TYPE_CHECKING:
    from requests import Response, Session

PIECE = 1 << 16  # bytes read at a time: the most that an interrupted transfer loses
TIMEOUT = (10.0, 30.0)  # seconds: for the connection, and between two reads

T = TypeVar("T")


@dataclass(frozen=True)
class Download:
    """A file to download: `name` for messages, `size` in bytes or None if unknown, `digest` in hex digits.

    The digest is of `algorithm`, a name of hashlib.
    `others` are addresses to try after `url`. `gone`, `wrong` and `unreachable` are the hints for a server
    that does not have the file, has different bytes, or cannot be reached. `keys` is the place in the config
    that names the server, for errors.
    """

    name: str
    url: str
    size: int | None
    digest: str
    gone: str = "run `./doit lock`"
    wrong: str = BROKEN_MIRROR
    unreachable: str = OTHER_MIRROR
    others: tuple[str, ...] = ()
    algorithm: str = "sha256"
    keys: tuple[str, ...] = ()

    def place(self, cache: Cache) -> Path:
        """Return the path of the file in the cache, whether it exists or not."""
        return cache.download(self.digest, self.algorithm)


@dataclass(frozen=True)
class Progress:
    """The progress of a fetch, in bytes and files, without files that were in the cache before.

    A file of unknown size counts with the bytes received so far.
    """

    done: int
    total: int
    files_done: int
    files_total: int


@dataclass(frozen=True)
class Retries:
    """The maximum number of attempts, and the first pause in seconds, which doubles after each attempt."""

    attempts: int = 4
    pause: float = 0.5

    @property
    def fewer(self) -> "Retries":
        """Return fewer attempts, for a server that has a fallback."""
        return Retries(min(self.attempts, 2), self.pause)


RETRIES = Retries()


class _StoppedError(Exception):
    """Another download failed or the user interrupted, so this one is cancelled."""


def fetch(
    downloads: Iterable[Download],
    cache: Cache,
    *,
    jobs: int = 8,
    progress: Callable[[Progress], None] | None = None,
    retries: Retries = RETRIES,
    proxies: Proxies = ENVIRONMENT,
) -> None:
    """Download those of `downloads` that `cache` lacks.

    `jobs` of them run at the same time. `progress` is called after every piece, by one thread at a time.
    Raises FetchError for the first download that fails; the others stop and are resumed next time.
    """
    missing = {each.digest: each for each in downloads if not has(cache, each)}
    if not missing:
        return
    work = _Work(cache, retries, _Counter(list(missing.values()), progress), proxies)
    with ThreadPoolExecutor(max_workers=min(jobs, len(missing))) as pool:
        # The largest first, so that the threads finish at about the same time.
        todo = sorted(missing.values(), key=lambda each: (-(each.size or 0), each.name))
        futures = [pool.submit(work.get, each) for each in todo]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            work.stop.set()
            pool.shutdown(cancel_futures=True)
            work.close()
    if error := _first_error(futures):
        raise error


def has(cache: Cache, download: Download) -> bool:
    """Return True if the cache has the file. A file of another size was damaged after its verification."""
    try:
        return download.place(cache).stat().st_size == download.size or download.size is None
    except OSError:
        return False


def get(
    url: str,
    *,
    retries: Retries = RETRIES,
    proxies: Proxies = ENVIRONMENT,
    unreachable: str = OTHER_MIRROR,
    headers: Mapping[str, str] | None = None,
) -> bytes | None:
    """Return the bytes at `url`, None if it does not exist. For small files without a known hash.

    `unreachable` is the hint for a server that does not answer. `headers` are added to those of the request.
    Raises FetchError.
    """
    from requests import Session

    proxy = proxies.of(url)

    def attempt() -> bytes | None:
        with (
            network(url, proxy, unreachable),
            session.get(url, headers=headers, timeout=TIMEOUT, proxies=route(proxy)) as answer,
        ):
            if answer.status_code == 404:
                return None
            check_status(answer, url, proxy, unreachable)
            return answer.content

    with Session() as session:
        return _retry(attempt, retries, threading.Event())


def also_failed(error: FetchError, others: int) -> FetchError:
    """Return `error` with the number of other mirrors that failed after it."""
    if not others:
        return error
    mirrors = "the fallback mirror" if others == 1 else f"{others} fallback mirrors"
    message = f"{error.message} ({mirrors} failed too)"
    return type(error)(message, hint=error.hint, keys=error.keys, package=error.package)


def _first_error(futures: list[Future[None]]) -> BaseException | None:
    """Return the first failure, ignoring downloads that were cancelled because of it."""
    errors = [each.exception() for each in futures if not each.cancelled()]
    return next((each for each in errors if each and not isinstance(each, _StoppedError)), None)


class _Counter:
    """The total progress of all downloads."""

    def __init__(self, downloads: list[Download], report: Callable[[Progress], None] | None) -> None:
        self._report = report
        self._guard = threading.Lock()
        self._done = dict.fromkeys((each.digest for each in downloads), 0)
        self._finished: set[str] = set()
        self._total = sum(each.size for each in downloads if each.size is not None)

    def set(self, download: Download, done: int, *, finished: bool = False) -> None:
        """Record that `download` has `done` bytes; the number is smaller than before after a restart."""
        if self._report is None:
            return
        with self._guard:
            self._done[download.digest] = done
            if finished:
                self._finished.add(download.digest)
            received = sum(self._done.values())
            sums = received, max(received, self._total), len(self._finished), len(self._done)
            self._report(Progress(*sums))


class _Work:
    """The state that the threads of one fetch share."""

    def __init__(self, cache: Cache, retries: Retries, counter: _Counter, proxies: Proxies) -> None:
        self._proxies = proxies
        self._unreachable: set[str] = set()  # hosts
        self._cache = cache
        self._retries = retries
        self._counter = counter
        self._local = threading.local()
        self._sessions: list[Session] = []
        self.stop = threading.Event()

    def get(self, download: Download) -> None:
        """Download one file. Raises FetchError."""
        final = download.place(self._cache)
        part = final.with_name(final.name + ".part")
        with _disk(final.parent):
            final.parent.mkdir(parents=True, exist_ok=True)
            with _locked(part, self.stop) as stream:
                if has(self._cache, download):  # another process was faster
                    part.unlink()
                else:
                    self._fill(download, stream)
                    part.replace(final)
        self._counter.set(download, final.stat().st_size, finished=True)

    def _fill(self, download: Download, stream: BinaryIO) -> None:
        """Write the file's bytes to `stream`, from the first address that has them."""
        # Hosts that did not answer before come last.
        urls = sorted(
            dict.fromkeys((download.url, *download.others)), key=lambda each: host(each) in self._unreachable
        )
        errors: list[FetchError] = []
        for url in urls:
            retries = self._retries if url == urls[-1] else self._retries.fewer
            try:
                return _retry(lambda url=url: self._transfer(download, url, stream), retries, self.stop)  # type: ignore[misc]
            except FetchError as error:
                if isinstance(error, UnreachableError):
                    self._unreachable.add(host(url))
                errors.append(error)
        found = also_failed(errors[0], len(errors) - 1)
        found.keys = found.keys or download.keys
        raise found

    def close(self) -> None:
        for each in self._sessions:
            each.close()

    def _session(self) -> "Session":
        """Return this thread's session, which keeps its connections open."""
        if not hasattr(self._local, "session"):
            from requests import Session

            self._local.session = Session()
            # Without this, a server may compress files that it considers text.
            self._local.session.headers["Accept-Encoding"] = "identity"
            self._sessions.append(self._local.session)
        session: Session = self._local.session
        return session

    def _transfer(self, download: Download, url: str, stream: BinaryIO) -> None:
        """Make one attempt: continue at the end of the part file, then verify the whole file."""
        kind = download.algorithm
        size, shown, proxy = download.size, without_password(url), self._proxies.of(url)
        digest = hashlib.new(kind)
        resumed = at = self._resume(download, stream, digest)
        headers = {"Range": f"bytes={at}-"} if at else {}
        if size is None or at < size:
            with (
                network(url, proxy, download.unreachable),
                self._session().get(
                    url, headers=headers, stream=True, timeout=TIMEOUT, proxies=route(proxy)
                ) as answer,
            ):
                if answer.status_code in (404, 410):
                    raise FetchError(
                        f"the server no longer has {download.name} ({shown})", hint=download.gone
                    )
                if answer.status_code == 416:
                    stream.truncate(0)
                    raise PassingError(FetchError(f"{shown} has no bytes past {at}", hint=download.wrong))
                check_status(answer, url, proxy, download.unreachable)
                if at and not _continues(answer, at):
                    digest, resumed, at = hashlib.new(kind), 0, 0
                    stream.truncate(0)
                for piece in answer.iter_content(PIECE):
                    if self.stop.is_set():
                        raise _StoppedError
                    stream.write(piece)
                    digest.update(piece)
                    at += len(piece)
                    self._counter.set(download, at)
                    if size is not None and at > size:
                        break
        stream.flush()
        if size is not None and at < size:
            raise PassingError(FetchError(f"{shown} ended after {at} of {size} bytes", hint=download.wrong))
        more = size is not None and at > size
        if more or digest.hexdigest() != download.digest:
            stream.truncate(0)
            if resumed:  # the bytes of the earlier attempt may be wrong
                raise PassingError(
                    FetchError(
                        f"the resumed transfer of {shown} has a wrong {kind}",
                        hint=download.wrong,
                    )
                )
            problem = f"has more than {size} bytes" if more else f"has a wrong {kind}, {digest.hexdigest()}"
            raise SignatureError(f"{download.name}: {shown} {problem}", hint=download.wrong)

    def _resume(self, download: Download, stream: BinaryIO, digest: "hashlib._Hash") -> int:
        """Add the bytes of the part file to `digest`; return their number."""
        if download.size is not None and os.fstat(stream.fileno()).st_size > download.size:
            stream.truncate(0)
        stream.seek(0)
        at = 0
        while piece := stream.read(PIECE):
            digest.update(piece)
            at += len(piece)
        if at:
            self._counter.set(download, at)
        return at


@contextmanager
def _locked(part: Path, stop: threading.Event) -> Iterator[BinaryIO]:
    """Open the part file under an exclusive lock."""
    while True:
        with part.open("ab+") as stream:
            while not _lock(stream):
                if stop.wait(0.1):  # a blocking flock would not react to Ctrl-C
                    raise _StoppedError
            # Meanwhile another process may have renamed or removed the file.
            if part.exists() and os.path.samestat(part.stat(), os.fstat(stream.fileno())):
                yield stream
                return


def _lock(stream: BinaryIO) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _retry(attempt: Callable[[], T], retries: Retries, stop: threading.Event) -> T:
    """Call `attempt` until it succeeds or fails permanently. After the last attempt, raises FetchError."""
    for count in range(1, retries.attempts + 1):
        try:
            return attempt()
        except PassingError as error:
            if count == retries.attempts:
                raise error.lasting from error
            if stop.wait(retries.pause * 2 ** (count - 1)):
                raise _StoppedError from error
    raise ValueError("no attempts")


def _continues(answer: "Response", at: int) -> bool:
    """Return True if the response begins at byte `at`; a server without range support sends all (200)."""
    return answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {at}-")


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """Convert OSError from writing below `folder` to FetchError."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        hint = (
            "free disk space there, or set NOTOS_CACHE to another folder"
            if full
            else "set NOTOS_CACHE to a writable folder"
        )
        raise FetchError(f"cannot write below {folder}: {error.strerror or error}", hint=hint) from error
