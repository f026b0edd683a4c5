"""The backdoor's side on this host: what it sends, and what it makes of any answer."""

import base64
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notos.errors import MachineTimeoutError
from notos.vm.channel import Backdoor, BrokenError

Answer = Callable[[socket.socket, socket.socket, bytes, bytes], None]


class Service:
    """The other end: for each command it calls `answer` with both ports, the command and its input."""

    def __init__(self, answer: Answer) -> None:
        self.backdoor = Backdoor()
        self.commands, self.errors = (self.backdoor.streams[name] for name in Backdoor.PORTS)
        self._answer = answer
        threading.Thread(target=self._serve, daemon=True).start()

    def run(self, command: str = "true", *pieces: bytes, seconds: float = 5.0) -> tuple[int, bytes, str]:
        end = time.monotonic() + seconds

        def watch() -> None:
            if time.monotonic() > end:
                raise MachineTimeoutError("too late")

        done = self.backdoor.run(command, pieces, seconds, watch)
        return done.status, done.out, done.err

    def _serve(self) -> None:
        self.commands.sendall(b"ready\n")
        stream = self.commands.makefile("rb")
        while line := stream.readline():
            _, length, given = map(int, line.split())
            self._answer(self.commands, self.errors, stream.read(length), stream.read(given))


def by_bits(port: socket.socket, data: bytes, size: int) -> None:
    for at in range(0, len(data), size):
        port.sendall(data[at : at + size])


@given(st.integers(0, 255), st.binary(), st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 9))
def test_what_comes_is_what_was_said(status: int, out: bytes, err: str, size: int) -> None:
    def answer(commands: socket.socket, errors: socket.socket, command: bytes, given: bytes) -> None:
        assert (command, given) == ("grüße".encode(), b"ab" + bytes(3))
        by_bits(commands, base64.b64encode(out) + b"!%d\n" % status, size)
        by_bits(errors, base64.b64encode(err.encode()) + b"!\n", size)

    service = Service(answer)
    try:
        assert service.run("grüße", b"ab", bytes(3)) == (status, out, err)
        assert service.run("grüße", b"ab", bytes(3)) == (status, out, err)
    finally:
        service.backdoor.end()


@pytest.fixture
def held() -> Iterator[tuple[Service, threading.Event]]:
    """One that answers when it is let, by the input that it got."""
    let = threading.Event()

    def answer(commands: socket.socket, errors: socket.socket, command: bytes, given: bytes) -> None:
        let.wait(20)
        commands.sendall(base64.b64encode(given) + b"!0\n")
        errors.sendall(b"!\n")

    service = Service(answer)
    yield service, let
    let.set()
    service.backdoor.end()


def test_a_late_answer_is_not_the_next_command_s(held: tuple[Service, threading.Event]) -> None:
    service, let = held
    with pytest.raises(MachineTimeoutError, match="too late"):
        service.run("first", b"1", seconds=0.1)
    with pytest.raises(MachineTimeoutError, match="still at an earlier command, first"):
        service.run("second", b"2", seconds=0.1)
    let.set()
    assert service.run("third", b"3") == (0, b"3", "")


def test_large_input_does_not_wait_for_its_reader(held: tuple[Service, threading.Event]) -> None:
    service, let = held
    let.set()
    data = bytes(range(256)) * 40000
    assert service.run("cat", data) == (0, data, "")


def test_a_service_that_begins_anew_is_told() -> None:
    def answer(commands: socket.socket, errors: socket.socket, command: bytes, given: bytes) -> None:
        commands.sendall(b"aGFsZi" if command == b"dies" else b"b2s=!0\n")
        commands.sendall(b"ready\n" if command == b"dies" else b"")
        errors.sendall(b"" if command == b"dies" else b"!\n")

    service = Service(answer)
    with pytest.raises(BrokenError, match="begun anew"):
        service.run("dies")
    assert service.run("lives") == (0, b"ok", "")
    service.backdoor.end()


def test_one_that_is_gone_is_told() -> None:
    service = Service(lambda commands, errors, command, given: commands.shutdown(socket.SHUT_RDWR))
    with pytest.raises(BrokenError, match="hung up"):
        service.run("dies")
    service.backdoor.end()
