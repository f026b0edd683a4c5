"""A message broker: programs on this host subscribe and publish with a password."""

import socket
import struct
from pathlib import Path

from notos.vm import Machine
from tests.gallery.machines import Gallery


class Mqtt:
    """A connection in MQTT 3.1.1 with messages of less than 128 bytes (quality of service 0)."""

    def __init__(self, machine: Machine, name: str, password: str | None) -> None:
        port = machine.wait_for_port(1883, seconds=60)
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        login = [] if password is None else ["sensor", password]
        flags = 0x02 | (0xC0 if login else 0)
        words = b"".join(map(_text, [name, *login]))
        self._send(0x10, _text("MQTT") + bytes([4, flags, 0, 60]) + words)
        self.status = self._read()[1][1]  # 0: accepted, 5: not authorised

    def subscribe(self, topic: str) -> None:
        """Subscribe to a topic."""
        assert self.status == 0
        self._send(0x82, struct.pack("!H", 1) + _text(topic) + b"\0")
        assert self._read() == (0x90, b"\0\1\0")

    def publish(self, topic: str, message: str, *, retain: bool = False) -> None:
        """Send a message."""
        self._send(0x31 if retain else 0x30, _text(topic) + message.encode())

    def message(self) -> tuple[str, str]:
        """Wait for a message; return its topic and its text."""
        kind, body = self._read()
        assert kind & 0xF0 == 0x30
        size = 2 + struct.unpack("!H", body[:2])[0]
        return body[2:size].decode(), body[size:].decode()

    def _send(self, kind: int, body: bytes) -> None:
        self._socket.sendall(bytes([kind, len(body)]) + body)

    def _read(self) -> tuple[int, bytes]:
        kind, size = self._exactly(2)
        return kind, self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._socket.recv(size - len(data))
            assert more, "the broker has closed the connection"
            data += more
        return data


def _text(text: str) -> bytes:
    return struct.pack("!H", len(text)) + text.encode()


def test_messages_with_a_password(gallery: Gallery, tmp_path: Path) -> None:
    machine = gallery("mqtt", environment={"DISK": str(tmp_path / "disk.img")})
    listener = Mqtt(machine, "listener", "example")
    listener.subscribe("home/#")
    Mqtt(machine, "door", "example").publish("home/door", "open")
    assert listener.message() == ("home/door", "open")
    gallery.works(machine)
    assert [Mqtt(machine, "x", each).status for each in ("wrong", None)] == [5, 5]
    assert machine.succeed("stat -c %U /proc/$(pidof mosquitto)") == "mosquitto\n"
    # A message with the flag retain waits for those who subscribe later, also after a reboot.
    Mqtt(machine, "lamp", "example").publish("home/lamp", "on", retain=True)
    assert listener.message() == ("home/lamp", "on")
    machine.reboot()
    listener = Mqtt(machine, "listener", "example")
    listener.subscribe("home/lamp")
    assert listener.message() == ("home/lamp", "on")
