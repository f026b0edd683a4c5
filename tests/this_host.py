"""This host as tests meet it: how busy its processors are, and which ports are free."""

import os
import socket
from pathlib import Path


def slowed(seconds: float) -> float:
    """Return how long something may take here that takes `seconds` at the most on a quiet host.

    Each process that is ready to run gets a share of the processors (proc_loadavg(5): of the last minute, and
    now).
    """
    minute, _, _, now, *_ = Path("/proc/loadavg").read_text().split()
    ready = max(float(minute), float(now.partition("/")[0]))
    return seconds * max(1.0, ready / len(os.sched_getaffinity(0)))


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
