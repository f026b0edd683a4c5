"""This host as tests meet it: how busy its processors are, waits, and which ports are free."""

import functools
import itertools
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

PATIENCE = 300.0  # seconds that a wait may take, on a busy host
_BLOCK = 100  # ports of one process
_HOLDERS: list[socket.socket] = []  # open until this process ends

Found = TypeVar("Found")


def slowed(seconds: float) -> float:
    """Return how long something may take here that takes `seconds` at the most on a quiet host.

    Each process that is ready to run gets a share of the processors (proc_loadavg(5): of the last minute, and
    now).
    """
    minute, _, _, now, *_ = Path("/proc/loadavg").read_text().split()
    ready = max(float(minute), float(now.partition("/")[0]))
    return seconds * max(1.0, ready / len(os.sched_getaffinity(0)))


def wait_until(
    look: Callable[[], Found | None],
    lacking: str | Callable[[], str],
    *,
    seconds: float = PATIENCE,
    tick: float = 0.05,
) -> Found:
    """Call `look` every `tick` seconds until it returns a true value; return that value.

    Raises AssertionError with the text `lacking` after `seconds`.
    """
    end = time.monotonic() + seconds
    while True:
        late = time.monotonic() > end
        if found := look():
            return found
        if late:
            raise AssertionError(lacking if isinstance(lacking, str) else lacking())
        time.sleep(tick)


def has_ended(pid: int) -> bool:
    """Return True if a process has ended; it may be a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing listens on, and that no other process of tests gets.

    The kernel gives it to no connection either, for it lies below the ports that the kernel chooses from.
    """
    for port in itertools.islice(_ports(), _BLOCK):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"none of {_BLOCK} ports is free")


@functools.cache
def _ports() -> Iterator[int]:
    """Yield the ports of a block again and again, which is reserved until this process ends."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    starts = list(range(20000 if lowest >= 30000 else 1024, lowest - _BLOCK, _BLOCK))
    for start in random.sample(starts, len(starts)):
        holder = socket.socket(socket.AF_UNIX)
        try:
            # An abstract name (unix(7)) ends with its process, and has the network namespace of the ports.
            holder.bind(f"\0notos-tests-ports-{start}")
        except OSError:
            holder.close()
            continue
        _HOLDERS.append(holder)
        return itertools.cycle(range(start, start + _BLOCK))
    raise AssertionError(f"all ports from {starts[0]} on are reserved by other tests")
