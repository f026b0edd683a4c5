"""A store of values: a client on this host, a password, and values that survive a power failure."""

import socket
from pathlib import Path

from notos.vm import Machine
from tests.gallery.machines import Gallery


class Redis:
    """A connection in Redis's protocol (RESP)."""

    def __init__(self, machine: Machine) -> None:
        self._socket = socket.create_connection(
            ("127.0.0.1", machine.wait_for_port(6379, seconds=60)), timeout=60
        )
        self._stream = self._socket.makefile("rb")

    def __call__(self, *words: str) -> str:
        """Send a command; return the one line or the text of the answer."""
        sent = [f"*{len(words)}\r\n", *(f"${len(word)}\r\n{word}\r\n" for word in words)]
        self._socket.sendall("".join(sent).encode())
        line = self._stream.readline().decode().strip()
        return self._stream.readline().decode().strip() if line.startswith("$") and line != "$-1" else line


def test_values_survive(gallery: Gallery, tmp_path: Path) -> None:
    machine = gallery("redis", environment={"DISK": str(tmp_path / "disk.img")})
    redis = Redis(machine)
    assert redis("GET", "visits").startswith("-NOAUTH")
    assert redis("AUTH", "wrong").startswith("-WRONGPASS")
    assert redis("AUTH", "example") == "+OK"
    assert (redis("SET", "visits", "41"), redis("INCR", "visits")) == ("+OK", ":42")
    gallery.works(machine)
    assert machine.succeed("stat -c %U /proc/$(pidof redis-server)") == "redis\n"
    # Redis writes to the disk each second.
    machine.succeed("sleep 2; sync")
    machine.crash()
    machine.start()
    redis = Redis(machine)
    assert redis("AUTH", "example") == "+OK"
    assert redis("GET", "visits") == "42"
