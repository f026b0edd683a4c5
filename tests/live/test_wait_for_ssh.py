"""Waits for servers that answer late, refuse connections, or give another answer."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest

from notos.live import wait_for_ssh
from notos.live.wait_for_ssh import Probe
from tests.this_host import PATIENCE, wait_until

SSH = b"SSH-2.0-x\r\n"


@contextmanager
def server(meet: Callable[[socket.socket, int], None]) -> Iterator[int]:
    """Yield the port of a server that calls `meet` with each connection and its number, from 0."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        callers = []

        def serve() -> None:
            while True:
                try:
                    caller, _ = listener.accept()
                except OSError:
                    return
                callers.append(caller)
                with suppress(ConnectionError):  # the client has what it wants from another connection
                    meet(caller, len(callers) - 1)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
    for each in callers:
        each.close()


def opened(port: int, seconds: float = PATIENCE) -> float:
    end = time.monotonic() + seconds
    with Probe(port) as probe:
        while time.monotonic() < end:
            if at := probe.answered(b"SSH-"):
                return at
    return 0.0


def test_the_first_answer_counts() -> None:
    with server(lambda caller, number: caller.sendall(SSH)) as port:
        begun = time.monotonic()
        assert begun < opened(port) <= time.monotonic()


def test_a_refused_attempt_is_repeated_soon() -> None:
    with server(lambda caller, number: caller.sendall(SSH) if number == 5 else caller.close()) as port:
        assert opened(port)


def test_a_lost_attempt_is_replaced() -> None:
    with server(lambda caller, number: caller.sendall(SSH) if number else None) as port:
        assert opened(port)


def test_a_silent_server_gets_attempts_at_growing_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ssh server blocks a client for 15 s after 15 connections without a login."""
    now = 1000.0
    monkeypatch.setattr(wait_for_ssh, "time", SimpleNamespace(monotonic=lambda: now))
    came: list[int] = []
    with server(lambda caller, number: came.append(caller.getpeername()[1])) as port, Probe(port) as probe:
        for tenth in range(60):
            now = 1000 + tenth / 10
            assert not probe.answered(b"SSH-")
        with socket.create_connection(("127.0.0.1", port)) as last:
            wait_until(lambda: last.getsockname()[1] in came, "the server accepts nothing")
    assert len(came) == 5  # four attempts, after 0, 0.5, 1.5 and 3.5 s, and the last connection


def test_another_greeting_does_not_count() -> None:
    with server(lambda caller, number: caller.sendall(b"HTTP/1.0 200 OK")) as port:
        assert not opened(port, 0.3)


def test_a_greeting_in_pieces() -> None:
    def drip(caller: socket.socket, number: int) -> None:
        for at in range(len(b"SSH-")):
            caller.sendall(SSH[at : at + 1])
            time.sleep(0.05)

    with server(drip) as port:
        assert opened(port)


TABLE = """Hub -1 (net0):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
{}  TCP[HOST_FORWARD]  12       127.0.0.1 {}       10.0.2.15    22     0     0
"""


@pytest.mark.parametrize(
    ("state", "taken"),
    [
        ("SYN_SENT", False),
        ("ESTABLISHED", True),
        ("CLOSE_WAIT", True),
        ("TIME_WAIT", True),
        ("CLOSED", False),
    ],
)
def test_connections_in_qemus_table(state: str, taken: bool) -> None:
    with server(lambda caller, number: None) as port, Probe(port) as probe:

        def row(descriptor: int, port: int) -> str:
            return f"  TCP[{state}]   {descriptor}       127.0.0.1 {port}       10.0.2.15    22     0     0\n"

        assert not probe.reached(TABLE.format(row(30, port), port))  # of another client, from before
        assert not probe.reached(TABLE.format(row(30, port) + row(31, port + 1), port))
        assert probe.reached(TABLE.format(row(30, port) + row(32, port), port)) is taken
