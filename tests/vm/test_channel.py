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

Answer = Callable[[socket.socket, socket.socket, int, bytes, bytes], None]


class Service:
    """The other end: for each command it calls `answer` with both ports, its number, itself, its input."""

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
def test_what_comes_is_what_was_said(status: int, out: bytes, err: str, size: int) -> None:
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
    """One that answers when it is let, by the input that it got."""
    let = threading.Event()

    def answer(
        commands: socket.socket, errors: socket.socket, number: int, command: bytes, given: bytes
    ) -> None:
        let.wait(20)
        commands.sendall(base64.b64encode(given) + b"!%d 0\n" % number)
        errors.sendall(b"!%d\n" % number)

    service = Service(answer)
    yield service, let
    let.set()
    service.backdoor.close()


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


def test_a_limit_while_input_is_sent(held: tuple[Service, threading.Event]) -> None:
    """The rest of it is sent all the same, for the machine waits for that."""
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


def test_a_service_that_begins_anew_is_told() -> None:
    """In the middle of a command, whose rest is nobody's; before one, when nobody has listened for it."""

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
    with pytest.raises(BrokenError, match="begun anew"):
        service.run("dies")
    assert service.run("one") == (0, b"one", "")
    service.begin()
    assert service.run("two") == (0, b"two", "")
    service.backdoor.restarted()
    service.begin()
    assert service.run("three") == (0, b"three", "")
    service.backdoor.close()


def test_who_gave_up_before_it_was_there_can_come_again() -> None:
    begun = threading.Event()

    class Late(Service):
        def begin(self) -> None:
            begun.wait(20)
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


def test_one_that_is_gone_is_told() -> None:
    service = Service(lambda commands, *_: commands.shutdown(socket.SHUT_RDWR))
    with pytest.raises(BrokenError, match="hung up"):
        service.run("dies")
    service.backdoor.close()
