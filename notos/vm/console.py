"""A machine's console: its lines with their times, waits for output, and a log file."""

import codecs
import os
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# Characters that a terminal does not show: escape sequences, which firmware sends, and carriage returns.
_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?=]*[A-Za-z]|c)|\r|\x00")

_LONGEST = 1 << 20  # letters of a line


@dataclass(frozen=True)
class Line:
    """A line, and the time of its end, by time.monotonic()."""

    at: float
    text: str


def pattern_of(what: str | re.Pattern[str]) -> re.Pattern[str]:
    """Return a pattern that matches a text literally; a pattern is returned as it is."""
    return re.compile(re.escape(what)) if isinstance(what, str) else what


class Console:
    """The lines of `stream`, which a thread reads until it ends.

    `log` gets each line with the seconds since `started`.
    """

    def __init__(self, stream: IO[bytes], log: Path | None, started: float) -> None:
        self.lines: list[Line] = []
        self.partial = ""  # an incomplete line: a prompt, or the end of the output
        self.ended = False
        self._rest = ""  # the same with its escape sequences, the last of which may be incomplete
        self._news = threading.Condition()
        self._stream = stream
        self._started = started
        self._log = log.open("w", encoding="utf-8", errors="replace") if log else None
        self._reader = threading.Thread(target=self._read, name="console", daemon=True)
        self._reader.start()

    def wait(self, seconds: float) -> None:
        """Wait for output or the end of the console, at most `seconds`."""
        with self._news:
            if not self.ended:
                self._news.wait(seconds)

    def settle(self, quiet: float, seconds: float) -> None:
        """Wait until there is no output for `quiet` seconds, or the console ends; at most `seconds`."""
        end = time.monotonic() + seconds
        with self._news:
            while not self.ended and (left := end - time.monotonic()) > 0:
                if not self._news.wait(min(quiet, left)):
                    return

    def find(
        self, what: str | re.Pattern[str], first: int = 0, *, prompt: bool = False
    ) -> tuple[int, re.Match[str]] | None:
        """Return the number and match of the first line that contains or matches `what`, from `first` on.

        Only complete lines count, so that no match is cut off. With `prompt` the last, incomplete line counts
        too, because a prompt has no end of line.
        """
        pattern = pattern_of(what)
        with self._news:
            texts = [each.text for each in self.lines[first:]]
            if prompt and self.partial:
                texts.append(self.partial)
        for number, text in enumerate(texts, first):
            if match := pattern.search(text):
                return number, match
        return None

    def tail(self, count: int = 20) -> list[str]:
        """Return the last `count` lines that are not blank."""
        with self._news:
            texts = [*(each.text for each in self.lines[-3 * count :]), self.partial]
        return [text for text in texts if text.strip()][-count:]

    def note(self, text: str) -> None:
        """Write a line of the driver into the log."""
        with self._news:
            for line in text.splitlines():
                self._write(time.monotonic(), f"» {line}")

    def close(self) -> None:
        """Read the rest of a stream that has ended, and close the log."""
        self._reader.join(5)
        with self._news:
            if self._log:
                self._log.close()
                self._log = None

    def _read(self) -> None:
        descriptor = self._stream.fileno()
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        try:
            while data := os.read(descriptor, 65536):
                self._take(decode(data))
        except OSError:  # the stream was closed meanwhile
            pass
        if self._rest:
            self._take("\n")
        with self._news:
            self.ended = True
            self._news.notify_all()

    def _take(self, text: str) -> None:
        now = time.monotonic()
        *ended, self._rest = (self._rest + text).split("\n")
        if len(self._rest) > _LONGEST:
            ended.append(self._rest)
            self._rest = ""
        whole = [_ESCAPE.sub("", each) for each in ended]
        with self._news:
            self.lines += [Line(now, each) for each in whole]
            self.partial = _ESCAPE.sub("", self._rest)
            for each in whole:
                self._write(now, each)
            self._news.notify_all()

    def _write(self, at: float, text: str) -> None:
        if self._log:
            try:
                self._log.write(f"{at - self._started:9.3f}  {text}\n")
                self._log.flush()
            except OSError:  # the disk is full; keep reading the console
                self._log = None
