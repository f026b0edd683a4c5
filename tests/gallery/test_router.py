"""A router with nftables and dnsmasq, and a machine behind it."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from notos.vm.plugin import MachineFactory

CLIENT = """
name: client
hostname: client
network: {eth0: none, eth1: dhcp}
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


def test_a_machine_behind_it(machine_factory: MachineFactory, tmp_path: Path) -> None:
    """The machine gets its address and names from the router, and reaches the network outside through it."""
    router = machine_factory("examples/machines/router.yaml")
    router.wait_for_unit("dnsmasq")
    (tmp_path / "client.yaml").write_text(CLIENT)
    client = machine_factory(tmp_path / "client.yaml", instrumented=True)
    client.wait_until_succeeds("ip -o address show eth1 | grep ' 192.168.20.1[0-9][0-9]/24 '")
    assert client.succeed("ip route").splitlines()[0] == "default via 192.168.20.1 dev eth1 "
    assert client.succeed("cat /etc/resolv.conf") == "search lan\nnameserver 192.168.20.1\n"
    address = client.succeed("hostname -i; ip -o -4 address show eth1 | awk '{print $4}'").split()[-1]
    assert address.removesuffix("/24") in client.succeed("nslookup client.lan 192.168.20.1")

    outside = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=outside.serve_forever, daemon=True).start()
    url = f"http://10.0.2.2:{outside.server_port}/"
    assert client.succeed(f"wget -qO- {url}") == "outside\n"
    # The packets carry the router's address outside. The table of connections shows both.
    assert "masquerade" in router.succeed("nft list table ip nat")
    outside.shutdown()

    # From outside, only ssh answers.
    rules = router.succeed("nft list chain inet firewall input")
    assert "policy drop" in rules
    router.succeed("nc -ll -p 8080 -e echo open >/dev/null 2>&1 & sleep 1")
    assert client.succeed("nc 192.168.20.1 8080 </dev/null") == "open\n"
    router.succeed("wget -q -T 3 -O - http://127.0.0.1:8080/ 2>&1 | cat")


def test_no_network_without_the_firewall(machine_factory: MachineFactory, tmp_path: Path) -> None:
    """A firewall that fails stops the boot before the network is configured."""
    machine = machine_factory(
        "examples/machines/router.yaml",
        {"etc": {"nftables.conf": {"text": "flush no such thing\n", "source": None}}},
    )
    machine.wait_for_console("boot.firewall failed")
