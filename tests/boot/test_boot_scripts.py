"""Boot scripts, timers, and parts of every machine: a read-only store, the system log, reboot."""

import re

import pytest

from notos.errors import MachineLostError
from notos.vm.plugin import MachineFactory
from tests.conftest import Project

CONFIG = """
name: scripts
imports: [config.yaml]
boot:
  failing: {run: "exit 3", when: before-network}
  before: {run: "ip -br address show eth0 >/run/before", when: before-network}
  after: "ip -br address show eth0 >/run/after"
  early: {run: echo a hook of stage-1, when: pre-mount}
  late: {run: "echo $PATH $LANG >/run/late", when: post-boot}
  beside: {run: "until sv check sshd; do sleep 1; done; touch /run/beside", when: with-services}
timers:
  often: {every: 1m, run: "id -un; exit 2", user: nobody}
"""
STOPPED = """
name: stopped
imports: [examples/minimal.yaml]
boot:
  wall: {run: "exit 1", when: before-network, required: true}
"""
WRITES = (
    "touch /usr/new",
    "chmod u+s /usr/bin/busybox",
    "mv /usr/bin/busybox /usr/bin/other",
    "touch /nix/store/new",
    "echo x >$(readlink -f /usr/bin/busybox)",
    "rm -r $(readlink -f /run/current-system)",
    "touch /nix/.rw-store/store/new",
    "touch /nix/.ro-store/new",
)


def test_scripts(built: Project, machine_factory: MachineFactory) -> None:
    machine = machine_factory.at(built.build("scripts", CONFIG).script)
    machine.wait_for_console("boot.failing failed: status 3")
    assert machine.console.find(re.compile("a hook of stage-1"))
    assert "10.0.2.15" not in machine.succeed("cat /run/before")
    assert "10.0.2.15" in machine.succeed("cat /run/after")
    machine.wait_until_succeeds("[ -e /run/beside ]")
    for write in WRITES:
        machine.fail(write)
    environment = machine.succeed("tr '\\0' '\\n' </proc/$(pidof runsvdir)/environ")
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
    assert {"LANG=C.UTF-8", path} <= set(environment.splitlines())
    assert "LC_ALL" not in environment
    assert "systemConfig" not in environment, "the kernel passes it to init"
    machine.succeed("logger hello")
    machine.wait_until_succeeds("grep hello /var/log/syslog/current")
    # Nix writes to the store in its own mount namespace.
    machine.wait_until_succeeds("[ -L /nix/var/nix/db/registered ]")
    path = machine.succeed("cd /tmp && echo x >made && nix-store --add made").strip()
    assert machine.succeed(f"cat {path}; nix-store --gc 2>/dev/null; ls {path} 2>&1 || true").startswith(
        "x\n"
    )
    assert machine.succeed(f"ls {path} 2>/dev/null || echo gone") == "gone\n"
    machine.wait_until_succeeds("grep 'often: nobody' /var/log/timers/current", 120)
    machine.wait_until_succeeds("grep 'often: failed with status 2' /var/log/timers/current")
    machine.reboot()
    assert machine.shutdown() == 0


def test_a_required_script_stops_the_boot(built: Project, machine_factory: MachineFactory) -> None:
    """Neither the network nor the services start."""
    machine = machine_factory.at(built.build("stopped", STOPPED).script, tolerated=["rescue"])
    machine.wait_for_console("required script failed: boot.wall: status 1")
    machine.wait_for_console("The boot stops here")
    machine.send_console("ip -br address show eth0; ls /run/service; echo $((6 * 7))\n")
    machine.wait_for_console(re.compile("^42$"))
    said = "\n".join(line.text for line in machine.console.lines)
    assert "10.0.2.15" not in said
    assert "Running sshd" not in said
    strict = machine_factory.at(built.build("stopped", STOPPED).script)
    with pytest.raises(MachineLostError, match=r"required script failed: boot\.wall"):
        strict.wait_for_boot()
