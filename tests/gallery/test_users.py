"""Accounts: ssh with both servers, a login on the console, su, sudo with and without a password."""

import subprocess
from pathlib import Path

import pytest

from notos.vm.plugin import MachineFactory
from tests.conftest import Tool


@pytest.mark.parametrize("server", ["openssh", "dropbear"])
def test_accounts(server: str, machine_factory: MachineFactory, tool: Tool, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run([*tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    machine = machine_factory(
        "examples/machines/users.yaml", {"ssh": {"server": server}} if server != "openssh" else None
    )
    # Alice adds her key herself.
    machine.run(
        "su - alice -c 'mkdir -m 700 .ssh && cat >.ssh/authorized_keys'",
        input=key.with_suffix(".pub").read_bytes(),
    )

    def ssh(user: str, command: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        options = (
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "BatchMode=yes",
            "LogLevel=ERROR",
        )
        words = [each for option in options for each in ("-o", option)]
        words += ["-F", "none", "-i", str(key), "-o", "IdentitiesOnly=yes", "-p", str(machine.forward(22))]
        return subprocess.run(
            [*tool("ssh"), *words, f"{user}@127.0.0.1", command],
            input=typed,
            capture_output=True,
            text=True,
            check=False,
        )

    # ssh, groups, and a home folder from /etc/skel.
    assert ssh("alice", "id -un; id -Gn; cat notes.txt").stdout.splitlines() == [
        "alice",
        "alice adm sudo editors",
        "Put your notes here.",
    ]
    assert "Permission denied" in ssh("bob", "id").stderr
    # sudo: alice with her password, bob without one, carol not at all.
    done = ssh("alice", "sudo -k; sudo -S -p '' id -un", "secret\n")
    assert done.stdout == "root\n", done.stderr
    assert "incorrect password" in ssh("alice", "sudo -k; sudo -S -p '' id", "wrong\n").stderr
    assert "a password is required" in ssh("alice", "sudo -k; sudo -n id").stderr
    assert machine.succeed("su - bob -c 'sudo -n id -un'") == "root\n"
    assert machine.succeed("su - bob -c 'sudo -n -u carol id -un'") == "carol\n"
    machine.fail("su - carol -c 'sudo -n id'")
    # su with a password, to an account that has one.
    assert (
        machine.succeed("su - carol -c \"echo secret | su - alice -c 'id -un; echo \\$HOME'\"")
        == "alice\n/home/alice\n"
    )
    machine.fail("su - carol -c 'echo wrong | su - alice -c id'")
    # The console.
    machine.wait_for_console("login: ", prompt=True)
    machine.send_console("alice\n")
    machine.wait_for_console("Password: ", prompt=True)
    machine.send_console("secret\n")
    machine.wait_for_console("alice@", prompt=True)
    machine.send_console("echo $XDG_RUNTIME_DIR-$(stat -c %U-%a $XDG_RUNTIME_DIR)-$(tty)\n")
    number = machine.succeed("id -u alice").strip()
    machine.wait_for_console(f"/run/user/{number}-alice-700-/dev/ttyS0")
