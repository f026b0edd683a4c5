"""Measurement of commands: time and memory."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Run(NamedTuple):
    """The duration of a command in seconds, and the peak memory of its largest process in MB."""

    seconds: float
    memory: float


# A child's peak memory includes that of its parent at the fork, so a small process starts the command.
_CLOCK = """
import resource, subprocess, sys, time
started = time.perf_counter()
status = subprocess.call(sys.argv[2:])
seconds = time.perf_counter() - started
with open(sys.argv[1], "w") as out:
    print(seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=out)
sys.exit(status if status >= 0 else 128 - status)
"""


def run(
    command: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Run:
    """Run `command` to completion. Raises RuntimeError with its output if it fails."""
    with tempfile.NamedTemporaryFile("r", prefix="notos-clock-") as result:
        done = subprocess.run(
            [sys.executable, "-c", _CLOCK, result.name, *(os.fspath(word) for word in command)],
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            last = done.stdout.decode(errors="replace").strip().splitlines()[-5:]
            raise RuntimeError(f"{command[0]} failed with {done.returncode}: " + " | ".join(last))
        seconds, kilobytes = result.read().split()
    return Run(float(seconds), int(kilobytes) * 1024 / 1e6)


def interleaved(runs: int, *works: Callable[[], float]) -> list[list[float]]:
    """Return `runs` values of each of `works`, called in turn: a slow phase of the host affects them all."""
    values: list[list[float]] = [[] for _ in works]
    for _ in range(runs):
        for work, found in zip(works, values, strict=True):
            found.append(work())
    return values
