"""The key of a binary cache: as Nix writes it, made once, kept secret."""

from pathlib import Path

import pytest

from notos.errors import StoreError
from notos.process import run
from notos.store.signing_key import SigningKey, default_path
from tests.conftest import Tool

NEW = ("--extra-experimental-features", "nix-command", "key")


def test_nix_and_we_read_each_others(tool: Tool, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_bytes(run([*tool("nix"), *NEW, "generate-secret", "--key-name", "cache.example-1"]))
    ours = tmp_path / "ours"
    for key in (SigningKey.load(theirs), SigningKey.ensure(ours)):
        path = theirs if key.name == "cache.example-1" else ours
        public = run([*tool("nix"), *NEW, "convert-secret-to-public"], input=path.read_bytes()).decode()
        assert key.public == public


def test_it_is_made_once_and_secret(tmp_path: Path) -> None:
    path = tmp_path / "new/notos/cache.secret"
    key = SigningKey.ensure(path)
    assert SigningKey.ensure(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["cache.secret"]
    assert key.seed != SigningKey.ensure(tmp_path / "other").seed


@pytest.mark.parametrize("data", [b"", b"name", b"name:AAAA", b":" + b"A" * 88, b"n:!!", b"\xff\xfe"])
def test_what_is_no_key_is_said(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(data)
    with pytest.raises(StoreError, match="is not a secret key of a binary cache"):
        SigningKey.load(path)
    with pytest.raises(StoreError, match=r"no such key: .*none: create one"):
        SigningKey.load(tmp_path / "none")


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")  # which the specification says to ignore
    assert default_path() == tmp_path / ".config/notos/cache.secret"
    monkeypatch.setenv("XDG_CONFIG_HOME", "/own")
    assert default_path() == Path("/own/notos/cache.secret")
