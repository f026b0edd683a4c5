"""Tools trees of another suite than the system's, in one lock."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from notos.architecture import AMD64
from notos.cache import Cache
from notos.config.model import ComponentName, Debian, SuiteName
from notos.debian import download
from notos.debian.archive import Archive
from notos.debian.download import Retries
from notos.debian.package import LockedPackage
from notos.errors import LockError
from notos.lock import lockfile, suites
from notos.lock.lockfile import Lock
from notos.lock.request import Request, Requests
from tests.signed_archive import Deb, Server, SignedArchive, serving

REQUESTS = {
    "system": {"tool": Request("elf")},
    "tools/image": {"tool": Request("elf")},
    "tools/qemu": {"qemu": Request("depends")},
}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    signed = SignedArchive(tmp_path)
    old = [Deb("tool", "1"), Deb("qemu", "7")]
    new = [Deb("tool", "2"), Deb("qemu", "10", depends="seabios"), Deb("seabios")]
    for suite, debs in (
        ("bookworm", old),
        ("trixie", new),
        ("forky", [replace(each, version="3") for each in new]),
    ):
        signed.publish(debs, suite=suite)
        for part in ("updates", "security"):
            signed.publish([], suite=f"{suite}-{part}")
    with serving(signed.root) as served:
        yield served


def resolve(
    server: Server, folder: Path, base: Lock | None = None, requests: Requests = REQUESTS, **keys: str
) -> Lock:
    debian = replace(server.debian(), **keys)  # type: ignore[arg-type]
    cache = Cache(folder / "cache")

    def archive(each: Debian) -> Archive:
        return Archive(each, cache, AMD64, keys=folder / "keys", retries=Retries(1, 0.0))

    def fetch(packages: Sequence[LockedPackage]) -> None:
        download.fetch([each.download(archive(debian).mirrors) for each in packages], cache)

    return suites.resolve(requests, debian=debian, base=base, archive=archive, cache=cache, fetch=fetch)


def versions(lock: Lock) -> dict[str, list[str]]:
    return {name: [f"{each.name} {each.version}" for each in lock.set(name)] for name in REQUESTS}


@pytest.mark.parametrize(
    ("suite", "tools", "own"),
    [
        ("bookworm", "auto", "trixie"),
        ("bookworm", "bookworm", "bookworm"),
        ("bookworm", "forky", "forky"),
        ("trixie", "auto", "trixie"),
        ("forky", "auto", "trixie"),
        ("forky", "forky", "forky"),
        ("forky", "trixie", "trixie"),
    ],
)
def test_the_release_of_the_tools(server: Server, tmp_path: Path, suite: str, tools: str, own: str) -> None:
    lock = resolve(server, tmp_path, suite=suite, tools_suite=tools)
    tool = {"bookworm": "1", "trixie": "2", "forky": "3"}
    qemu = {"bookworm": ["qemu 7"], "trixie": ["qemu 10", "seabios 1"], "forky": ["qemu 3", "seabios 3"]}
    assert versions(lock) == {
        "system": [f"tool {tool[suite]}"],
        "tools/image": [f"tool {tool[own]}"],
        "tools/qemu": qemu[own],
    }
    assert lock.suite == suite
    assert (lock.tools is None) == (suite == own)
    path = tmp_path / "config.lock"
    lockfile.write(path, lock)
    assert lockfile.read(path) == lock
    assert lockfile.encode(lock) == path.read_text()
    # Nothing is looked up again, nor moves without a request.
    server.requests.clear()
    assert resolve(server, tmp_path, lock, suite=suite, tools_suite=tools) == lock
    assert server.requests == []


def test_each_suite_is_verified(server: Server, tmp_path: Path) -> None:
    resolve(server, tmp_path, suite="bookworm")
    read = {path for path, _ in server.requests if path.endswith("InRelease")}
    assert {path.rpartition("/dists/")[2] for path in read} == {
        f"{suite}{part}/InRelease"
        for suite in ("bookworm", "trixie")
        for part in ("", "-updates", "-security")
    }


def test_from_one_suite_to_two_and_back(server: Server, tmp_path: Path) -> None:
    one = resolve(server, tmp_path, suite="bookworm", tools_suite="bookworm")
    two = resolve(server, tmp_path, one, suite="bookworm")
    assert two == resolve(server, tmp_path, suite="bookworm")
    assert resolve(server, tmp_path, two, suite="bookworm", tools_suite="bookworm") == one
    assert lockfile.changes(one, two) == [
        "removed    qemu 7",
        "added      qemu 10 (tools/qemu)",
        "added      seabios 1 (tools/qemu)",
        "added      tool 2 (tools/image)",
        *(f"{name:<11}  {len(two.set(name))} packages, 0.0 MB to download" for name in REQUESTS),
    ]


def test_packages_that_the_suites_lack_are_named_together(server: Server, tmp_path: Path) -> None:
    debian = suites.tools(Debian(suite=SuiteName("bookworm"), components=(ComponentName("contrib"),)))
    assert (debian.suite, debian.components) == ("trixie", ("main",))
    requests = {"system": {"none": Request("elf")}, "tools/qemu": {"lost": Request("elf")}}
    with pytest.raises(LockError) as caught:
        resolve(server, tmp_path, requests=requests, suite="bookworm")
    assert [each.message for each in caught.value.parts] == [
        "bookworm has no package none (requested by system)",
        "trixie has no package lost (requested by tools/qemu)",
    ]


@pytest.mark.parametrize("damage", [{"sets": {}}, {"packages": {"x": {}}}])
def test_a_damaged_lock_of_tools(server: Server, tmp_path: Path, damage: dict[str, object]) -> None:
    path = tmp_path / "config.lock"
    data = json.loads(lockfile.encode(resolve(server, tmp_path, suite="bookworm")))
    data["tools"].update(damage)
    path.write_text(json.dumps(data))
    with pytest.raises(LockError, match=r"config\.lock"):
        lockfile.read(path)
