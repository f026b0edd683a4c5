"""A router with nftables and dnsmasq, and a machine behind it."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.gallery.machines import Gallery, copied

CLIENT = """
name: client
hostname: client
network: {eth0: none, eth1: dhcp}
ssh: {server: none}
vm: {networks: {eth1: home}, forward: {}}
"""


class Page(BaseHTTPRequestHandler):
    """A server on this host, which is 10.0.2.2 for the router."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"outside\n")

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def test_a_machine_behind_it(gallery: Gallery, tmp_path: Path) -> None:
    """The machine gets its address and names from the router, and reaches the network outside through it."""
    router = gallery("router")
    router.wait_for_unit("dnsmasq")
    (tmp_path / "client.yaml").write_text(CLIENT)
    client = gallery.at(tmp_path / "client.yaml")
    address = client.wait_until_succeeds(
        "ip -o -4 address show eth1 | grep -o '192.168.20.1[0-9][0-9]'"
    ).strip()
    assert client.succeed("ip route").split(" dev eth1")[0] == "default via 192.168.20.1"
    assert client.succeed("cat /etc/resolv.conf") == "search lan\nnameserver 192.168.20.1\n"
    assert address in client.succeed("nslookup client.lan")

    outside = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=outside.serve_forever, daemon=True).start()
    assert client.succeed(f"wget -qO- http://10.0.2.2:{outside.server_port}/") == "outside\n"
    outside.shutdown()
    gallery.works(router)

    # From the network outside, only ssh answers. QEMU accepts each connection itself.
    router.succeed("nc -ll -p 8080 -e echo open >/dev/null 2>&1 &")
    client.wait_until_succeeds("nc 192.168.20.1 8080 </dev/null | grep open")
    with socket.create_connection(("127.0.0.1", router.forward(22)), timeout=30) as connection:
        assert connection.recv(4) == b"SSH-"
    dropped = ("127.0.0.1", router.forward(8080))
    with socket.create_connection(dropped, timeout=5) as connection, pytest.raises(TimeoutError):
        connection.recv(4)


def test_no_network_without_the_firewall(gallery: Gallery, tmp_path: Path) -> None:
    """A firewall that fails stops the boot before the network is configured."""
    config = copied("router", tmp_path)
    (config.parent / "nftables.conf").write_text("flush no such thing\n")
    machine = gallery.at(config, {"name": "open-router"})
    machine.wait_for_console("required script failed: boot.firewall: status 1")
    assert not [line.text for line in machine.console.lines if "IP address" in line.text]
