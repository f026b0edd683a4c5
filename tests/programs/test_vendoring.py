"""Modules that cargo and go fetch; tests/machines/test_programs.py runs both programs."""

from pathlib import Path

import pytest

from notos.errors import NotosError
from notos.programs import vendoring
from notos.programs.vendoring import CARGO, GO

LOCK = '[[package]]\nname = "a"\nversion = "1.0.0"\nsource = "registry+x"\nchecksum = "00"\n'


@pytest.mark.parametrize(
    ("files", "needed"),
    [
        ({"Cargo.lock": LOCK}, True),
        ({"Cargo.lock": '[[package]]\nname = "own"\nversion = "1.0.0"\n'}, False),
        ({}, False),
        ({"Cargo.lock": LOCK, ".cargo/config.toml": "[source.crates-io]\n"}, False),
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


def test_the_key_follows_the_lock_files(tmp_path: Path) -> None:
    (tmp_path / "go.sum").write_text("x")
    first = vendoring.key(GO, tmp_path)
    (tmp_path / "main.go").write_text("x")
    assert vendoring.key(GO, tmp_path) == first
    (tmp_path / "go.mod").write_text("x")
    assert vendoring.key(GO, tmp_path) != first


def test_crates_are_compared_with_the_lock(tmp_path: Path) -> None:
    lock, crates = tmp_path / "Cargo.lock", tmp_path / "crates"
    lock.write_text(LOCK)
    (crates / "a-1.0.0").mkdir(parents=True)
    checksums = crates / "a-1.0.0/.cargo-checksum.json"
    checksums.write_text('{"files": {}, "package": "00"}')
    vendoring._compare("app", lock, crates)
    checksums.write_text('{"files": {}, "package": "11"}')
    with pytest.raises(NotosError, match=r"build\.app: a 1\.0\.0 has another checksum than in Cargo\.lock"):
        vendoring._compare("app", lock, crates)


def test_the_configuration_of_a_build(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "config.toml").write_text('directory = "/modules/crates"\n')
    assert vendoring.variables(CARGO, tmp_path, tmp_path / "home") == {}
    assert (tmp_path / "home/.cargo/config.toml").read_text() == 'directory = "/deps/cargo/crates"\n'
    assert vendoring.variables(GO, tmp_path, tmp_path) == {"GOPROXY": "file:///deps/go/download"}
