"""runvm.sh on a terminal: the bytes that it writes, and the terminal's state afterwards."""

import os
import pty
import re
import select
import signal
import socket
import subprocess
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from notos.cache import Cache
from tests.conftest import Project, Tool, clean_environment
from tests.this_host import free_port, wait_until

BOOT = 300.0  # seconds on a busy host without KVM
AT_ONCE = 60.0  # seconds on a busy host; a boot may take longer
QUIT = b"\x01x"


class Terminal:
    """A terminal with a machine on it; what the machine prints, and what runvm.sh says beside it.

    It is read all the time: a machine whose console nobody reads stops.
    """

    def __init__(self, script: Path, environment: dict[str, str]) -> None:
        self.master, self.slave = pty.openpty()
        self.modes = termios.tcgetattr(self.slave)
        self.said = b""
        self.beside = b""
        self.process = subprocess.Popen(
            [script],
            stdin=self.slave,
            stdout=self.slave,
            stderr=subprocess.PIPE,
            env={**clean_environment(), **environment},
            start_new_session=True,
        )
        self._stop = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        sources = [self.master, self.process.stderr.fileno()]
        while sources:
            ready = select.select(sources, [], [], 0.3)[0]
            if not ready and self._stop.is_set():
                return
            for each in ready:
                data = os.read(each, 65536)
                if each == self.master:
                    self.said += data
                elif data:
                    self.beside += data
                else:
                    sources.remove(each)

    def until(self, pattern: bytes, seconds: float = BOOT) -> re.Match[bytes]:
        """Wait until both outputs together match; return the match."""
        return wait_until(
            lambda: re.search(pattern, self.said + b"\n" + self.beside),
            lambda: f"{pattern!r} is missing: {self.said[-2000:]!r} {self.beside!r}",
            seconds=seconds,
        )

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def end(self) -> int:
        """Wait for the end, read the rest of the output, and return the exit status."""
        status = self.process.wait(BOOT)
        self._stop.set()
        self._reader.join(BOOT)
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.end()
        assert self.process.stderr
        self.process.stderr.close()
        os.close(self.master)
        os.close(self.slave)


@contextmanager
def on_terminal(project: Project, **environment: str) -> Iterator[Terminal]:
    """Run runvm.sh on a new terminal, with standard error separate."""
    terminal = Terminal(project.script, environment)
    try:
        yield terminal
    finally:
        terminal.close()


def test_a_boot_restores_the_terminal(built: Project) -> None:
    """No escape code; one line before the boot, one when ssh answers; ctrl-a x quits.

    `doit ssh` is started beside the boot and waits for it.
    """
    port = str(free_port())
    with on_terminal(built, FORWARD=f"{port}:22") as terminal:
        terminal.until(rb"booting notos; ctrl-a x quits; ssh on 127\.0\.0\.1:\d+")
        done = built.doit("ssh", "echo in; exit 7", check=False, SSH_PORT=port)
        assert (done.returncode, done.stdout) == (7, "in\n"), done.stderr
        waits = f"waiting for the machine at 127.0.0.1:{port} to boot; press ctrl-c to stop\n"
        assert done.stderr == waits
        seconds = float(terminal.until(rb"ready in ([\d.]+) s: SSH_PORT=\d+ \./doit ssh\n")[1])
        assert 0.5 < seconds < BOOT
        # The second time the server answers at once, or on a busy host within a second or two.
        done = built.doit("ssh", "true", SSH_PORT=port)
        assert (done.stdout, done.stderr.removeprefix(waits)) == ("", "")
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
        done.stderr
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_restores_the_terminal(built: Project, number: signal.Signals) -> None:
    with on_terminal(built, FORWARD="") as terminal:
        terminal.until(rb"Entering stage-1")
        assert termios.tcgetattr(terminal.slave) != terminal.modes
        terminal.process.send_signal(number)
        assert terminal.end() == 0
        assert termios.tcgetattr(terminal.slave) == terminal.modes
        assert b"\x1b" not in terminal.said


def test_without_a_terminal(built: Project, tmp_path: Path) -> None:
    """With empty input and a file as output it boots, too, and a signal ends it."""
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [built.script],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.PIPE,
            env={**clean_environment(), "FORWARD": "", "TERM": "dumb"},
            text=True,
        )
        path = tmp_path / "log"
        wait_until(lambda: "Running sshd" in path.read_text(), path.read_text, seconds=BOOT)
        process.terminate()
        _, said = process.communicate(timeout=BOOT)
    assert process.returncode == 0
    assert f"kill {process.pid} ends it" in said
    assert (tmp_path / "log").read_text().startswith("Entering stage-1...")


def test_a_key_made_after_the_build(built: Project, tmp_path: Path, tool: Tool) -> None:
    (tmp_path / ".ssh").mkdir()
    key = tmp_path / ".ssh/id_ed25519"
    subprocess.run([*tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    port = str(free_port())
    environment = {"HOME": str(tmp_path), "FORWARD": f"{port}:22", "NOTOS_CACHE": str(Cache.default().root)}
    with on_terminal(built, **environment) as terminal:
        # doit ssh waits for the boot.
        built.doit("ssh", "true", SSH_PORT=port)
        options = (
            *("-F", "none", "-i", str(key), "-p", port, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
        )
        done = subprocess.run(
            [*tool("ssh"), *options, "root@127.0.0.1", "echo in"], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (0, "in\n"), f"{done.stderr}\n{terminal.said!r}"


def test_a_port_of_another_program(built: Project) -> None:
    """doit ssh names the other program at once, whether that one sends a greeting or nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        begun = time.monotonic()
        done = built.doit("ssh", "true", check=False, SSH_PORT=port)
        assert done.returncode == 1
        assert re.search(
            rf"port {port} of 127\.0\.0\.1 belongs to another program \(python\S*, process {os.getpid()}\)",
            done.stderr,
        )
        assert time.monotonic() - begun < AT_ONCE
