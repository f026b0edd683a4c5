"""A binary cache, judged by real Nix: fetched over HTTP, signatures required, and refused when changed."""

import base64
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from notos.errors import StoreError
from notos.store import binary_cache
from notos.store.signing_key import SigningKey
from notos.store.store import Store, StoreObject
from tests.conftest import Project
from tests.servers import http_cache
from tests.trees import family

KEY = SigningKey("test-1", bytes(range(32)))
REFUSED = "not signed by any of the keys in 'trusted-public-keys'"
Tool = Callable[[str], list[str]]


@dataclass(frozen=True)
class Nix:
    """Real Nix with a store of its own, whose one substituter is at `url`."""

    root: Path
    url: str
    tool: Tool
    trusted: str = KEY.public

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        options = {
            "build-users-group": "",
            "substituters": self.url,
            "trusted-public-keys": self.trusted,
            "require-sigs": "true",
            "narinfo-cache-negative-ttl": "0",
            "narinfo-cache-positive-ttl": "0",
        }
        told = [word for name, value in options.items() for word in ("--option", name, value)]
        home = {"HOME": str(self.root / "home"), "NIX_CONF_DIR": str(self.root / "etc")}
        return subprocess.run(
            [*self.tool("nix-store"), "--store", f"local?root={self.root}", *told, *words],
            env={"PATH": "/nonexistent", **home},
            capture_output=True,
            text=True,
            check=False,
        )

    def realise(self, path: str) -> subprocess.CompletedProcess[str]:
        return self.run("--realise", path)

    def has(self, obj: StoreObject) -> bool:
        return self.run("--check-validity", obj.path).returncode == 0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, tool: Tool) -> Iterator[tuple[Path, str]]:
    """Yield a folder that nginx serves, and its address."""
    with http_cache(tmp_path_factory.mktemp("http") / "cache", tool) as server:
        yield server.folder / "kept", server.url


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "store").mkdir()
    return Store(tmp_path / "store")


def test_nix_takes_it_and_refuses_what_was_changed(
    store: Store, served: tuple[Path, str], tool: Tool, tmp_path: Path
) -> None:
    folder, url = served
    objects = family(store)
    top = objects[0]
    done = binary_cache.publish(folder, store, objects, KEY)
    assert (done.objects, done.written) == (3, 3)

    nix = Nix(tmp_path / "good", url, tool)
    said = nix.realise(top.path)
    assert said.returncode == 0, said.stderr
    assert all(map(nix.has, objects))

    stranger = Nix(tmp_path / "stranger", url, tool, trusted=SigningKey("test-1", bytes(32)).public)
    said = stranger.realise(top.path)
    assert said.returncode and REFUSED in said.stderr
    assert not stranger.has(top)

    info = folder / f"{top.path[11:43]}.narinfo"
    text = info.read_text()
    head, signature = text.split("Sig: test-1:")
    raw = bytearray(base64.b64decode(signature))
    raw[10] ^= 1
    info.write_text(f"{head}Sig: test-1:{base64.b64encode(raw).decode()}\n")
    refused = Nix(tmp_path / "signature", url, tool)
    said = refused.realise(top.path)
    assert said.returncode and REFUSED in said.stderr
    assert not refused.has(top)
    info.write_text(text)

    nar = folder / next(line for line in text.splitlines() if line.startswith("URL: ")).removeprefix("URL: ")
    data = bytearray(nar.read_bytes())
    data[len(data) // 2] ^= 1
    nar.write_bytes(data)
    broken = Nix(tmp_path / "nar", url, tool)
    said = broken.realise(top.path)
    assert said.returncode and "error: " in said.stderr
    assert not broken.has(top)


def test_only_what_is_missing_is_written(store: Store, tmp_path: Path) -> None:
    folder, objects = tmp_path / "cache", family(store)
    binary_cache.publish(folder, store, objects, KEY)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert len(before) == 7
    assert binary_cache.publish(folder, store, objects, KEY).written == 0
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before
    nar = next((folder / "nar").iterdir())
    nar.write_bytes(nar.read_bytes()[:-1])  # a disk that was full
    (folder / "nar/.new-left").touch()
    assert binary_cache.publish(folder, store, objects, KEY).written == 1
    assert not list(folder.rglob(".new-*"))
    other = replace(KEY, name="other-1")
    assert binary_cache.publish(folder, store, objects, other).written == 3


def test_it_writes_into_no_folder_of_something_else(store: Store, tmp_path: Path) -> None:
    objects = family(store)
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(StoreError, match="is not empty and not a binary cache"):
        binary_cache.publish(tmp_path, store, objects, KEY)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store", "thesis.txt"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "nix-cache-info").write_text("StoreDir: /gnu/store\n")
    with pytest.raises(StoreError, match="a cache of a store other than"):
        binary_cache.publish(other, store, objects, KEY)


def test_an_object_that_was_changed_is_not_signed(store: Store, tmp_path: Path) -> None:
    objects = family(store)
    script = store.location(objects[1]) / "bin/hello"
    script.chmod(0o755)
    script.write_text("#!/bin/sh\necho evil\n")
    with pytest.raises(StoreError, match="was changed"):
        binary_cache.publish(tmp_path / "cache", store, objects, KEY)
    assert not list((tmp_path / "cache").glob("*.narinfo"))


def test_doit_publish(built: Project, tmp_path: Path) -> None:
    """Publish the default machine's toplevel twice; check the errors of the command."""
    own = {"XDG_CONFIG_HOME": str(tmp_path / "own")}
    said = built.doit("publish", "--to", str(tmp_path / "cache"), environment=own).stdout
    public = said.splitlines()[-1].partition("trusted-public-keys = ")[2]
    assert public.startswith("notos-1:")
    assert (tmp_path / "own/notos/cache.secret").stat().st_mode & 0o777 == 0o600
    assert (
        "0 of them new (0.0 MB)" in built.doit(f"to={tmp_path / 'cache'}", "publish", environment=own).stdout
    )
    assert (
        "missing option: --to DIR: for example doit publish --to /srv/cache"
        in built.doit("publish", check=False, environment=own).stderr
    )
    nowhere = built.doit(f"to={tmp_path / 'cache'}", "key=none", "publish", check=False, environment=own)
    assert nowhere.returncode and "no such key: none: create one" in nowhere.stdout


def test_nix_takes_the_whole_machine(
    built: Project, served: tuple[Path, str], tool: Tool, tmp_path: Path
) -> None:
    folder, url = served
    store = Store(built.root / "build/notos/store")
    top = StoreObject.from_json((built.root / "build/notos/manifests/toplevel.json").read_bytes())
    binary_cache.publish(folder, store, store.closure([top]), KEY)
    nix = Nix(tmp_path / "host", url, tool)
    said = nix.realise(top.path)
    assert said.returncode == 0, said.stderr
    assert all(map(nix.has, store.closure([top])))
