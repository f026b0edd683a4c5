"""The backdoor's side on this host: requests and all kinds of answers."""

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
from tests.this_host import PATIENCE

Answer = Callable[[socket.socket, socket.socket, int, bytes, bytes], None]


class Service:
    """The machine's side: calls `answer` with both ports and each command's number, text and input."""

    def __init__(self, answer: Answer) -> None:
        self.backdoor = Backdoor()
        self.commands, self.errors = (self.backdoor.streams[name] for name in Backdoor.PORTS)
        self._answer = answer
        threading.Thread(target=self._serve, daemon=True).start()

    def run(self, command: str = "true", *pieces: bytes, seconds: float = PATIENCE) -> tuple[int, bytes, str]:
        end = time.monotonic() + seconds

        def watch() -> None:
            if time.monotonic() > end:
                raise MachineTimeoutError("too late")

        done = self.backdoor.run(command, pieces, seconds, watch)
        return done.status, done.out, done.err

    def _serve(self) -> None:
        self.begin()
        stream = self.commands.makefile("rb")
        while line := stream.readline():
            if line.startswith(b"notos-run "):
                number, _, length, given = map(int, line.split()[1:])
                self._answer(self.commands, self.errors, number, stream.read(length), stream.read(given))

    def begin(self) -> None:
        self.errors.sendall(b"ready\n")
        self.commands.sendall(b"ready\n")


def by_bits(port: socket.socket, data: bytes, size: int) -> None:
    for at in range(0, len(data), size):
        port.sendall(data[at : at + size])


@given(st.integers(0, 255), st.binary(), st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 9))
def test_answers_are_read_back(status: int, out: bytes, err: str, size: int) -> None:
    def answer(
        commands: socket.socket, errors: socket.socket, number: int, command: bytes, given: bytes
    ) -> None:
        assert (command, given) == ("grüße".encode(), b"ab" + bytes(3))
        by_bits(commands, base64.b64encode(out) + b"!%d %d\n" % (number, status), size)
        by_bits(errors, base64.b64encode(err.encode()) + b"!%d\n" % number, size)

    service = Service(answer)
    try:
        assert service.run("grüße", b"ab", bytes(3)) == (status, out, err)
        assert service.run("grüße", b"ab", bytes(3)) == (status, out, err)
    finally:
        service.backdoor.close()


@pytest.fixture
def held() -> Iterator[tuple[Service, threading.Event]]:
    """Return a service that answers with the length of its input once the event is set."""
    let = threading.Event()

    def answer(
        commands: socket.socket, errors: socket.socket, number: int, command: bytes, given: bytes
    ) -> None:
        let.wait(PATIENCE)
        commands.sendall(base64.b64encode(given) + b"!%d 0\n" % number)
        errors.sendall(b"!%d\n" % number)

    service = Service(answer)
    yield service, let
    let.set()
    service.backdoor.close()


def test_a_late_answer_is_not_taken_for_the_next_commands(held: tuple[Service, threading.Event]) -> None:
    service, let = held
    with pytest.raises(MachineTimeoutError, match="too late"):
        service.run("first", b"1", seconds=0.1)
    with pytest.raises(MachineTimeoutError, match="still runs an earlier command, first"):
        service.run("second", b"2", seconds=0.1)
    let.set()
    assert service.run("third", b"3") == (0, b"3", "")


def test_large_input_does_not_block(held: tuple[Service, threading.Event]) -> None:
    service, let = held
    let.set()
    data = bytes(range(256)) * 40000
    assert service.run("cat", data) == (0, data, "")


def test_a_limit_while_input_is_sent(held: tuple[Service, threading.Event]) -> None:
    """The rest of the input is still sent, because the machine waits for it."""
    service, let = held
    with pytest.raises(MachineTimeoutError):
        service.run("first", seconds=0.05)
    let.set()
    service.run("free")
    let.clear()
    data = bytes(range(256)) * 40000
    with pytest.raises(MachineTimeoutError, match="too late"):
        service.run("second", data, seconds=0)
    let.set()
    assert service.run("third", b"3") == (0, b"3", "")


def test_a_restarted_service() -> None:
    """A service restarts during a command, and before one while nobody reads the ports."""

    def answer(
        commands: socket.socket, errors: socket.socket, number: int, command: bytes, given: bytes
    ) -> None:
        if command == b"dies":
            errors.sendall(b"aGFsZg")
            commands.sendall(b"aGFsZi")
            service.begin()
        else:
            commands.sendall(base64.b64encode(command) + b"!%d 0\n" % number)
            errors.sendall(b"!%d\n" % number)

    service = Service(answer)
    with pytest.raises(BrokenError, match="the backdoor has restarted"):
        service.run("dies")
    assert service.run("one") == (0, b"one", "")
    service.begin()
    assert service.run("two") == (0, b"two", "")
    service.backdoor.restarted()
    service.begin()
    assert service.run("three") == (0, b"three", "")
    service.backdoor.close()


def test_a_command_after_a_timeout_before_the_service_started() -> None:
    begun = threading.Event()

    class Late(Service):
        def begin(self) -> None:
            begun.wait(PATIENCE)
            super().begin()

    def answer(
        commands: socket.socket, errors: socket.socket, number: int, command: bytes, given: bytes
    ) -> None:
        commands.sendall(base64.b64encode(command) + b"!%d 0\n" % number)
        errors.sendall(b"!%d\n" % number)

    service = Late(answer)
    with pytest.raises(MachineTimeoutError):
        service.run("one", seconds=0.05)
    begun.set()
    assert service.run("two") == (0, b"two", "")
    service.backdoor.close()


def test_a_closed_connection() -> None:
    service = Service(lambda commands, *_: commands.shutdown(socket.SHUT_RDWR))
    with pytest.raises(BrokenError, match="has closed the connection"):
        service.run("dies")
    service.backdoor.close()
