"""A name server: names of the network, and names that it denies. The queries come from this host, by TCP."""

import socket
import struct
from typing import NamedTuple

from notos.vm import Machine
from tests.gallery.machines import Gallery
from tests.gallery.outside import patiently


class Answer(NamedTuple):
    """A status (0: no error, 3: no such name) and the addresses of a name."""

    status: int
    addresses: list[str]


def ask(machine: Machine, name: str) -> Answer:
    """Return the answer to a query for the IPv4 addresses of a name (RFC 1035)."""
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.split("."))
    query = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)
    with socket.create_connection(
        ("127.0.0.1", machine.wait_for_port(53, seconds=60)), timeout=60
    ) as connection:
        connection.sendall(struct.pack("!H", len(query)) + query)
        stream = connection.makefile("rb")
        size = stream.read(2)
        if len(size) < 2:
            raise ConnectionResetError
        answer = stream.read(struct.unpack("!H", size)[0])
    number, flags, _, count = struct.unpack("!4H", answer[:8])
    assert number == 7
    addresses, at = [], len(query)
    for _ in range(count):  # the name is a pointer to the query's
        kind, _, _, size = struct.unpack("!2HIH", answer[at + 2 : at + 12])
        at += 12 + size
        if kind == 1:
            addresses.append(socket.inet_ntoa(answer[at - size : at]))
    return Answer(flags & 15, addresses)


def test_names(gallery: Gallery) -> None:
    machine = gallery("dns")
    assert patiently(lambda: ask(machine, "nas.home.arpa")) == (0, ["192.168.1.5"])
    gallery.works(machine)
    assert ask(machine, "printer.home.arpa").status == 3
    assert ask(machine, "ads.example").status == 3
    assert ask(machine, "x.tracker.example").status == 3
    assert ask(machine, "localhost") == (0, ["127.0.0.1"])
    # A switch of the list needs no reboot; the daemon reads its files again.
    machine.succeed(
        "echo 'server: local-data: \"new.home.arpa. IN A 192.168.1.9\"' >/etc/unbound/unbound.conf.d/x.conf"
    )
    machine.succeed("sv hup unbound")
    machine.wait_until_succeeds("nslookup new.home.arpa 127.0.0.1 | grep 192.168.1.9")
    assert ask(machine, "new.home.arpa") == (0, ["192.168.1.9"])
