"""The test driver on real machines: its calls, and prompt errors when a machine is lost."""

import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from notos.vm import CommandError, Machine, MachineError, MachineLostError, MachineTimeoutError
from notos.vm.plugin import MachineFactory
from tests.conftest import ROOT, Project
from tests.this_host import has_ended, slowed, wait_until

AT_ONCE = 30.0  # seconds, on an idle host; all timeouts that could end the wait are far longer


@pytest.fixture(scope="module")
def machine(built: Project, machine_factory: MachineFactory) -> Machine:
    return machine_factory.at(built.script, scope="module", tolerated=["oom"])


@pytest.fixture(scope="module")
def instrumented(machine_factory: MachineFactory) -> Machine:
    """Return a machine with only the backdoor."""
    return machine_factory("examples/minimal.yaml", {"ssh": {"server": "none"}}, scope="module")


@pytest.fixture(params=["ssh", "backdoor"])
def either(request: pytest.FixtureRequest) -> Machine:
    """Return a machine with ssh, and one with the backdoor."""
    name = "machine" if request.param == "ssh" else "instrumented"
    found: Machine = request.getfixturevalue(name)
    return found


def test_status_output_and_errors(either: Machine) -> None:
    assert either.execute("echo out; echo err >&2; exit 3") == (3, "out\n")
    done = either.run("echo out; echo err >&2; exit 255")
    assert (done.status, done.out, done.err) == (255, b"out\n", "err\n")
    assert either.execute("kill -KILL $$").status in (137, 9)
    assert either.succeed("echo one", "printf two") == "one\ntwo"
    assert "No such file" in either.fail("cat /nowhere")
    with pytest.raises(CommandError, match=r"false \|\| exit 7: exit status 7"):
        either.succeed("echo said; false || exit 7")
    with pytest.raises(CommandError, match="true: succeeded, but must fail"):
        either.fail("true")


def test_bytes_are_unchanged(either: Machine) -> None:
    every = bytes(range(256)) * 4096
    assert either.execute("cat", input=every, text=False) == (0, every)
    status, text = either.execute("cat; exit 9", input=b"\xff\x00!\n=ready\n")
    assert (status, text.encode(errors="surrogateescape")) == (9, b"\xff\x00!\n=ready\n")
    # Unread input does not reach the next command, and quotes are kept.
    assert either.execute("true", input=every) == (0, "")
    assert (
        either.succeed("""printf '%s|' "a  'b'" '$HOME' "\\\\"; echo "$HOME" """) == "a  'b'|$HOME|\\|/root\n"
    )


def test_100_mb_of_input(either: Machine) -> None:
    """100 MB of random bytes arrive unchanged, by the hash that the machine calculates."""
    status, data = either.execute(
        "head -c 1000000 /dev/urandom >/tmp/mb; for i in $(seq 100); do cat /tmp/mb; done", text=False
    )
    assert (status, len(data)) == (0, 100_000_000)
    assert either.succeed("sha256sum </tmp/mb").split()[0] == hashlib.sha256(data[:1_000_000]).hexdigest()
    assert data == data[:1_000_000] * 100


def test_files_are_copied_both_ways(either: Machine, tmp_path: Path) -> None:
    tree = tmp_path / "a tree"
    (tree / "below").mkdir(parents=True)
    (tree / "below/run").write_bytes(bytes(range(256)))
    (tree / "below/run").chmod(0o755)
    (tree / "link").symlink_to("below/run")
    either.copy_to(tree, "/tmp/new folder/there")
    assert either.succeed("cd '/tmp/new folder/there'; stat -c '%a %U' below/run; readlink link") == (
        "755 root\nbelow/run\n"
    )
    either.copy_from("/tmp/new folder/there", tmp_path / "back")
    assert (tmp_path / "back/below/run").read_bytes() == bytes(range(256))
    assert (tmp_path / "back/below/run").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "back/link").readlink() == Path("below/run")
    either.copy_to(tree / "below/run", "/tmp/one")
    either.copy_from("/tmp/one", tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == bytes(range(256))
    with pytest.raises(CommandError, match=r"cannot copy /nowhere/x\n.*No such file"):
        either.copy_from("/nowhere/x", tmp_path / "x")


def test_a_command_that_takes_too_long(either: Machine) -> None:
    before = time.monotonic()
    with pytest.raises(MachineTimeoutError, match=r"sleep 600: not done within 4 s\n.*last lines"):
        either.succeed("sleep 600", seconds=1)
    assert time.monotonic() - before < 4 + slowed(AT_ONCE)
    # The backdoor has killed it by then and accepts commands again.
    either.wait_until_succeeds("true")


def test_services(machine: Machine) -> None:
    machine.wait_for_unit("sshd")
    with pytest.raises(MachineError, match="has no service web; it has nix-daemon, sshd"):
        machine.wait_for_unit("web")
    machine.succeed("sv -w 100 stop nix-daemon")
    with pytest.raises(MachineTimeoutError, match="service nix-daemon does not run: down: nix-daemon: "):
        machine.wait_for_unit("nix-daemon", slowed(1))
    machine.succeed("sv up nix-daemon")
    machine.wait_for_unit("nix-daemon")


def test_ports(machine: Machine) -> None:
    machine.wait_for_open_port(22)
    with socket.create_connection(("127.0.0.1", machine.wait_for_port(22)), 20) as stream:
        assert stream.makefile("rb").read(4) == b"SSH-"
    with pytest.raises(MachineTimeoutError, match="nothing listens on port 8080"):
        machine.wait_for_open_port(8080, slowed(0.3))
    # QEMU itself accepts connections, with or without a server behind it.
    with pytest.raises(MachineTimeoutError, match="port 8080 accepts no connection from outside"):
        machine.wait_for_port(8080, slowed(0.3))
    machine.succeed("(sleep 1; echo hello | busybox nc -l -p 8080) >/dev/null 2>&1 &")
    assert machine.wait_for_port(8080) == machine.forward(8080) != machine.forward(22)


def test_waiting_for_commands(machine: Machine) -> None:
    machine.succeed("(sleep 1; echo made >/tmp/made) >/dev/null 2>&1 &")
    assert machine.wait_until_succeeds("cat /tmp/made") == "made\n"
    with pytest.raises(MachineTimeoutError, match=r"false: does not succeed, status 1"):
        machine.wait_until_succeeds("echo why; false", slowed(1))
    machine.wait_until_fails("false")


def test_blocking_the_network(machine: Machine, instrumented: Machine) -> None:
    machine.block()
    with pytest.raises(MachineError, match="its network is blocked, and it has no backdoor"):
        machine.succeed("true")
    machine.unblock()
    assert machine.succeed("cat /sys/class/net/eth0/carrier") == "1\n"
    instrumented.block()
    instrumented.wait_until_succeeds("grep 0 /sys/class/net/eth0/carrier")
    instrumented.unblock()
    instrumented.wait_until_succeeds("grep 1 /sys/class/net/eth0/carrier")


def test_the_monitor(machine: Machine) -> None:
    assert "virtio" in machine.monitor("info qtree")
    assert machine.qmp("query-status")["status"] == "running"
    with pytest.raises(MachineError, match=r"QEMU: .*no-such-command"):
        machine.qmp("no-such-command")
    with pytest.raises(MachineError, match="no such key"):
        machine.send_key("nonsense")


def test_a_machine_without_ssh_and_backdoor(
    built: Project, machine_factory: MachineFactory, tmp_path: Path
) -> None:
    """Its console, keyboard and screen still work."""
    for name in ("runvm.sh", "vmlinuz", "vmlinux", "initrd", "root.squashfs"):
        (tmp_path / name).hardlink_to(built.root / "build/notos" / name)
    machine = machine_factory.at(tmp_path / "runvm.sh")
    with pytest.raises(MachineError, match="neither ssh nor the backdoor"):
        machine.succeed("true")
    machine.wait_for_console("Running runsvdir...")
    machine.send_key("ctrl-alt-delete")
    machine.wait_for_console("Unmounting file systems...")
    assert machine.wait_for_end() == 0


def test_reboot_shutdown_and_crash(either: Machine) -> None:
    """After a restart, a shutdown and a crash, ports and files are as after a first boot."""
    either.succeed("touch /tmp/before")
    boot = either.succeed("cat /proc/sys/kernel/random/boot_id")
    either.reboot()
    assert either.succeed("cat /proc/sys/kernel/random/boot_id") != boot
    either.fail("ls /tmp/before")
    either.shutdown()
    assert not either.running
    either.start()
    assert either.succeed("echo again") == "again\n"
    pid = either.pid
    either.crash()
    wait_until(lambda: has_ended(pid), "QEMU still runs")
    with pytest.raises(MachineError, match="is not running"):
        either.succeed("true")
    either.start()
    assert either.succeed("echo again") == "again\n"
    assert either.artefacts is not None
    logs = sorted(path.name for path in either.artefacts.glob("console*.log"))
    assert logs == ["console-2.log", "console-3.log", "console.log"]
    text = (either.artefacts / "console.log").read_text()
    assert re.search(r"^ +\d+\.\d{3}  Entering stage-2\.\.\.$", text, re.MULTILINE)
    assert re.search(r"^ +\d+\.\d{3}  » touch /tmp/before: status 0, \d+\.\d{3} s$", text, re.MULTILINE)


def test_machines_in_parallel(built: Project, machine: Machine, machine_factory: MachineFactory) -> None:
    """Machines of one config have the same forwarded ports and do not collide."""
    assert machine.name == "machine"
    machines = [machine_factory.at(built.script) for _ in range(3)]
    assert [each.name for each in machines] == ["machine-2", "machine-3", "machine-4"]
    for number, each in enumerate(machines):
        each.succeed(f"hostname m{number}")
    assert [each.succeed("hostname") for each in machines] == ["m0\n", "m1\n", "m2\n"]
    assert len({each.forward(22) for each in machines}) == 3


LOST: list[tuple[str, Callable[[Machine], object], str]] = [
    (
        "panic",
        lambda it: it.execute("sleep 0.5; echo c >/proc/sysrq-trigger; sleep 600"),
        "its kernel panicked",
    ),
    (
        "oops",
        lambda it: it.execute("echo '<1>Oops: 0002 [#1]' >/dev/kmsg; sleep 600"),
        "its kernel had an oops",
    ),
    ("oom", lambda it: it.execute("echo f >/proc/sysrq-trigger; sleep 600"), "ran out of memory"),
    ("console", lambda it: it.wait_for_console("never said", 600), "QEMU has ended with status -9"),
    ("unit", lambda it: it.wait_until_succeeds("false", 600), "QEMU has ended with status -9"),
]


@pytest.mark.parametrize(("kind", "call", "said"), LOST, ids=[each[0] for each in LOST])
def test_waits_fail_at_once(
    kind: str, call: Callable[[Machine], object], said: str, built: Project, machine_factory: MachineFactory
) -> None:
    machine = machine_factory.at(built.script)
    machine.wait_for_boot()
    if kind in ("console", "unit"):
        threading.Timer(1, os.kill, [machine.pid, signal.SIGKILL]).start()
    before = time.monotonic()
    with pytest.raises(MachineLostError, match=said) as caught:
        call(machine)
    assert time.monotonic() - before < slowed(AT_ONCE)
    assert "its console's last lines:\n  | " in str(caught.value)
    assert "Running sshd..." in str(caught.value)


def test_a_rescue_shell_is_a_failure_unless_waited_for(
    built: Project, machine_factory: MachineFactory
) -> None:
    wrong = {"KERNEL_PARAMS": "systemConfig=/nix/store/none"}
    machine = machine_factory.at(built.script, environment=wrong)
    with pytest.raises(MachineLostError, match=r"rescue shell: stage-1 failed: /nix/store/none"):
        machine.succeed("true")
    machine.close()
    machine = machine_factory.at(built.script, environment=wrong)
    machine.wait_for_console("stage-1 failed: /nix/store/none")
    machine.send_console("echo rescue=$((6 * 7))\n")
    machine.wait_for_console("rescue=42")


def test_errors_have_qemus_message(built: Project, machine_factory: MachineFactory) -> None:
    before = time.monotonic()
    with pytest.raises(MachineLostError, match=r"QEMU has ended with status 1\n(.*\n)*.*no-such-option"):
        machine_factory.at(built.script, words=["-no-such-option"])
    assert time.monotonic() - before < slowed(AT_ONCE)


RUNNER = """
import os, signal, sys
from notos.vm import Machine
machine = Machine(sys.argv[1], environment={"ACCEL": "tcg"})
machine.start()
print(machine.pid, flush=True)
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
elif sys.argv[2] == "raises":
    raise RuntimeError
"""


@pytest.mark.parametrize("how", ["killed", "raises", "forgets"])
def test_nothing_outlives_the_test_runner(built: Project, how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, built.script, how],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == {"killed": -signal.SIGKILL, "raises": 1, "forgets": 0}[how]
    wait_until(lambda: has_ended(int(done.stdout)), "QEMU still runs")
