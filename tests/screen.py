"""A terminal that a test types at: a program runs in it, and its screen is read as a person would (pyte)."""

import os
import pty
import re
import select
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import pyte

from tests.this_host import PATIENCE

_SIZE = (80, 24)


class Screen:
    """The program `command`, run in `folder`. Use it as a context manager, which waits for its end."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._screen = pyte.Screen(*_SIZE)
        self._stream = pyte.ByteStream(self._screen)
        columns, lines = map(str, _SIZE)
        self._process, self._terminal = pty.fork()
        if self._process == 0:
            os.chdir(folder)
            size = {"COLUMNS": columns, "LINES": lines, "TERM": "linux"}
            os.execve(command[0], list(command), {**environment, **size})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._terminal)
        os.waitpid(self._process, 0)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._terminal, keys.encode())

    def wait_for(self, pattern: str, seconds: float = PATIENCE) -> None:
        """Wait until a line of the whole screen matches, for a program draws only what changes."""
        end = time.monotonic() + seconds
        while not any(re.search(pattern, line) for line in self._screen.display):
            shown = "\n".join(line.rstrip() for line in self._screen.display)
            assert time.monotonic() < end, f"no {pattern!r} on the screen:\n{shown}"
            if select.select([self._terminal], [], [], 1)[0]:
                try:
                    self._stream.feed(os.read(self._terminal, 65536))
                except OSError:  # it has ended
                    end = 0
