"""A program on a terminal of its own (pty(7)), typed at by a test."""

import os
import pty
import re
import select
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.this_host import PATIENCE


class Terminal:
    """Runs `command` in `folder`; what it has printed is in `said`."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self.said = ""
        self._pid, self._descriptor = pty.fork()
        if not self._pid:
            os.chdir(folder)
            os.execve(command[0], list(command), dict(environment))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._descriptor)

    def type(self, text: str) -> None:
        """Press the keys of `text`; what was said before is forgotten."""
        self.said = ""
        os.write(self._descriptor, text.encode())

    def wait_for(self, pattern: str, seconds: float = PATIENCE) -> str:
        """Return what is said once `pattern` is in it. Raises AssertionError."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.said):
            ready, _, _ = select.select([self._descriptor], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"no {pattern!r} in {self.said!r}"
            try:
                data = os.read(self._descriptor, 4096)
            except OSError:  # EIO: it has ended
                data = b""
            assert data, f"it ended: {self.said!r}"
            self.said += data.decode(errors="replace")
        return self.said

    def read(self) -> str:
        """Return all that is said until the program ends."""
        while True:
            try:
                data = os.read(self._descriptor, 4096)
            except OSError:  # EIO: it has ended
                return self.said
            if not data:
                return self.said
            self.said += data.decode(errors="replace")
