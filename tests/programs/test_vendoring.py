"""Modules that cargo and go fetch; tests/machines/test_programs.py runs both programs."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from notos import architecture
from notos.cache import Cache
from notos.errors import FetchError, NotosError
from notos.programs import vendoring
from notos.programs.vendoring import CARGO, GO, Manager
from notos.toolchain.tools_tree import ToolsTree
from tests.programs.packages import registry, tarball

CARGO_PROGRAM = shutil.which("cargo")
MANIFEST = '[package]\nname = "{}"\nversion = "1.0.0"\nedition = "2021"\n'
LOCK = '[[package]]\nname = "a"\nversion = "1.0.0"\nsource = "registry+x"\nchecksum = "00"\n'
VENDORED = '[source.crates-io]\nreplace-with = "own"\n[source.own]\ndirectory = "vendor"\n'
MIRROR = '[source.crates-io]\nreplace-with = "own"\n[source.own]\nregistry = "https://x.example"\n'
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"


@pytest.mark.parametrize(
    ("files", "needed"),
    [
        ({"Cargo.lock": LOCK}, True),
        ({"Cargo.lock": '[[package]]\nname = "own"\nversion = "1.0.0"\n'}, False),
        ({}, False),
        ({"Cargo.lock": LOCK, ".cargo/config.toml": VENDORED}, False),
        ({"Cargo.lock": LOCK, ".cargo/config": VENDORED}, False),
        ({"Cargo.lock": LOCK, ".cargo/config.toml": "source.own.directory = 'vendor'\n"}, False),
        ({"Cargo.lock": LOCK, ".cargo/config.toml": "[source]\nown = { directory = 'vendor' }\n"}, False),
        ({"Cargo.lock": LOCK, ".cargo/config.toml": MIRROR}, True),
        ({"Cargo.lock": LOCK, ".cargo/config.toml": "# [source.own]\n"}, True),
        ({"Cargo.lock": LOCK, ".cargo/config.toml": "source = 1\n"}, True),
        ({"Cargo.lock": LOCK, ".cargo/config.toml": "[["}, True),
        ({"Cargo.lock": LOCK, ".cargo/config.toml": "[build]\n"}, True),
    ],
)
def test_what_cargo_fetches(files: dict[str, str], needed: bool, tmp_path: Path) -> None:
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    assert vendoring.is_needed(CARGO, tmp_path) == needed


def test_what_go_fetches(tmp_path: Path) -> None:
    assert not vendoring.is_needed(GO, tmp_path)
    (tmp_path / "go.sum").write_text("x")
    assert vendoring.is_needed(GO, tmp_path)
    (tmp_path / "vendor").mkdir()
    assert not vendoring.is_needed(GO, tmp_path)


@pytest.mark.parametrize(
    ("manager", "path"),
    [
        *((GO, path) for path in ("go.mod", "go.sum", "go.work", "go.work.sum", "sub/go.mod", "sub/go.sum")),
        *((CARGO, path) for path in ("Cargo.lock", ".cargo/config.toml", ".cargo/config")),
    ],
)
def test_the_key_follows_all_that_decides(manager: Manager, path: str, tmp_path: Path) -> None:
    (tmp_path / manager.locks[0]).write_text("x")
    first = vendoring.key(manager, tmp_path)
    (tmp_path / "main.go").write_text("x")
    assert vendoring.key(manager, tmp_path) == first
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text("y")
    second = vendoring.key(manager, tmp_path)
    assert second != first
    (tmp_path / path).write_text("z")
    assert vendoring.key(manager, tmp_path) not in (first, second)


def test_crates_are_compared_with_the_lock(tmp_path: Path) -> None:
    lock, crates = tmp_path / "Cargo.lock", tmp_path / "crates"
    lock.write_text(LOCK)
    (crates / "a-1.0.0/src").mkdir(parents=True)
    code = crates / "a-1.0.0/src/lib.rs"
    code.write_text("x")
    files = {"src/lib.rs": hashlib.sha256(b"x").hexdigest()}
    checksums = crates / "a-1.0.0/.cargo-checksum.json"
    checksums.write_text(json.dumps({"files": files, "package": "00"}))
    vendoring._compare("app", lock, crates)
    code.write_text("y")
    with pytest.raises(NotosError, match=r"build\.app: a 1\.0\.0: src/lib\.rs is not the file that"):
        vendoring._compare("app", lock, crates)
    code.write_text("x")
    (crates / "a-1.0.0/build.rs").write_text("x")
    with pytest.raises(NotosError, match=r"build\.app: a 1\.0\.0: build\.rs is not the file that"):
        vendoring._compare("app", lock, crates)
    for text in ('{"files": {}, "package": "11"}', "[]", "{"):
        checksums.write_text(text)
        with pytest.raises(NotosError, match=r"build\.app: a 1\.0\.0 has another checksum than in Cargo"):
            vendoring._compare("app", lock, crates)


def test_the_configuration_of_a_build(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "config.toml").write_text('directory = "/modules/crates"\n')
    named = {"CARGO_REGISTRIES_OWN_INDEX": "sparse+https://x.example/"}
    (tmp_path / "registries.json").write_text(json.dumps(named))
    assert vendoring.variables(CARGO, tmp_path, tmp_path / "home", tmp_path) == named
    assert (tmp_path / "home/.cargo/config.toml").read_text() == 'directory = "/deps/cargo/crates"\n'
    assert vendoring.variables(GO, tmp_path, tmp_path, tmp_path) == {"GOPROXY": "file:///deps/go/download"}


def test_the_user_s_registries(tmp_path: Path) -> None:
    """A build has their addresses, without passwords and tokens."""
    (tmp_path / ".cargo").mkdir()
    text = '[registries.my-own]\nindex = "sparse+https://u:secret@x.example/"\ntoken = "secret"\n'
    (tmp_path / ".cargo/config.toml").write_text(f"[registries]\nbad = 1\n{text}")
    own = {"CARGO_REGISTRIES_B_INDEX": "https://b.example", "CARGO_REGISTRIES_B_TOKEN": "secret"}
    assert vendoring._registries(tmp_path, own) == {
        "CARGO_REGISTRIES_MY_OWN_INDEX": "sparse+https://x.example/",
        "CARGO_REGISTRIES_B_INDEX": "https://b.example",
    }


def test_passwords_are_not_shown() -> None:
    variables = {"CARGO_REGISTRIES_X_TOKEN": "abc", "GOPROXY": "https://u:secret@x.example", "X_TOKEN": ""}
    line = "go: https://u:secret@x.example/a/@v/list: 403 for abc"
    assert vendoring.masked(line, variables) == "go: https://x.example/a/@v/list: 403 for ***"


@pytest.mark.skipif(CARGO_PROGRAM is None, reason="cargo is not on this host")
@pytest.mark.parametrize("by", ["user", "program", "registry"])
def test_cargo_uses_mirrors(by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the user's configuration and the program's; then cargo builds without a network."""
    app, home, modules = (tmp_path / each for each in ("app", "home", "deps/cargo"))
    crate = tarball({"Cargo.toml": MANIFEST.format("said"), "src/lib.rs": "pub fn f() {}\n"}, "said-1.0.0")
    digest = hashlib.sha256(crate).hexdigest()
    row = {"name": "said", "vers": "1.0.0", "deps": [], "cksum": digest, "features": {}, "yanked": False}
    for each in (app / ".cargo", app / "src", home / ".cargo", modules, tmp_path / "www/index/sa/id"):
        each.mkdir(parents=True)
    (tmp_path / "www/said-1.0.0.crate").write_bytes(crate)
    (tmp_path / "www/index/sa/id/said").write_text(json.dumps(row) + "\n")
    (app / "src/main.rs").write_text("fn main() { said::f() }\n")

    def cargo(command: str) -> None:
        environment = {**os.environ, "CARGO_HOME": str(home / ".cargo"), "NO_PROXY": "127.0.0.1"}
        done = subprocess.run(
            ["sh", "-euc", command], check=False, cwd=app, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    with registry(tmp_path / "www") as server:
        index = f"sparse+{server.url}/index/"
        (tmp_path / "www/index/config.json").write_text(
            json.dumps({"dl": f"{server.url}/{{crate}}-{{version}}.crate"})
        )
        mirror = f'[source.crates-io]\nreplace-with = "own"\n[source.own]\nregistry = "{index}"\n'
        text = f'[registries.own]\nindex = "{index}"\n' if by == "registry" else mirror
        ((app if by == "program" else home) / ".cargo/config.toml").write_text(text)
        wanted = '{ version = "1", registry = "own" }' if by == "registry" else '"1"'
        (app / "Cargo.toml").write_text(f"{MANIFEST.format('app')}[dependencies]\nsaid = {wanted}\n")
        (app / "Cargo.lock").write_text(
            'version = 3\n[[package]]\nname = "app"\nversion = "1.0.0"\ndependencies = ["said"]\n'
            '[[package]]\nname = "said"\nversion = "1.0.0"\n'
            f'source = "{index if by == "registry" else CRATES_IO}"\nchecksum = "{digest}"\n'
        )
        assert vendoring.is_needed(CARGO, app)
        cargo(CARGO.command.replace("/modules", str(modules)))
        vendoring._compare("app", app / "Cargo.lock", modules / "crates")
        (modules / "registries.json").write_text(json.dumps(vendoring._registries(home, {})))
    shutil.rmtree(home)
    home.mkdir()
    for name, value in vendoring.variables(CARGO, modules, home, app).items():
        monkeypatch.setenv(name, value)
    cargo("cargo metadata --offline --locked --format-version 1")


def test_passwords_are_not_in_a_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All users of this host can read it (proc(5)); nor is a password in the error."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app/go.sum").write_text("x")
    (tmp_path / "tools/usr/bin").mkdir(parents=True)
    (tmp_path / "tools/etc").mkdir()
    (tmp_path / "tools/usr/bin/bwrap").touch()
    address = "https://u:secret@proxy.example"
    monkeypatch.setenv("GOPROXY", address)
    monkeypatch.setenv("https_proxy", address)

    def follow(command: list[str], log: Path, keep: Any, *, env: dict[str, str], limit: float) -> int:
        assert "secret" not in " ".join(command)
        assert (env["GOPROXY"], env["https_proxy"]) == (address, address)
        keep(f"go: {address}: 403")
        return 1

    monkeypatch.setattr(vendoring, "follow", follow)
    lines: list[str] = []
    with pytest.raises(FetchError, match=r"go: https://proxy\.example: 403") as raised:
        vendoring.ensure(
            "app",
            GO,
            tmp_path / "app",
            Cache(tmp_path / "cache"),
            bwrap=ToolsTree(tmp_path / "tools", architecture.host()),
            system=tmp_path / "tools",
            on_line=lines.append,
        )
    assert "secret" not in f"{raised.value}{lines}"
