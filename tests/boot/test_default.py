"""The default machine: console output, logins, services, shutdown."""

import os
import re
import select
import subprocess
import time

import pytest

from notos.live.ssh_key import Address, login
from notos.vm import Machine
from notos.vm.plugin import MachineFactory
from tests.conftest import Project, Tool
from tests.this_host import PATIENCE

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
OUTCOME = "time server|could not set the clock"  # of ntpdate, which comes at any time
SERVICES = (r"Running nix-daemon\.\.\.", r"Running sshd\.\.\.")


@pytest.fixture(scope="module")
def machine(built: Project, machine_factory: MachineFactory) -> Machine:
    """Return the default machine with its ssh server up; the last test powers it off."""
    machine = machine_factory.at(built.script, scope="module")
    machine.wait_for_boot()
    return machine


def test_transcript(machine: Machine) -> None:
    """The console has exactly the designed lines."""
    machine.wait_for_console("Running sshd")
    said = [line.text for line in machine.console.lines if not re.search(OUTCOME, line.text)]
    start = next(at for at, line in enumerate(said) if line.endswith("Entering stage-1..."))
    lines = [re.sub(r".*(?=Entering stage-1)", "", said[start]), *said[start + 1 :]]
    expected = (*TRANSCRIPT, *SERVICES)
    for line, pattern in zip(lines[: len(expected)], expected, strict=True):
        assert re.fullmatch(pattern, line), (pattern, line)


def test_services_are_up(machine: Machine) -> None:
    for service in ("sshd", "nix-daemon"):
        machine.wait_for_unit(service)
    said = machine.succeed("sv status sshd nix-daemon")
    assert re.search(r"^run: sshd: ", said, re.MULTILINE)
    assert re.search(r"^run: nix-daemon: ", said, re.MULTILINE)


def test_the_console_is_blocking(machine: Machine) -> None:
    """Services share a blocking description of the console, so that concurrent writers lose no line."""
    said = machine.succeed("for fd in 1 2; do cat /proc/$(pidof runsvdir)/fdinfo/$fd; done")
    flags = [int(line.split()[1], 8) for line in said.splitlines() if line.startswith("flags:")]
    assert len(flags) == 2
    assert not any(each & os.O_NONBLOCK for each in flags)


def test_doit_ssh(machine: Machine, built: Project) -> None:
    """Input, output and status are the command's; words are joined to one command, as ssh does."""
    there = {"SSH_PORT": str(machine.forward(22))}
    command = "cat; echo out; echo err >&2; exit 3"
    done = built.doit("ssh", command, check=False, input="piped\n", environment=there)
    assert (done.returncode, done.stdout, done.stderr) == (3, "piped\nout\n", "err\n")
    assert (
        built.doit("ssh", "echo", "'two  words'", "$((6 * 7))", environment=there).stdout == "two  words 42\n"
    )
    assert built.doit(f"port={machine.forward(22)}", "ssh", "who=me; echo $who").stdout == "me\n"


def test_no_password_is_accepted(machine: Machine, tool: Tool) -> None:
    options = (
        *("-F", "none", "-p", str(machine.forward(22)), "-o", "StrictHostKeyChecking=no"),
        *("-o", "UserKnownHostsFile=/dev/null", "-o", "PubkeyAuthentication=no"),
        *("-o", "NumberOfPasswordPrompts=0"),
    )
    done = subprocess.run(
        [*tool("ssh"), *options, "root@127.0.0.1", "true"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stderr


def test_the_system(machine: Machine) -> None:
    """Accounts, layout, modules and the network are as configured."""
    assert machine.succeed("id -u; hostname; cat /etc/hostname").split() == ["0", "notos", "notos"]
    assert machine.succeed("readlink -f /bin/sh").endswith("/bin/busybox\n")
    assert machine.succeed("stat -c %a /etc/shadow /tmp /root").split() == ["600", "1777", "700"]
    assert "inet 10.0.2.15/24" in machine.succeed("ip address show eth0")
    assert "default via 10.0.2.2" in machine.succeed("ip route")
    assert machine.succeed("modprobe qemu_fw_cfg && lsmod").count("qemu_fw_cfg") == 1
    assert machine.succeed("readlink /run/current-system") == machine.succeed("readlink /run/booted-system")
    assert machine.succeed("echo x >/etc/made && cat /etc/made") == "x\n"


def test_descriptors_have_names(machine: Machine) -> None:
    """/dev/fd is for bash's <(...) and for daemons that log to /dev/stdout (proc_pid_fd(5))."""
    assert machine.succeed("bash -c 'cat <(echo sub) /dev/fd/3 3</etc/hostname'") == "sub\nnotos\n"
    assert machine.succeed("echo out >/dev/stdout") == "out\n"
    assert machine.run("echo err >/dev/stderr").err.endswith("err\n")
    assert machine.succeed("echo in | cat /dev/stdin") == "in\n"


def test_names_of_services_and_protocols(machine: Machine) -> None:
    """bash and busybox read the files that nsswitch.conf(5) names."""
    assert "22/tcp" in machine.succeed("grep '^ssh\\b' /etc/services")
    assert machine.succeed("grep -w TCP /etc/protocols").split()[:2] == ["tcp", "6"]


TERMINALS = (
    *(
        "xterm",
        "xterm-256color",
        "linux",
        "screen",
        "screen-256color",
        "tmux",
        "tmux-256color",
        "vt100",
        "vt220",
    ),
    *("rxvt-unicode-256color", "ansi", "dumb", "alacritty", "foot", "xterm-kitty", "konsole-256color"),
    *("gnome-256color", "putty-256color", "st-256color", "wezterm"),
)


def test_terminals_are_described(machine: Machine) -> None:
    """terminfo(5) entries are where ncurses looks for them."""
    said = machine.succeed("ls /usr/share/terminfo/*/* /usr/lib/terminfo/*/* 2>/dev/null; true").split()
    assert set(TERMINALS) <= {path.rpartition("/")[2] for path in said}


@pytest.mark.parametrize("name", ["xterm-256color", "tmux-256color", "xterm-ghostty"])
def test_bash_draws_on_a_terminal(machine: Machine, name: str) -> None:
    """Ctrl-L clears the screen with the sequence of the terminal's description."""
    words = login(machine.built.cache, machine.built.tools, Address("", str(machine.forward(22))), "-tt")
    with subprocess.Popen(
        [*words, "exec bash -l -i"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"TERM": name, "PATH": "/nonexistent"},
    ) as ssh:
        assert ssh.stdin and ssh.stdout
        said = b""

        def until(wanted: bytes) -> None:
            nonlocal said
            assert ssh.stdout
            end = time.monotonic() + PATIENCE
            while not re.search(wanted, said):
                assert time.monotonic() < end, said
                if select.select([ssh.stdout], [], [], 1)[0]:
                    data = os.read(ssh.stdout.fileno(), 4096)
                    assert data, said
                    said += data

        def press(keys: bytes) -> None:
            assert ssh.stdin
            ssh.stdin.write(keys)
            ssh.stdin.flush()

        try:
            until(rb"notos:~#")
            said = b""
            press(b"\x0c")
            until(rb"\x1b\[H\x1b\[2?J")
        finally:
            ssh.kill()


def test_nix_owns_the_store(machine: Machine) -> None:
    machine.succeed("nix-store --verify --check-contents")
    paths = machine.succeed("nix path-info -r /run/current-system").split()
    assert {re.sub(r"^.{44}", "", path) for path in paths} >= {"toplevel", "system-path", "runit", "stage-2"}


def test_a_failing_service_restarts_with_growing_delays(machine: Machine) -> None:
    """A service that ends at once restarts after 1 s, then 2 s, …"""
    machine.succeed(
        "cp -r /etc/runit/services/sshd /run/flaky && cd /run/flaky && rm -r supervise run log"
        " && printf '#!/bin/sh\\nread -r now _ </proc/uptime; echo $now >>/run/flaky.ran\\nexit 1\\n'"
        " >/run/flaky/run"
        " && chmod +x /run/flaky/run && ln -s /run/flaky /run/service/flaky"
    )
    for seconds in (2, 4):  # the first delay has no line
        machine.wait_for_console(f"flaky ended with status 1; it starts again in {seconds} s")
    first, second, third, *_ = map(float, machine.succeed("cat /run/flaky.ran").split())
    assert (second - first >= 1, third - second >= 2) == (True, True)
    machine.succeed("rm /run/service/flaky")


def test_the_power_button(machine: Machine) -> None:
    """The machine shuts down cleanly, and QEMU ends with status 0. (The last test of this machine.)"""
    machine.wait_until_succeeds("ls -l /proc/[0-9]*/fd | grep -q /dev/input/event")
    machine.qmp("system_powerdown")
    assert machine.wait_for_end() == 0
    said = "\n".join(line.text for line in machine.console.lines)
    assert "- runit: enter stage: /etc/runit/3" in said
    assert "power off" in said
    assert "not found" not in said
    assert "warning" not in said


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        (
            "systemConfig=/nix/store/none",
            "stage-1 failed: /nix/store/none (systemConfig=) is not in the store",
        ),
        ("root=/dev/vdz", "stage-1 failed: there is no device /dev/vdz (root=)"),
    ],
)
def test_a_failure_of_stage1(
    built: Project, machine_factory: MachineFactory, parameter: str, message: str
) -> None:
    """stage-1 prints an error and starts a shell."""
    machine = machine_factory.at(built.script, environment={"KERNEL_PARAMS": parameter})
    machine.wait_for_console(message)
    machine.wait_for_console("rescue shell")
    machine.send_console("echo rescue=$((6 * 7))\n")
    machine.wait_for_console("rescue=42")
