"""Downloads from a server on loopback that misbehaves in all the ways that mirrors do."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from notos.cache import Cache
from notos.debian.download import PIECE, Download, Progress, Retries, fetch, get
from notos.errors import FetchError, SignatureError
from tests.signed_archive import ENDLESS, ENDLESS_PIECE, Fault, Server, serving
from tests.this_host import free_port

ONCE = Retries(1, 0.0)
OFTEN = Retries(4, 0.0)
DATA = bytes(range(256)) * 4096  # sixteen pieces


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "www").mkdir()
    (tmp_path / "www/data").write_bytes(DATA)
    with serving(tmp_path / "www") as server:
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def data(server: Server) -> Download:
    return server.download("data", DATA)


def part_of(cache: Cache, download: Download) -> Path:
    final = cache.download(download.digest)
    final.parent.mkdir(parents=True, exist_ok=True)
    return final.with_name(final.name + ".part")


def left_over(cache: Cache) -> list[str]:
    return sorted(path.name for path in (cache.root / "sha256").rglob("*") if path.is_file())


def test_what_is_there_is_not_asked_for(server: Server, cache: Cache, data: Download) -> None:
    fetch([data, data], cache)
    assert cache.download(data.digest).read_bytes() == DATA
    assert server.asked("data") == [None]
    fetch([data], cache)
    assert server.asked("data") == [None]
    assert left_over(cache) == [data.digest]


def test_one_that_is_there_but_damaged_is_fetched_again(server: Server, cache: Cache, data: Download) -> None:
    fetch([data], cache)
    os.truncate(cache.download(data.digest), 1000)
    fetch([data], cache)
    assert cache.download(data.digest).read_bytes() == DATA


def test_many_with_progress(tmp_path: Path, server: Server, cache: Cache) -> None:
    downloads = []
    for number in range(40):
        content = b"%d" % number * (number * 500 + 1)
        (tmp_path / f"www/{number}").write_bytes(content)
        downloads.append(server.download(str(number), content))
    told: list[Progress] = []
    fetch(downloads, cache, jobs=5, progress=told.append)
    total = sum(each.size or 0 for each in downloads)
    assert told[-1] == Progress(done=total, total=total, files_done=40, files_total=40)
    assert [each.done for each in told] == sorted(each.done for each in told)
    assert len(server.requests) == 40
    assert all(cache.download(each.digest).stat().st_size == each.size for each in downloads)


def test_resumes_what_a_killed_run_left(server: Server, cache: Cache, data: Download) -> None:
    part_of(cache, data).write_bytes(DATA[:30_000])
    fetch([data], cache, retries=ONCE)
    assert server.asked("data") == ["bytes=30000-"]
    assert cache.download(data.digest).read_bytes() == DATA


def test_a_whole_part_is_only_verified(server: Server, cache: Cache, data: Download) -> None:
    part_of(cache, data).write_bytes(DATA)
    fetch([data], cache, retries=ONCE)
    assert server.requests == []
    assert cache.download(data.digest).read_bytes() == DATA


@pytest.mark.parametrize("wrong", [b"x" * 1000, b"x" * len(DATA), b"x" * (len(DATA) + 1)])
def test_a_part_of_something_else_is_dropped(
    server: Server, cache: Cache, data: Download, wrong: bytes
) -> None:
    part_of(cache, data).write_bytes(wrong)
    fetch([data], cache, retries=Retries(2, 0.0))
    assert cache.download(data.digest).read_bytes() == DATA


@pytest.mark.parametrize(
    ("faults", "ranges"),
    [
        (["500", "500"], [None, None, None]),
        (["cut"], [None, f"bytes={len(DATA) // 2}-"]),
        (["cut", "cut", "500"], [None, *[f"bytes={len(DATA) // 2}-"], *[f"bytes={len(DATA) * 3 // 4}-"] * 2]),
        (["cut", "no range"], [None, f"bytes={len(DATA) // 2}-"]),
    ],
)
def test_goes_on_after_failures(
    server: Server, cache: Cache, data: Download, faults: list[Fault], ranges: list[str | None]
) -> None:
    server.faults["data"] = faults
    fetch([data], cache, retries=OFTEN)
    assert server.asked("data") == ranges
    assert cache.download(data.digest).read_bytes() == DATA


@pytest.mark.parametrize(
    ("fault", "message", "requests"),
    [
        ("500", "the server answers 500", 4),
        ("cut", "connection lost", 4),
        ("404", "the server no longer has data", 1),
        ("wrong", "has a wrong sha256", 1),
        ("longer", f"has more than {len(DATA)} bytes", 1),
    ],
)
def test_gives_up_with_one_line(
    server: Server, cache: Cache, fault: Fault, message: str, requests: int
) -> None:
    data = server.download("data", DATA)
    server.faults["data"] = [fault] * 10
    with pytest.raises(FetchError) as caught:
        fetch([data], cache, retries=OFTEN)
    assert message in caught.value.message
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    assert len(server.requests) == requests
    assert not cache.download(data.digest).exists()


def test_says_what_to_do_when_a_package_is_gone(server: Server, cache: Cache) -> None:
    with pytest.raises(FetchError) as caught:
        fetch([server.download("gone", b"x")], cache)
    assert caught.value.hint == "run `./doit lock`"


def test_wrong_bytes_are_not_resumed(server: Server, cache: Cache, data: Download) -> None:
    server.faults["data"] = ["wrong"]
    with pytest.raises(SignatureError):
        fetch([data], cache)
    fetch([data], cache)
    assert server.asked("data") == [None, None]


def nobody() -> str:
    """Return the address of a closed port."""
    return f"127.0.0.1:{free_port()}"


def test_nobody_listens(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    where = nobody()
    with pytest.raises(FetchError) as caught:
        fetch([Download("data", f"http://{where}/data", 1, "0" * 64)], cache, retries=OFTEN)
    assert caught.value.message == f"cannot reach {where}: Connection refused"
    assert "debian.mirror" in caught.value.hint


def test_one_failure_stops_the_others(server: Server, cache: Cache, data: Download) -> None:
    server.faults = {"data": ["endless"], "gone": ["late"]}
    endless = Download("endless", data.url, 1 << 40, "0" * 64)
    with pytest.raises(FetchError, match="no longer has gone"):
        fetch([endless, server.download("gone", b"x")], cache)
    part = part_of(cache, endless)
    # The rest of what the server would have sent is missing.
    assert not part.exists() or part.stat().st_size < ENDLESS * ENDLESS_PIECE


SCRIPT = """
import resource, sys
from pathlib import Path
from notos.cache import Cache
from notos.errors import FetchError
from notos.debian.download import Download, fetch
root, url, size, sha256, limit = sys.argv[1:]
if limit != "0":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
try:
    fetch([Download("data", url, int(size), sha256)], Cache(Path(root)))
except FetchError as error:
    sys.exit(str(error))
"""


def elsewhere(cache: Cache, download: Download, *, limit: int = 0) -> "subprocess.Popen[str]":
    """Fetch it in a process of its own, which may write files of `limit` bytes."""
    words = [str(cache.root), download.url, str(download.size), download.digest, str(limit)]
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *words], stderr=subprocess.PIPE, text=True)


def test_a_full_disk(cache: Cache, data: Download) -> None:
    process = elsewhere(cache, data, limit=PIECE)
    _, said = process.communicate()
    assert process.returncode == 1
    assert said.startswith(f"cannot write below {cache.download(data.digest).parent}: ")
    assert "free disk space" in said
    assert len(said.splitlines()) == 1


def test_a_cache_that_cannot_be(server: Server, data: Download, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FetchError, match="cannot write below") as caught:
        fetch([data], Cache(tmp_path / "file"))
    assert "NOTOS_CACHE" in caught.value.hint


def test_two_processes_at_once(tmp_path: Path, server: Server, cache: Cache) -> None:
    content = os.urandom(4 << 20)
    (tmp_path / "www/big").write_bytes(content)
    download = server.download("big", content)
    server.faults["big"] = ["slow"] * 2
    processes = [elsewhere(cache, download) for _ in range(2)]
    assert [each.communicate()[1] for each in processes] == ["", ""]
    assert server.asked("big") == [None]  # the second one waited for the first
    assert cache.download(download.digest).read_bytes() == content
    assert left_over(cache) == [download.digest]


def test_get(server: Server) -> None:
    assert get(f"{server.url}/data") == DATA
    assert get(f"{server.url}/gone") is None
    server.faults["data"] = ["500", "cut"]
    assert get(f"{server.url}/data", retries=OFTEN) == DATA
    server.faults["data"] = ["500"] * 4
    with pytest.raises(FetchError, match="the server answers 500"):
        get(f"{server.url}/data", retries=OFTEN)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Server]:
    """Another mirror."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other/data").write_bytes(DATA)
    with serving(tmp_path / "other") as server:
        yield server


@pytest.mark.parametrize("fault", ["500", "cut", "404", "wrong", "longer", "nobody"])
def test_a_fallback_mirror_stands_in(
    server: Server, other: Server, cache: Cache, fault: Fault | Literal["nobody"]
) -> None:
    data = replace(server.download("data", DATA), others=(f"{other.url}/data",))
    if fault == "nobody":
        data = replace(data, url=f"http://{nobody()}/data")
    else:
        server.faults["data"] = [fault] * 10
    fetch([data], cache, retries=OFTEN)
    assert cache.download(data.digest).read_bytes() == DATA
    assert len(server.requests) <= 2
    # What had come before the connection broke is not fetched again.
    assert (other.asked("data") == [None]) == (fault != "cut")


def test_a_mirror_that_does_not_answer_is_asked_once(tmp_path: Path, other: Server, cache: Cache) -> None:
    where, downloads = nobody(), []
    for number in range(20):
        (tmp_path / f"other/{number}").write_bytes(b"%d" % number)
        download = other.download(str(number), b"%d" % number)
        downloads.append(replace(download, url=f"http://{where}/{number}", others=(download.url,)))
    fetch(downloads, cache, jobs=1, retries=OFTEN)
    assert len(other.requests) == 20


def test_all_mirrors_fail(server: Server, other: Server, cache: Cache) -> None:
    """The error is that of the first mirror, with the number of failed fallbacks."""
    data = replace(server.download("data", DATA), others=(f"{other.url}/gone", f"http://{nobody()}/data"))
    server.faults["data"] = ["wrong"]
    with pytest.raises(SignatureError, match=r"has a wrong sha256, \w+ \(2 fallback mirrors failed too\)"):
        fetch([data], cache, retries=ONCE)
    assert "\n" not in str(data)


@pytest.mark.parametrize("url", ["http://nobody.invalid/data", "http://[::1]:9/data"])
def test_what_lasts_is_an_error_at_once(cache: Cache, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    start = time.monotonic()
    with pytest.raises(FetchError, match="cannot reach"):
        fetch([Download("data", url, 1, "0" * 64)], cache, retries=Retries(4, 600.0))
    assert time.monotonic() - start < 300
