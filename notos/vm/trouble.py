"""What a machine's console says when the machine is lost, or has lost something: told by single lines."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

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
class Trouble:
    """What went wrong: its kind (a key of KINDS), and the line that tells so."""

    kind: str
    line: str

    def __str__(self) -> str:
        return f"{MEANING[self.kind]}: {self.line.strip()}"


def of_line(line: str, tolerated: Iterable[str] = ()) -> Trouble | None:
    """The trouble that a line tells of."""
    for kind, pattern in KINDS.items():
        if kind not in tolerated and pattern.search(line):
            return Trouble(kind, line)
    return None
