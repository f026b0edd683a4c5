"""Failures of a machine, recognized by single lines of its console."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from notos.vm.console import Console

# The kernel's lines begin with a time, or directly with the text if it prints no times.
_KERNEL = r"(?:^|\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? )"

KINDS = {
    "panic": re.compile(_KERNEL + r"Kernel panic - not syncing"),
    "oops": re.compile(_KERNEL + r"(?:Oops: |BUG: (?!soft lockup)|kernel BUG at |general protection fault)"),
    "oom": re.compile(_KERNEL + r"(?:Memory cgroup out of memory|Out of memory): Killed process"),
    "drive": re.compile(
        _KERNEL
        + r"(?:SQUASHFS error: |EXT4-fs error |(?:Buffer )?I/O error[, ].*\bdev |critical .* error, dev )"
    ),
    "rescue": re.compile(r"^(?:stage-1 failed|required script failed): "),
}
MEANING = {
    "panic": "its kernel panicked",
    "oops": "its kernel had an oops",
    "oom": "it ran out of memory, and the kernel killed a process",
    "drive": "it cannot read a drive or a file system",
    "rescue": "it is in the rescue shell",
}


@dataclass(frozen=True)
class Failure:
    """A failure: its kind (a key of KINDS), and the console line that shows it."""

    kind: str
    line: str

    def __str__(self) -> str:
        return f"{MEANING[self.kind]}: {self.line.strip()}"


def of_line(line: str, tolerated: Iterable[str] = ()) -> Failure | None:
    """Return the failure that `line` shows, or None; kinds in `tolerated` are ignored."""
    for kind, pattern in KINDS.items():
        if kind not in tolerated and pattern.search(line):
            return Failure(kind, line)
    return None


class Failures:
    """The failures on a console, except tolerated kinds; each line is checked once.

    A drive that has failed goes on to fail: forget() ignores its later failures too.
    """

    def __init__(self, console: Console, tolerated: Iterable[str]) -> None:
        self._console = console
        self._tolerated = tolerated
        self._looked = 0  # number of lines checked
        self._expected: set[int] = set()
        self._found: dict[int, Failure] = {}
        self._over: set[str] = set()

    def expect(self, number: int) -> None:
        """Ignore the line of this number: a test waited for it."""
        self._expected.add(number)
        self._found.pop(number, None)

    def first(self) -> tuple[int, Failure] | None:
        """Return the first failure and the number of its line, or None."""
        lines = self._console.lines
        for number in range(self._looked, len(lines)):
            found = of_line(lines[number].text, self._tolerated)
            if found and found.kind not in self._over and number not in self._expected:
                self._found[number] = found
            self._looked = number + 1
        return next(iter(self._found.items()), None)

    def forget(self) -> None:
        """Ignore all failures so far."""
        self.first()
        self._over |= {each.kind for each in self._found.values()} & {"drive"}
        self._found.clear()
