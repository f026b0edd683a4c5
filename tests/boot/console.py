"""A machine in QEMU for the boot tests: its console by lines, ssh, and an end whatever happens."""

import os
import re
import socket
import subprocess
import threading
import time
from pathlib import Path

from tests.conftest import Project

BOOT = 90.0  # seconds; under emulation on a busy host a boot takes up to a minute
QUIET_END = 30.0


class ConsoleError(AssertionError):
    """What was waited for did not come."""


class Console:
    """The machine that `script` boots. Use it as a context manager."""

    def __init__(self, script: Path, *words: str, project: Project, config: str = "config.yaml", **env: str):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = str(probe.getsockname()[1])
        self._project = project
        self._config = config
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._process = subprocess.Popen(
            [script, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "SSH_PORT": self.port, "ACCEL": "tcg", **env},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Console":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(5)

    def wait_for(self, pattern: str, seconds: float = BOOT) -> re.Match[str]:
        """Wait until a line matches. Raises ConsoleError, with the last lines, when none does."""
        deadline = time.monotonic() + seconds
        seen = 0
        while True:
            with self._news:
                lines, ended = self.lines[seen:], not self._reader.is_alive()
                for line in lines:
                    if match := re.search(pattern, line):
                        return match
                seen += len(lines)
                left = deadline - time.monotonic()
                if ended or left <= 0:
                    why = "the machine has ended" if ended else f"not within {seconds:.0f} s"
                    raise ConsoleError(f"no line like {pattern!r}: {why}\n" + "\n".join(self.lines[-30:]))
                self._news.wait(min(left, 1.0))

    def send(self, text: str) -> None:
        """Type `text` at the console."""
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def wait_for_ssh(self, seconds: float = BOOT) -> None:
        """Wait until the ssh server says its name."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", int(self.port)), timeout=2) as stream:
                    stream.settimeout(2)
                    if stream.recv(4) == b"SSH-":
                        return
            except OSError:
                time.sleep(0.1)
        raise ConsoleError("no ssh\n" + "\n".join(self.lines[-30:]))

    def ssh(self, command: str, *, check: bool = True) -> str:
        """Run `command` in the machine as root, through `doit ssh`; what it printed."""
        words = (f"config={self._config}", "ssh", command)
        done = self._project.doit(*words, check=False, SSH_PORT=self.port)
        if check and done.returncode:
            raise ConsoleError(f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def pull_the_plug(self) -> None:
        """Kill QEMU, whatever the machine is at."""
        self._process.kill()
        self._process.wait()

    def end(self, seconds: float = QUIET_END) -> int:
        """Wait for QEMU to end by itself; its status."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise ConsoleError("QEMU goes on\n" + "\n".join(self.lines[-30:])) from None

    def _read(self) -> None:
        assert self._process.stdout is not None
        for raw in self._process.stdout:
            # Firmware and the terminal's own escapes come before the first line.
            line = re.sub(r"\x1b\[[0-9;?=]*[A-Za-z]|\x1bc", "", raw.decode(errors="replace")).rstrip("\r\n")
            with self._news:
                self.lines.append(line)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()
