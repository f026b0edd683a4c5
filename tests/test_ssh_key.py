"""Keys between a user and their machines."""

import subprocess
from pathlib import Path

import pytest

from notos import ssh_key
from notos.cache import Cache
from notos.tools import ToolsTree


def test_keys_are_made_once_and_the_user_s_own_come_along(
    tmp_path: Path, tools_tree: ToolsTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_rsa.pub").write_text("ssh-rsa AAAA mine\n")
    cache = Cache(tmp_path / "cache")
    keys = ssh_key.ensure(cache, tools_tree)
    lines = keys.authorized.read_text().splitlines()
    assert lines[0].startswith("ssh-ed25519 ")
    assert lines[1:] == ["ssh-rsa AAAA mine"]
    folder = cache.root / "ssh"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all((folder / name).stat().st_mode & 0o777 == 0o600 for name in ("id_ed25519", "host_ed25519"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    ssh_key.ensure(cache, tools_tree)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    known = (folder / "known_hosts").read_text()
    assert known == f"notos {(folder / 'host_ed25519.pub').read_text()}"


def test_an_unknown_host_is_refused(tmp_path: Path, tools_tree: ToolsTree) -> None:
    """doit ssh believes only the key that it has handed over."""
    command = ssh_key.login(Cache(tmp_path), tools_tree, "2222")
    assert "StrictHostKeyChecking=yes" in command
    said = subprocess.run(
        [*command[:-1], "-G", "127.0.0.1"], capture_output=True, text=True, check=True
    ).stdout
    assert "hostkeyalias notos" in said
