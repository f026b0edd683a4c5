"""Keys between a user and their machines."""

import subprocess
from pathlib import Path

import pytest

from notos.cache import Cache
from notos.live import ssh_key
from notos.toolchain.tools_tree import ToolsTree


def test_keys_are_made_once(tmp_path: Path, tools_tree: ToolsTree) -> None:
    cache = Cache(tmp_path / "cache")
    keys = ssh_key.ensure(cache, tools_tree)
    assert keys.login.read_text().startswith("ssh-ed25519 ")
    folder = cache.root / "ssh"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert all((folder / name).stat().st_mode & 0o777 == 0o600 for name in ("id_ed25519", "host_ed25519"))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    ssh_key.ensure(cache, tools_tree)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    known = (folder / "known_hosts").read_text()
    host = (folder / "host_ed25519.pub").read_text()
    assert known == f"notos {host}* {host}"


def test_an_unknown_host_is_refused(tmp_path: Path, tools_tree: ToolsTree) -> None:
    """doit ssh believes only the key that it has handed over."""
    command = ssh_key.login(Cache(tmp_path / "a folder"), tools_tree, ssh_key.Address("", "2222"))
    assert command[-1] == "root@127.0.0.1"
    said = options(command)
    assert said["hostkeyalias"] == "notos"
    assert said["stricthostkeychecking"] == "true"
    assert said["port"] == "2222"
    assert said["userknownhostsfile"] == f"{tmp_path}/a folder/ssh/known_hosts"


def test_another_s_machine_is_known_by_the_user_s_known_hosts(
    tmp_path: Path, tools_tree: ToolsTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And lets in by the user's own keys."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_rsa.pub").write_text("ssh-rsa AAAA mine\n")
    command = ssh_key.login(Cache(tmp_path / "cache"), tools_tree, ssh_key.Address("box.example", "22"))
    assert command[-1] == "root@box.example"
    assert str(tmp_path / ".ssh/id_rsa") in command
    said = options(command)
    assert "hostkeyalias" not in said
    assert said["userknownhostsfile"].endswith(f"cache/ssh/known_hosts {tmp_path}/.ssh/known_hosts")


def options(command: list[str]) -> dict[str, str]:
    """What ssh makes of them."""
    said = subprocess.run(
        [*command[:-1], "-G", command[-1]], capture_output=True, text=True, check=True
    ).stdout
    return dict(line.split(" ", 1) for line in said.splitlines() if " " in line)
