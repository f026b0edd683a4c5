"""A machine without Nix and with dropbear boots, accepts a key and shuts down."""

from dataclasses import replace

from notos.vm.plugin import MachineFactory
from tests.conftest import Project
from tests.this_host import slowed


def test_minimal(built: Project, machine_factory: MachineFactory) -> None:
    built.doit("config=examples/minimal.yaml", "runvm")
    machine = machine_factory.at(replace(built, name="minimal").script)
    machine.wait_for_console("Running sshd")
    assert machine.succeed("hostname; sv status sshd").startswith("minimal\nrun: sshd: ")
    assert machine.succeed("ls /nix/var 2>/dev/null || echo none") == "none\n"
    assert machine.succeed("ls /usr/share/terminfo/x/xterm-256color /etc/services | wc -l") == "2\n"
    assert machine.succeed("echo out >/dev/stdout") == "out\n"
    machine.succeed(f"(sleep {slowed(3):.0f}; reboot) >/dev/null 2>&1 &")
    assert machine.wait_for_end() == 0  # QEMU runs with -no-reboot
    assert any("reboot" in line.text for line in machine.console.lines)
