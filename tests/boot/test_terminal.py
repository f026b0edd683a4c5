"""runvm.sh on a terminal, as a user starts it: the bytes that it writes, and how it leaves the terminal."""

import os
import pty
import re
import select
import signal
import socket
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from notos.cache import Cache
from tests.conftest import Project, clean_environment

BOOT = 180.0  # seconds on a busy host without KVM
QUIT = b"\x01x"


@dataclass
class Terminal:
    """A terminal with a machine on it; what the machine prints, and what runvm.sh says beside it."""

    process: subprocess.Popen[bytes]
    master: int
    slave: int
    modes: list[object]
    said: bytes = b""
    beside: bytes = b""
    ended: bool = field(default=False, init=False)

    def until(self, pattern: bytes, seconds: float = BOOT) -> re.Match[bytes]:
        """Read until both outputs together match; the match."""
        end = time.monotonic() + seconds
        assert self.process.stderr
        while time.monotonic() < end:
            if found := re.search(pattern, self.said + b"\n" + self.beside):
                return found
            for each in select.select([self.master, self.process.stderr], [], [], 0.2)[0]:
                if each == self.master:
                    self.said += os.read(self.master, 65536)
                else:
                    self.beside += os.read(self.process.stderr.fileno(), 65536)
        raise AssertionError((pattern, self.said[-2000:], self.beside))

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def end(self) -> int:
        """Wait for the end, and read what is left; the exit status."""
        status = self.process.wait(60)
        while select.select([self.master], [], [], 0.3)[0]:
            self.said += os.read(self.master, 65536)
        assert self.process.stderr
        self.beside += self.process.stderr.read()
        return status


@contextmanager
def on_terminal(project: Project, **environment: str) -> Iterator[Terminal]:
    """runvm.sh on a new terminal; standard error apart."""
    master, slave = pty.openpty()
    modes = termios.tcgetattr(slave)
    process = subprocess.Popen(
        [project.script],
        stdin=slave,
        stdout=slave,
        stderr=subprocess.PIPE,
        env={**clean_environment(), **environment},
        start_new_session=True,
    )
    try:
        yield Terminal(process, master, slave, modes)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(master)
        os.close(slave)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_a_boot_leaves_the_terminal_as_it_was(built: Project) -> None:
    """No escape code; one line before the boot, one when ssh answers; ctrl-a x quits.

    `doit ssh` is started beside the boot and waits for it.
    """
    port = free_port()
    with on_terminal(built, FORWARD=f"{port}:22") as terminal:
        terminal.until(rb"booting notos; ctrl-a x quits; ssh on 127\.0\.0\.1:\d+")
        done = built.doit("ssh", "echo in; exit 7", check=False, SSH_PORT=port)
        assert (done.returncode, done.stdout) == (7, "in\n")
        assert done.stderr == f"waiting for the machine at 127.0.0.1:{port} to boot; ctrl-c stops\n"
        seconds = float(terminal.until(rb"ready in ([\d.]+) s: SSH_PORT=\d+ \./doit ssh\n")[1])
        assert 0.5 < seconds < BOOT
        # The second time nothing is waited for.
        done = built.doit("ssh", "true", SSH_PORT=port)
        assert (done.stdout, done.stderr) == ("", "")
        terminal.until(rb"Running runsvdir\.\.\.\r+\nRunning nix-daemon\.\.\.\r+\nRunning sshd\.\.\.\r+\n")
        terminal.press(QUIT)
        assert terminal.end() == 0
        assert terminal.said.startswith(b"Entering stage-1...\r")
        assert b"\x1b" not in terminal.said + terminal.beside
        assert b"kex_exchange" not in terminal.said
        assert len(terminal.beside.splitlines()) == 2
        assert termios.tcgetattr(terminal.slave) == terminal.modes
        assert os.get_blocking(terminal.slave)
    done = built.doit("ssh", "true", check=False, SSH_PORT=port)
    assert done.returncode == 1
    assert f"127.0.0.1:{port} does not answer (connection refused): start the machine with ./result" in (
        done.stdout
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(built: Project, number: signal.Signals) -> None:
    with on_terminal(built, FORWARD="") as terminal:
        terminal.until(rb"Entering stage-1")
        assert termios.tcgetattr(terminal.slave) != terminal.modes
        terminal.process.send_signal(number)
        assert terminal.end() == 0
        assert termios.tcgetattr(terminal.slave) == terminal.modes
        assert b"\x1b" not in terminal.said


def test_without_a_terminal(built: Project, tmp_path: Path) -> None:
    """Its input is empty and its output a file: it boots all the same, and a signal ends it."""
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [built.script],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.PIPE,
            env={**clean_environment(), "FORWARD": "", "TERM": "dumb"},
            text=True,
        )
        end = time.monotonic() + BOOT
        while "Running sshd" not in (tmp_path / "log").read_text() and time.monotonic() < end:
            time.sleep(0.2)
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert f"kill {process.pid} ends it" in said
    assert (tmp_path / "log").read_text().startswith("Entering stage-1...")


def test_a_key_made_after_the_build_lets_in(built: Project, tmp_path: Path, tool) -> None:
    (tmp_path / ".ssh").mkdir()
    key = tmp_path / ".ssh/id_ed25519"
    subprocess.run([*tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    port = free_port()
    with on_terminal(built, HOME=str(tmp_path), FORWARD=f"{port}:22", NOTOS_CACHE=str(Cache.default().root)):
        # It waits for the boot.
        built.doit("ssh", "true", SSH_PORT=port)
        options = (
            *("-F", "none", "-i", str(key), "-p", port, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"),
        )
        done = subprocess.run(
            [*tool("ssh"), *options, "root@127.0.0.1", "echo in"], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (0, "in\n"), done.stderr


def test_a_port_of_another_program(built: Project) -> None:
    """One that greets, and one that says nothing: doit ssh says at once who it is."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        begun = time.monotonic()
        done = built.doit("ssh", "true", check=False, SSH_PORT=port)
        assert done.returncode == 1
        assert re.search(
            rf"port {port} of 127\.0\.0\.1 belongs to another program \(python\S*, process {os.getpid()}\)",
            done.stdout,
        )
        assert time.monotonic() - begun < 20
