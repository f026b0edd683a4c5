"""Accounts: ssh with both servers, a login on the console, su, sudo with and without a password."""

import subprocess

import pytest

from tests.gallery.machines import Gallery
from tests.gallery.outside import Key


@pytest.mark.parametrize("server", ["openssh", "dropbear"])
def test_accounts(server: str, gallery: Gallery, key: Key) -> None:
    machine = gallery("users", {"ssh": {"server": server}} if server != "openssh" else None)
    # Alice adds her key herself.
    machine.run("su - alice -c 'mkdir -m 700 .ssh && cat >.ssh/authorized_keys'", input=key.public)

    def ssh(user: str, command: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return key.ssh(machine, user, command, input=typed)

    # ssh, groups, and a home folder from /etc/skel.
    assert ssh("alice", "id -un; id -Gn; cat notes.txt").stdout.splitlines() == [
        "alice",
        "alice adm sudo editors",
        "Put your notes here.",
    ]
    gallery.works(machine)
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
