"""Knocking at a port of this host that leads into a machine, until somebody answers behind it.

QEMU's user network takes a connection at once, and hangs up when the machine refuses it: then it is time
for another. One that the machine has not seen is tried again by QEMU itself, at last after seconds: so
others are made besides, ever more seldom, for an ssh server shuts out who comes often and says nothing
(sshd_config(5), PerSourcePenalties). The first that is answered counts.
"""

import re
import select
import socket
import time
from typing import Self

_AGAIN = 0.05  # seconds after one that was refused
_BESIDES = 0.5  # seconds until there is a second one, a third after twice as many, …
# States of a connection that the machine has taken, and perhaps ended again.
_ANSWERED = "ESTABLISHED|CLOSE_WAIT|FIN_WAIT_1|FIN_WAIT_2|CLOSING|LAST_ACK|TIME_WAIT"


class Door:
    """The port `port` of 127.0.0.1. Use it as a context manager; leaving it hangs up."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._knocks: list[socket.socket] = []
        self._said: dict[socket.socket, bytes] = {}  # what each has been answered so far
        self._knocked = 0.0
        self._patience = _BESIDES
        self._others: set[str] | None = None  # connections that are not ours

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._knocks:
            each.close()

    def opened(self, greeting: bytes) -> float:
        """When somebody has answered by `greeting` (time.monotonic()); 0 if nobody has within 20 ms.

        A greeting may come in pieces.
        """
        self._knock()
        for each in select.select(self._knocks, [], [], 0.02)[0]:
            try:
                piece = each.recv(64)
            except OSError:
                piece = b""
            said = self._said[each] = self._said.get(each, b"") + piece
            if said.startswith(greeting):
                return time.monotonic()
            if not piece or not greeting.startswith(said):
                self._ended(each)
        return 0.0

    def passed(self, connections: str) -> bool:
        """Whether a knock has come through to the machine, by what QEMU's "info usernet" tells."""
        pattern = rf"TCP\[(?:{_ANSWERED})\] +(\d+) +\S+ +{self._port} "
        found = set(re.findall(pattern, connections))
        if self._others is None:
            self._others = found
        for each in select.select(self._knocks, [], [], 0)[0]:
            if _refused(each):
                self._ended(each)
        self._knock()
        return bool(found - self._others)

    def _knock(self) -> None:
        quiet = time.monotonic() - self._knocked
        if self._knocks and quiet >= self._patience:
            self._patience *= 2
        elif self._knocks or quiet < _AGAIN:
            return
        self._knocked = time.monotonic()
        knock = socket.socket()
        knock.setblocking(False)
        knock.connect_ex(("127.0.0.1", self._port))
        self._knocks.append(knock)

    def _ended(self, knock: socket.socket) -> None:
        knock.close()
        self._knocks.remove(knock)


def _refused(knock: socket.socket) -> bool:
    """Whether it has been hung up on."""
    try:
        return not knock.recv(1, socket.MSG_PEEK)
    except OSError:
        return True
