"""A wait for a server in a machine, behind a port of this host that QEMU forwards.

QEMU's user network accepts a connection at once and closes it if the machine refuses it; then the next
attempt follows. If the machine has not answered yet, QEMU itself retries, after up to some seconds; so
further connections are opened in parallel, at growing intervals, because an ssh server blocks clients that
connect often without logging in (sshd_config(5), PerSourcePenalties). The first answer counts.

runvm.sh runs a copy of this file with the host's python3, whatever its version: `python3 wait_for_ssh.py PORT
PROCESS COMMAND` writes one line, "ready in 3.9 s: COMMAND", to descriptor 3 when an ssh server answers. It
ends when PROCESS ends.
"""

from __future__ import annotations

import math
import os
import re
import select
import socket
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

SLOWEST = 1.0  # largest interval in seconds between two attempts while a machine boots
_AGAIN = 0.05  # seconds before the attempt that follows a refused one
_BESIDES = 0.5  # seconds before the second parallel attempt; the interval doubles for each further one
_GREETING = b"SSH-"
_LONGEST = 300.0  # timeout in seconds for a boot
_MOST = 4  # parallel attempts: an ssh server that comes up answers all of them
_LEAVE = 10.0  # timeout in seconds for a server to close its side of connections
# States of a connection that the machine has accepted, and perhaps closed again.
_ANSWERED = "ESTABLISHED|CLOSE_WAIT|FIN_WAIT_1|FIN_WAIT_2|CLOSING|LAST_ACK|TIME_WAIT"


class Probe:
    """Connection attempts to `port` of 127.0.0.1. A context manager; leaving it closes all connections.

    Until the first refusal, which shows that the machine has a network, attempts follow at intervals of at
    most `slowest` seconds, and at most four are open at once.

    listens       True if a program listened on the port when an attempt last ended
    other_answer  the last answer that was not the expected greeting
    """

    def __init__(self, port: int, *, slowest: float = math.inf) -> None:
        self.listens = True
        self.other_answer = b""
        self._port = port
        self._slowest = slowest
        self._refused = False  # True if an attempt was refused since the last one began
        self._attempts: dict[socket.socket, bytes] = {}  # with the bytes received so far
        self._last_attempt = 0.0
        self._interval = _BESIDES
        self._others: set[str] | None = None  # descriptors of connections that existed before

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._attempts:
            each.close()

    def answered(self, greeting: bytes) -> float:
        """Return the time (time.monotonic()) at which an answer began with `greeting`; 0 if none in 20 ms.

        A greeting may arrive in pieces.
        """
        self._connect()
        for each in select.select(list(self._attempts), [], [], 0.02)[0]:
            piece = b""
            try:
                piece = each.recv(64)
                self.listens = True
            except ConnectionRefusedError:
                self.listens = False
            except OSError:
                self.listens = True
            received = self._attempts[each] = self._attempts[each] + piece
            if received.startswith(greeting):
                return time.monotonic()
            if not piece or not greeting.startswith(received):
                self.other_answer = received or self.other_answer
                self._close(each)
        return 0.0

    def hang_up(self, ended: int) -> None:
        """Close the connections such that an ssh server logs no error: let the server close them first.

        Waits at most 10 s, and until the descriptor `ended` is readable.
        """
        end = time.monotonic() + _LEAVE
        for each in self._attempts:
            with suppress(OSError):
                each.shutdown(socket.SHUT_WR)
        while self._attempts and (left := end - time.monotonic()) > 0:
            watched: list[socket.socket | int] = [ended, *self._attempts]
            ready = select.select(watched, [], [], left)[0]
            if ended in ready:
                return
            for each in [attempt for attempt in self._attempts if attempt in ready]:
                with suppress(OSError):
                    if each.recv(4096):
                        continue
                self._close(each)

    def reached(self, connections: str) -> bool:
        """Return True if an attempt has reached the machine; `connections` is QEMU's "info usernet"."""
        pattern = rf"TCP\[(?:{_ANSWERED})\] +(\d+) +\S+ +{self._port} "
        found = set(re.findall(pattern, connections))
        if self._others is None:
            self._others = found
        for each in select.select(list(self._attempts), [], [], 0)[0]:
            if _refused(each):
                self._close(each)
        self._connect()
        return bool(found - self._others)

    def _connect(self) -> None:
        quiet = time.monotonic() - self._last_attempt
        at_once = self._refused or not self._attempts
        if quiet < (_AGAIN if at_once else self._interval):
            return
        if not at_once:
            self._interval = min(2 * self._interval, self._slowest)
        self._refused = False
        if len(self._attempts) >= _MOST and self._slowest < math.inf:
            oldest = next(iter(self._attempts))
            oldest.close()
            del self._attempts[oldest]
        self._last_attempt = time.monotonic()
        attempt = socket.socket()
        attempt.setblocking(False)
        attempt.connect_ex(("127.0.0.1", self._port))
        self._attempts[attempt] = b""

    def _close(self, attempt: socket.socket) -> None:
        attempt.close()
        del self._attempts[attempt]
        self._refused = True
        if self.listens:
            self._slowest = math.inf


def _refused(attempt: socket.socket) -> bool:
    """Return True if the other side has closed the connection."""
    try:
        return not attempt.recv(1, socket.MSG_PEEK)
    except OSError:
        return True


def main(port: str, process: str, command: str) -> None:
    """Write the line when an ssh server answers at `port` of 127.0.0.1, unless `process` ends first."""
    with suppress(OSError):  # the process has ended, or the reader of the line
        ended = os.pidfd_open(int(process))
        begun = _started()
        with Probe(int(port), slowest=SLOWEST) as probe:
            while (now := time.clock_gettime(time.CLOCK_BOOTTIME)) < begun + _LONGEST:
                if select.select([ended], [], [], _AGAIN)[0]:
                    return
                if probe.answered(_GREETING):
                    _write(f"ready in {now - begun:.1f} s: {command}")
                    probe.hang_up(ended)
                    return


def _started() -> float:
    """Return the start time of this process, in seconds since the boot of this host (proc_pid_stat(5))."""
    with open("/proc/self/stat", encoding="ascii", errors="replace") as stream:
        fields = stream.read().rpartition(")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _write(line: str) -> None:
    """Write a line to descriptor 3; QEMU may have set that terminal to raw mode and O_NONBLOCK."""
    text = f"{line}\r\n" if os.isatty(3) else f"{line}\n"
    data = text.encode(errors="surrogateescape")
    while data:
        select.select([], [3], [])
        with suppress(BlockingIOError):
            data = data[os.write(3, data) :]


if __name__ == "__main__":
    main(*sys.argv[1:])
