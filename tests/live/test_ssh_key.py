"""The ssh keys of a user and of the user's machines."""

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
    """doit ssh accepts only the host key that runvm.sh passes to machines."""
    command = ssh_key.login(Cache(tmp_path / "a folder"), tools_tree, ssh_key.Address("", "2222"))
    assert command[-1] == "root@127.0.0.1"
    effective = options(command)
    assert effective["hostkeyalias"] == "notos"
    assert effective["stricthostkeychecking"] == "true"
    assert effective["port"] == "2222"
    assert effective["userknownhostsfile"] == f"{tmp_path}/a folder/ssh/known_hosts"


def test_a_machine_on_another_host_is_checked_by_the_users_known_hosts(
    tmp_path: Path, tools_tree: ToolsTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's own keys are tried for the login, too."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_rsa.pub").write_text("ssh-rsa AAAA mine\n")
    command = ssh_key.login(Cache(tmp_path / "cache"), tools_tree, ssh_key.Address("box.example", "22"))
    assert command[-1] == "root@box.example"
    assert str(tmp_path / ".ssh/id_rsa") in command
    effective = options(command)
    assert "hostkeyalias" not in effective
    assert effective["userknownhostsfile"].endswith(f"cache/ssh/known_hosts {tmp_path}/.ssh/known_hosts")


def options(command: list[str]) -> dict[str, str]:
    """Return the effective options of an ssh command line (ssh -G)."""
    output = subprocess.run(
        [*command[:-1], "-G", command[-1]], capture_output=True, text=True, check=True
    ).stdout
    return dict(line.split(" ", 1) for line in output.splitlines() if " " in line)
