"""What a machine's console says when the machine is lost, or has lost something: told by single lines."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from notos.vm.console import Console

# What the kernel prints stands behind its time, or at a line's start where it tells none.
_KERNEL = r"(?:^|\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? )"

KINDS = {
    "panic": re.compile(_KERNEL + r"Kernel panic - not syncing"),
    "oops": re.compile(_KERNEL + r"(?:Oops: |BUG: (?!soft lockup)|kernel BUG at |general protection fault)"),
    "oom": re.compile(_KERNEL + r"(?:Memory cgroup out of memory|Out of memory): Killed process"),
    "drive": re.compile(
        _KERNEL
        + r"(?:SQUASHFS error: |EXT4-fs error |(?:Buffer )?I/O error[, ].*\bdev |critical .* error, dev )"
    ),
    "rescue": re.compile(r"^stage-1 failed: "),
}
MEANING = {
    "panic": "its kernel panicked",
    "oops": "its kernel has stumbled (oops)",
    "oom": "it ran out of memory, and a process was killed",
    "drive": "a drive or a file system of its cannot be read",
    "rescue": "it stands in the rescue shell",
}


@dataclass(frozen=True)
class Failure:
    """What went wrong: its kind (a key of KINDS), and the line that tells so."""

    kind: str
    line: str

    def __str__(self) -> str:
        return f"{MEANING[self.kind]}: {self.line.strip()}"


def of_line(line: str, tolerated: Iterable[str] = ()) -> Failure | None:
    """Return the failure that a line of the console shows, or None."""
    for kind, pattern in KINDS.items():
        if kind not in tolerated and pattern.search(line):
            return Failure(kind, line)
    return None


class Failures:
    """Those that a console has told, but for what is tolerated; each line is looked at once."""

    def __init__(self, console: Console, tolerated: Iterable[str]) -> None:
        self._console = console
        self._tolerated = tolerated
        self._looked = 0  # so many lines
        self._expected: set[int] = set()
        self._found: dict[int, Failure] = {}

    def expect(self, number: int) -> None:
        """Note that the line of this number was waited for: what it shows is no failure."""
        self._expected.add(number)
        self._found.pop(number, None)

    def first(self) -> tuple[int, Failure] | None:
        """The first one that is left, and the number of its line."""
        lines = self._console.lines
        for number in range(self._looked, len(lines)):
            found = of_line(lines[number].text, self._tolerated)
            if found and number not in self._expected:
                self._found[number] = found
            self._looked = number + 1
        return next(iter(self._found.items()), None)

    def forget(self) -> None:
        """Leave none of those told so far."""
        self.first()
        self._found.clear()
