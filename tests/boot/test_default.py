"""The default machine, booted: what it prints, who may log in, what runs, how it ends."""

import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.boot.console import Console
from tests.conftest import Project

STORE = r"/nix/store/[0-9a-z]{32}-"
MODULES = (
    *("virtio", "virtio_pci", "virtio_net", "virtio_rng", "virtio_blk", "virtio_console", "dm_mod"),
    *("tun", "loop", "squashfs", "overlay"),
)
TRANSCRIPT = (
    r"Entering stage-1\.\.\.",
    rf"{STORE}stage-1",
    r"Creating base file systems\.\.\.",
    rf"Using {STORE}extra-utils\.\.\.",
    rf"Using {STORE}linux-[0-9.]+-shrunk\.\.\.",
    *(rf"Loading kernel module {name}\.\.\." for name in MODULES),
    r"Creating writable Nix store\.\.\.",
    r"Switching root filesystem\.\.\.",
    r"",
    r"Entering stage-2\.\.\.",
    rf"{STORE}stage-2",
    r"Creating base file systems\.\.\.",
    rf"Using {STORE}toplevel\.\.\.",
    r"setting up /etc\.\.\.",
    r"- runit: \$Id: .* \$: booting\.",
    r"- runit: enter stage: /etc/runit/1",
    r"Setting static IP address\.\.\.",
    r"Running ntpdate\.\.\.",
    r"- runit: leave stage: /etc/runit/1",
    r"- runit: enter stage: /etc/runit/2",
    r"Running runsvdir\.\.\.",
)


@pytest.fixture(scope="module")
def machine(built: Project) -> Iterator[Console]:
    """The default machine, up to its ssh server; the last test turns it off."""
    with Console(built.script, project=built) as console:
        console.wait_for_ssh()
        yield console


def test_transcript(machine: Console) -> None:
    """The console reads as the design says, line for line up to runsvdir; then both services."""
    machine.wait_for("Running nix-daemon")
    start = next(at for at, line in enumerate(machine.lines) if line.endswith("Entering stage-1..."))
    lines = [re.sub(r".*(?=Entering stage-1)", "", machine.lines[start]), *machine.lines[start + 1 :]]
    for line, pattern in zip(lines, TRANSCRIPT, strict=False):
        assert re.fullmatch(pattern, line), (pattern, line)
    rest = lines[len(TRANSCRIPT) :]
    assert {"Running nix-daemon...", "Running sshd..."} <= set(rest)


def test_services_are_up(machine: Console) -> None:
    said = machine.ssh("sv status sshd nix-daemon")
    assert re.search(r"^run: sshd: ", said, re.MULTILINE)
    assert re.search(r"^run: nix-daemon: ", said, re.MULTILINE)


def test_the_console_waits(machine: Console) -> None:
    """Services share a description of it that does, so that of two who write at once none loses its line."""
    said = machine.ssh("for fd in 1 2; do cat /proc/$(pidof runsvdir)/fdinfo/$fd; done")
    flags = [int(line.split()[1], 8) for line in said.splitlines() if line.startswith("flags:")]
    assert len(flags) == 2
    assert not any(each & os.O_NONBLOCK for each in flags)


def test_no_password_is_accepted(machine: Console, tool) -> None:
    options = (
        *("-F", "none", "-p", machine.port, "-o", "StrictHostKeyChecking=no"),
        *("-o", "UserKnownHostsFile=/dev/null", "-o", "PubkeyAuthentication=no"),
        *("-o", "NumberOfPasswordPrompts=0"),
    )
    done = subprocess.run(
        [*tool("ssh"), *options, "root@127.0.0.1", "true"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stderr


def test_the_system(machine: Console) -> None:
    """Accounts, layout, modules and the network are as configured."""
    assert machine.ssh("id -u; hostname; cat /etc/hostname").split() == ["0", "notos", "notos"]
    assert machine.ssh("readlink -f /bin/sh").endswith("/bin/busybox\n")
    assert machine.ssh("stat -c %a /etc/shadow /tmp /root").split() == ["600", "1777", "700"]
    assert "inet 10.0.2.15/24" in machine.ssh("ip address show eth0")
    assert "default via 10.0.2.2" in machine.ssh("ip route")
    assert machine.ssh("modprobe qemu_fw_cfg && lsmod").count("qemu_fw_cfg") == 1
    assert machine.ssh("readlink /run/current-system") == machine.ssh("readlink /run/booted-system")
    assert machine.ssh("echo x >/etc/made && cat /etc/made") == "x\n"


def test_nix_owns_the_store(machine: Console) -> None:
    machine.ssh("nix-store --verify --check-contents")
    paths = machine.ssh("nix path-info -r /run/current-system").split()
    assert {re.sub(r"^.{44}", "", path) for path in paths} >= {"toplevel", "system-path", "runit", "stage-2"}


def test_a_failing_service_waits_longer_and_longer(machine: Console) -> None:
    """One that ends at once is started again after 1 s, then 2 s, …, not in a loop."""
    machine.ssh(
        "cp -r /etc/runit/services/sshd /run/flaky && rm /run/flaky/supervise /run/flaky/run"
        " && printf '#!/bin/sh\\necho x >>/run/flaky.ran\\nexit 1\\n' >/run/flaky/run"
        " && chmod +x /run/flaky/run && ln -s /run/flaky /run/service/flaky"
    )
    machine.wait_for("flaky ended with status 1; it starts again in 4 s", 40)
    assert int(machine.ssh("wc -l </run/flaky.ran")) == 3
    machine.ssh("rm /run/service/flaky")


def test_poweroff(machine: Console) -> None:
    """The machine ends in order, and QEMU with status 0. (The last test of this machine.)"""
    machine.ssh("poweroff", check=False)
    assert machine.end() == 0
    said = "\n".join(machine.lines)
    assert "- runit: enter stage: /etc/runit/3" in said
    assert "power off" in said
    assert "not found" not in said
    assert "warning" not in said


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        (
            "systemConfig=/nix/store/none",
            r"stage-1 failed: /nix/store/none \(systemConfig=\) is not in the store",
        ),
        ("root=/dev/vdz", r"stage-1 failed: there is no device /dev/vdz \(root=\)"),
    ],
)
def test_what_stage1_cannot_do_is_said(built: Project, parameter: str, message: str) -> None:
    """A message that says what is wrong, and a shell that answers."""
    with Console(built.script, project=built, KERNEL_PARAMS=parameter) as console:
        console.wait_for(message)
        console.wait_for("rescue shell")
        console.send("echo rescue=$((6 * 7))\n")
        console.wait_for("rescue=42", 20)
