"""Knocking at a port of this host that leads into a machine, until a server answers behind it.

QEMU's user network takes a connection at once, and hangs up when the machine refuses it: then it is time
for another. One that the machine has not seen is tried again by QEMU itself, at last after seconds: so
others are made besides, ever more seldom, for an ssh server shuts out who comes often and says nothing
(sshd_config(5), PerSourcePenalties). The first that is answered counts.

runvm.sh runs a copy of this file by the host's python3, whatever its version: `python3 wait_for_ssh.py PORT
PROCESS COMMAND` writes one line, "ready in 3.9 s: COMMAND", to descriptor 3 when an ssh server answers, and
ends with PROCESS.
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

SLOWEST = 1.0  # seconds between two knocks at a machine that boots
_AGAIN = 0.05  # seconds after one that was refused
_BESIDES = 0.5  # seconds until there is a second one, a third after twice as many, …
_GREETING = b"SSH-"
_LONGEST = 300.0  # seconds for which a boot is waited for
_MOST = 4  # knocks at once: an ssh server that comes up answers them all
_LEAVE = 10.0  # seconds for a server to end connections that were hung up
# States of a connection that the machine has taken, and perhaps ended again.
_ANSWERED = "ESTABLISHED|CLOSE_WAIT|FIN_WAIT_1|FIN_WAIT_2|CLOSING|LAST_ACK|TIME_WAIT"


class Door:
    """The port `port` of 127.0.0.1. Use it as a context manager; leaving it hangs up.

    Until the first refusal, which shows that the machine has a network, there are at most `slowest` seconds
    between two knocks, and no more than a few at once.

    listens  whether something listened at the port when a knock last ended
    heard    the last words that were not the greeting waited for
    """

    def __init__(self, port: int, *, slowest: float = math.inf) -> None:
        self.listens = True
        self.heard = b""
        self._port = port
        self._slowest = slowest
        self._refused = False  # whether the last to end was refused, after the last knock
        self._knocks: dict[socket.socket, bytes] = {}  # and what each has been answered so far
        self._knocked = 0.0
        self._patience = _BESIDES
        self._others: set[str] | None = None  # connections that are not ours

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._knocks:
            each.close()

    def opened(self, greeting: bytes) -> float:
        """Return when an answer began with `greeting` (time.monotonic()); 0 if none did within 20 ms.

        A greeting may come in pieces.
        """
        self._knock()
        for each in select.select(list(self._knocks), [], [], 0.02)[0]:
            piece = b""
            try:
                piece = each.recv(64)
                self.listens = True
            except ConnectionRefusedError:
                self.listens = False
            except OSError:
                self.listens = True
            said = self._knocks[each] = self._knocks[each] + piece
            if said.startswith(greeting):
                return time.monotonic()
            if not piece or not greeting.startswith(said):
                self.heard = said or self.heard
                self._ended(each)
        return 0.0

    def leave(self, ended: int) -> None:
        """Hang up in a way that an ssh server does not report as an error: it ends the connection, not we.

        It has 10 s, or until the descriptor `ended` is readable.
        """
        end = time.monotonic() + _LEAVE
        for each in self._knocks:
            with suppress(OSError):
                each.shutdown(socket.SHUT_WR)
        while self._knocks and (left := end - time.monotonic()) > 0:
            watched: list[socket.socket | int] = [ended, *self._knocks]
            ready = select.select(watched, [], [], left)[0]
            if ended in ready:
                return
            for each in [knock for knock in self._knocks if knock in ready]:
                with suppress(OSError):
                    if each.recv(4096):
                        continue
                self._ended(each)

    def passed(self, connections: str) -> bool:
        """Return True if a knock has reached the machine, by QEMU's "info usernet"."""
        pattern = rf"TCP\[(?:{_ANSWERED})\] +(\d+) +\S+ +{self._port} "
        found = set(re.findall(pattern, connections))
        if self._others is None:
            self._others = found
        for each in select.select(list(self._knocks), [], [], 0)[0]:
            if _refused(each):
                self._ended(each)
        self._knock()
        return bool(found - self._others)

    def _knock(self) -> None:
        quiet = time.monotonic() - self._knocked
        at_once = self._refused or not self._knocks
        if quiet < (_AGAIN if at_once else self._patience):
            return
        if not at_once:
            self._patience = min(2 * self._patience, self._slowest)
        self._refused = False
        if len(self._knocks) >= _MOST and self._slowest < math.inf:
            oldest = next(iter(self._knocks))
            oldest.close()
            del self._knocks[oldest]
        self._knocked = time.monotonic()
        knock = socket.socket()
        knock.setblocking(False)
        knock.connect_ex(("127.0.0.1", self._port))
        self._knocks[knock] = b""

    def _ended(self, knock: socket.socket) -> None:
        knock.close()
        del self._knocks[knock]
        self._refused = True
        if self.listens:
            self._slowest = math.inf


def _refused(knock: socket.socket) -> bool:
    """Return True if the other side has closed it."""
    try:
        return not knock.recv(1, socket.MSG_PEEK)
    except OSError:
        return True


def main(port: str, process: str, command: str) -> None:
    """Write the line when an ssh server answers at `port` of 127.0.0.1, unless `process` ends before."""
    with suppress(OSError):  # the process has ended, or nobody reads the line
        ended = os.pidfd_open(int(process))
        begun = _started()
        with Door(int(port), slowest=SLOWEST) as door:
            while (now := time.clock_gettime(time.CLOCK_BOOTTIME)) < begun + _LONGEST:
                if select.select([ended], [], [], _AGAIN)[0]:
                    return
                if door.opened(_GREETING):
                    _write(f"ready in {now - begun:.1f} s: {command}")
                    door.leave(ended)
                    return


def _started() -> float:
    """Return when this process was started, in seconds since the boot of this host (proc_pid_stat(5))."""
    with open("/proc/self/stat", encoding="ascii", errors="replace") as stream:
        fields = stream.read().rpartition(")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _write(line: str) -> None:
    """Write a line to descriptor 3; QEMU may have made that terminal raw, and its descriptor not wait."""
    left = f"{line}\r\n" if os.isatty(3) else f"{line}\n"
    data = left.encode(errors="surrogateescape")
    while data:
        select.select([], [3], [])
        with suppress(BlockingIOError):
            data = data[os.write(3, data) :]


if __name__ == "__main__":
    main(*sys.argv[1:])
