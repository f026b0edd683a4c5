"""Time from the network: the console has a line with the result, and the boot does not wait for it."""

import re
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from notos.vm.plugin import MachineFactory
from tests.conftest import Project

_EPOCH = 2208988800  # 1970 in seconds since 1900 (RFC 5905, section 6)
CONFIG = """
name: timed
imports: [examples/minimal.yaml]
time_servers: [10.0.2.2]
"""
OFFSET = 3600.0
CLOSE = 60.0  # seconds: a busy host delays answers, which chronyd counts as an error of the clock
LIMIT = 30.0  # seconds until chronyd gives up (runit/boot/60-time)


def stamp(at: float) -> bytes:
    """Return a time in the format of RFC 5905: 32 bits of seconds, 32 of a fraction."""
    return struct.pack("!II", int(at) + _EPOCH & 0xFFFFFFFF, int(at % 1 * (1 << 32)))


class Answer(socketserver.BaseRequestHandler):
    """An NTP server's answer to one request."""

    def handle(self) -> None:
        data, server = self.request
        got = time.time() + OFFSET
        # Version 4, mode 4 (server), stratum 2, the question's poll interval, a precision of 1 µs.
        head = struct.pack("!BBbb", 4 << 3 | 4, 2, data[2], -20) + struct.pack("!II4s", 0, 0, b"TEST")
        answer = stamp(got - 1) + data[40:48] + stamp(got) + stamp(time.time() + OFFSET)
        server.sendto(head + answer, self.client_address)


@contextmanager
def time_server() -> Iterator[None]:
    """Run an NTP server at 127.0.0.1:123, the machine's 10.0.2.2, whose clock is OFFSET seconds ahead."""
    try:
        server = socketserver.UDPServer(("127.0.0.1", 123), Answer)
    except PermissionError:
        pytest.skip("port 123 is for root")
    with server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def timed(built: Project) -> Project:
    return built.build("timed", CONFIG)


def test_a_time_server_that_answers(timed: Project, machine_factory: MachineFactory) -> None:
    with time_server():
        machine = machine_factory.at(timed.script)
        line = machine.wait_for_console("time server ").string
        found = re.fullmatch(r"time server 10\.0\.2\.2, offset (-?[0-9.]+) s", line)
        assert found
        assert abs(float(found[1]) - OFFSET) < CLOSE
        assert machine.succeed("tail -n 1 /run/ntpdate.log").strip() == line
        before = time.time()
        now = float(machine.succeed("date +%s")) - OFFSET
        assert before - CLOSE < now < time.time() + CLOSE
        said = [each.text for each in machine.console.lines]
        assert said.index("Running ntpdate...") < said.index(line)
        assert said.count(line) == 1


def test_a_time_server_that_is_silent(timed: Project, machine_factory: MachineFactory) -> None:
    machine = machine_factory.at(timed.script)
    machine.wait_for_console("leave stage: /etc/runit/1")
    at = {each.text: each.at for each in machine.console.lines}
    assert at["- runit: leave stage: /etc/runit/1"] - at["Running ntpdate..."] < LIMIT - 5
    machine.wait_for_console("no time server answered", 60)
    assert machine.succeed("tail -n 1 /run/ntpdate.log") == "no time server answered\n"
