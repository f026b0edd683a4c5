"""Knocking at a port of this host that leads into a machine, until somebody answers behind it.

QEMU's user network takes a connection at once, and passes it on when the machine answers, at last after
seconds: so a new one is made every so often, and the first that is answered counts.
"""

import re
import select
import socket
import time
from typing import Self

_EVERY = 0.2  # seconds
_KEPT = 6
# States of a connection that the machine has taken, and perhaps ended again.
_ANSWERED = "ESTABLISHED|CLOSE_WAIT|FIN_WAIT_1|FIN_WAIT_2|CLOSING|LAST_ACK|TIME_WAIT"


class Door:
    """The port `port` of 127.0.0.1. Use it as a context manager; leaving it hangs up."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._knocks: list[socket.socket] = []
        self._knocked = 0.0
        self._others: set[str] | None = None  # connections that are not ours

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._knocks:
            each.close()

    def opened(self, greeting: bytes) -> float:
        """When somebody has answered by `greeting` (time.monotonic()); 0 if nobody has within 20 ms."""
        self._knock()
        for each in select.select(self._knocks, [], [], 0.02)[0]:
            try:
                said = each.recv(64)
            except OSError:
                said = b""
            if said.startswith(greeting):
                return time.monotonic()
            self._knocks.remove(each)
            each.close()
        return 0.0

    def passed(self, connections: str) -> bool:
        """Whether a knock has come through to the machine, by what QEMU's "info usernet" tells."""
        pattern = rf"TCP\[(?:{_ANSWERED})\] +(\d+) +\S+ +{self._port} "
        found = set(re.findall(pattern, connections))
        if self._others is None:
            self._others = found
        self._knock()
        return bool(found - self._others)

    def _knock(self) -> None:
        if time.monotonic() - self._knocked < _EVERY:
            return
        self._knocked = time.monotonic()
        knock = socket.socket()
        knock.setblocking(False)
        knock.connect_ex(("127.0.0.1", self._port))
        for old in self._knocks[: 1 - _KEPT]:
            old.close()
        self._knocks = [*self._knocks[1 - _KEPT :], knock]
