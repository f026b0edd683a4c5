"""DHCP leases: runit/udhcpc, with made-up leases and with a real server, judged by iproute2's ip."""

import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from notos.system import template
from notos.toolchain.tools_tree import ToolsTree
from tests.conftest import ROOT
from tests.namespace import Namespace, namespace
from tests.this_host import slowed, wait_until

LEASE = {"ip": "10.0.2.15", "mask": "24", "router": "10.0.2.2", "dns": "10.0.2.3"}


class Client:
    """An interface with the script, which writes below a folder in place of /run and /etc."""

    def __init__(self, inside: Namespace, folder: Path, **own: str) -> None:
        self.inside, self.folder = inside, folder
        values = {"ownDns": "", "ownSearch": "", "ownMtu": "", **own}
        text = template.render((ROOT / "runit/udhcpc").read_text(), values, name="udhcpc")
        text = (
            text.replace("/run/", f"{folder}/")
            .replace("/etc/", f"{folder}/")
            .replace("/sys/", f"{folder}/sys/")
        )
        self._text = folder / "udhcpc.ash"
        self._text.write_text(text)
        # udhcpc runs it by its first line, and the host's /bin/sh may be another shell.
        self.script = folder / "udhcpc"
        self.script.write_text(f'#!/bin/sh\nexec busybox ash {self._text} "$@"\n')
        self.script.chmod(0o755)

    @property
    def resolv_conf(self) -> str:
        """The text of the file that has the name servers."""
        return (self.folder / "resolv.conf").read_text()

    def resolv_conf_file(self) -> tuple[int, int]:
        """Return the number of the file that has the name servers, and the time of its last change."""
        stat = (self.folder / "resolv.conf").stat()
        return stat.st_ino, stat.st_mtime_ns

    def event(self, name: str, interface: str = "eth0", metric: str = "", **lease: str) -> str:
        """Run the script as udhcpc does."""
        words = [
            f"{key}={value}" for key, value in {"interface": interface, "metric": metric, **lease}.items()
        ]
        return self.inside.run(shlex.join(["env", *words, str(self.script), name]))

    def watch(self) -> None:
        """Start to record the kernel's reports of changes."""
        output = f"{self.folder}/monitor"
        command = f"{self.inside.ip} monitor address route link >{output} 2>&1 & echo $! >{output}.pid"
        self.inside.run(f"({command}); sleep 0.5")

    def seen(self) -> str:
        """Return the reports since `watch`."""
        self.inside.run(f"sleep 0.3; kill $(cat {self.folder}/monitor.pid)")
        return (self.folder / "monitor").read_text()


Make = Callable[..., Client]


@pytest.fixture
def client(tool: Callable[[str], list[str]], tmp_path: Path) -> Iterator[Make]:
    busybox = tool("busybox")
    with namespace(busybox, tool("ip"), tmp_path) as inside:
        inside.cable("eth0", "peer0")
        inside.cable("eth1", "peer1")
        (tmp_path / "resolv.conf").write_text("")
        yield lambda **own: Client(inside, tmp_path, **own)


def test_a_lease_and_its_end(client: Make) -> None:
    made = client()
    made.event("deconfig")
    made.event("bound", **LEASE)
    assert made.inside.addresses("eth0") == ["10.0.2.15/24"]
    assert made.inside.routes() == ["default 10.0.2.2"]
    assert made.resolv_conf == "nameserver 10.0.2.3\n"
    made.event("deconfig")
    assert made.inside.addresses("eth0") == []
    assert made.inside.routes() == []
    assert made.resolv_conf == "nameserver 10.0.2.3\n"


def test_an_unchanged_renewal_changes_nothing(client: Make) -> None:
    """The kernel reports no change, and resolv.conf is the same file."""
    made = client()
    made.event("deconfig")
    made.event("bound", **LEASE, search="a.example", mtu="1400")
    before = made.resolv_conf_file()
    made.watch()
    made.event("renew", **LEASE, search="a.example", mtu="1400")
    assert made.seen() == ""
    assert made.resolv_conf_file() == before


def test_the_monitor_sees_changes(client: Make) -> None:
    """The check of the previous test can fail."""
    made = client()
    made.event("deconfig")
    made.event("bound", **LEASE)
    made.watch()
    made.event("renew", **{**LEASE, "router": "10.0.2.4"})
    assert "10.0.2.4" in made.seen()


def test_addresses_from_elsewhere_survive(client: Make) -> None:
    made = client()
    made.event("deconfig")
    made.inside.run(
        "busybox ip address add fd00::5/64 dev eth0 && busybox ip address add 192.168.9.1/24 dev eth0"
    )
    made.event("bound", **LEASE)
    made.event("renew", **{**LEASE, "ip": "10.0.2.16"})
    assert sorted(made.inside.addresses("eth0")) == ["10.0.2.16/24", "192.168.9.1/24", "fd00::5/64"]
    assert made.inside.routes() == ["default 10.0.2.2"]
    made.event("deconfig")
    assert sorted(made.inside.addresses("eth0")) == ["192.168.9.1/24", "fd00::5/64"]


@pytest.mark.parametrize(
    ("lease", "routes"),
    [
        # A single address: its router is on the link.
        ({"ip": "203.0.113.7", "mask": "32", "router": "172.31.1.1"}, ["default 172.31.1.1", "172.31.1.1"]),
        # Option 121 replaces option 3.
        (
            {**LEASE, "staticroutes": "192.0.2.0/24 10.0.2.9 0.0.0.0/0 10.0.2.8"},
            ["default 10.0.2.8", "192.0.2.0/24 10.0.2.9"],
        ),
        ({**LEASE, "staticroutes": "192.0.2.0/24 10.0.2.9"}, ["192.0.2.0/24 10.0.2.9"]),
        # As cloud providers do it: a route to the router itself, after the one through it.
        (
            {"ip": "10.1.1.1", "mask": "32", "staticroutes": "0.0.0.0/0 169.254.1.1 169.254.1.1/32 0.0.0.0"},
            ["default 169.254.1.1", "169.254.1.1"],
        ),
        # Only the first of several routers.
        ({**LEASE, "router": "10.0.2.2 10.0.2.3"}, ["default 10.0.2.2"]),
        ({"ip": "10.0.2.15", "mask": "24"}, []),
        ({**LEASE, "mask": "8", "router": "10.200.0.1"}, ["default 10.200.0.1"]),
    ],
)
def test_routes(client: Make, lease: dict[str, str], routes: list[str]) -> None:
    made = client()
    made.event("deconfig")
    made.event("bound", **lease)
    assert made.inside.routes() == routes
    made.event("deconfig")
    assert made.inside.routes() == []


def test_changed_routes(client: Make) -> None:
    made = client()
    made.event("deconfig")
    made.event("bound", **LEASE)
    made.event("renew", **{**LEASE, "router": "10.0.2.9", "staticroutes": ""})
    assert made.inside.routes() == ["default 10.0.2.9"]
    made.event("renew", **{**LEASE, "staticroutes": "192.0.2.0/24 10.0.2.9"})
    assert made.inside.routes() == ["192.0.2.0/24 10.0.2.9"]


def test_two_interfaces(client: Make) -> None:
    """The first one has the default route; name servers of both are known."""
    made = client()
    for name in ("eth0", "eth1"):
        made.event("deconfig", name)
    made.event(
        "bound",
        "eth1",
        "100",
        ip="10.9.0.5",
        mask="24",
        router="10.9.0.1",
        dns="10.9.0.3",
        domain="b.example",
    )
    made.event("bound", "eth0", "0", **LEASE, domain="a.example")
    assert made.inside.routes() == ["default 10.0.2.2", "default 10.9.0.1 100"]
    assert made.resolv_conf == "search a.example b.example\nnameserver 10.0.2.3\nnameserver 10.9.0.3\n"


@pytest.mark.parametrize(
    ("own", "lease", "text"),
    [
        ({}, {"dns": ""}, "nameserver 9.9.9.9\n"),
        ({}, {"dns": "10.0.2.3 10.0.2.4"}, "nameserver 10.0.2.3\nnameserver 10.0.2.4\n"),
        ({}, {"domain": "lan.example"}, "search lan.example\nnameserver 10.0.2.3\n"),
        (
            {},
            {"domain": "lan.example", "search": "a.example b.example"},
            "search a.example b.example\nnameserver 10.0.2.3\n",
        ),
        ({"ownSearch": "own.example"}, {"search": "a.example"}, "search own.example\nnameserver 10.0.2.3\n"),
        ({"ownDns": "yes"}, {"domain": "lan.example"}, "nameserver 9.9.9.9\n"),
    ],
)
def test_names(client: Make, own: dict[str, str], lease: dict[str, str], text: str) -> None:
    made = client(**own)
    (made.folder / "resolv.conf").write_text("nameserver 9.9.9.9\n")
    made.event("bound", **{**LEASE, **lease})
    assert made.resolv_conf == text


@pytest.mark.parametrize(
    ("own", "mtu", "expected"),
    [
        ("", "1400", 1400),
        ("", "68", 1500),
        ("eth0", "1400", 1500),
        ("eth1 eth01", "1400", 1400),
        ("eth1 52:54:00:aa:00:01", "1400", 1500),
        ("52:54:00:aa:00:02", "1400", 1400),
        ("", "", 1500),
    ],
)
def test_mtu(client: Make, own: str, mtu: str, expected: int) -> None:
    """`own` has the interfaces of the config that have an MTU of the config."""
    made = client(ownMtu=own)
    card = made.folder / "sys/class/net/eth0"
    card.mkdir(parents=True)
    (card / "address").write_text("52:54:00:aa:00:01\n")
    made.event("bound", **LEASE, mtu=mtu)
    assert made.inside.show("link show dev eth0")[0]["mtu"] == expected


def test_a_real_server(client: Make, tool: Callable[[str], list[str]], tools_tree: ToolsTree) -> None:
    """busybox' udhcpd at the other end of the cable, with udhcpc's options as the boot has them."""
    made = client()
    conf = made.folder / "udhcpd.conf"
    conf.write_text(
        f"""interface peer0
start 10.7.0.20
end 10.7.0.20
lease_file {made.folder}/leases
pidfile {made.folder}/udhcpd.pid
option subnet 255.255.255.0
option router 10.7.0.1
option dns 10.7.0.3
option domain lan.example
option search a.example b.example
option staticroutes 192.0.2.0/24 10.7.0.9, 0.0.0.0/0 10.7.0.8
option mtu 1400
option lease 600
"""
    )
    inside, folder = made.inside, made.folder
    inside.run("busybox ip address add 10.7.0.1/24 dev peer0 && busybox ip link set eth0 up")
    inside.run(f"touch {folder}/leases; busybox udhcpd -f {conf} >{folder}/server 2>&1 & sleep 1")
    words = (ROOT / "runit/boot/20-network").read_text().partition("udhcpc -b")[2].partition("</dev/null")[0]
    words = (
        words.replace("\\\n", " ")
        .replace("/etc/runit/udhcpc", str(made.script))
        .replace("/run/", f"{folder}/")
    )
    inside.run(f"device=eth0 hostname=box; busybox udhcpc -b {words} >{folder}/client 2>&1")
    assert inside.addresses("eth0") == ["10.7.0.20/24"]
    assert inside.routes() == ["default 10.7.0.8", "192.0.2.0/24 10.7.0.9"]
    assert made.resolv_conf == "search a.example b.example\nnameserver 10.7.0.3\n"
    assert inside.show("link show dev eth0")[0]["mtu"] == 1400
    inside.run(f"kill -USR1 $(cat {folder}/udhcpd.pid); sleep 0.5")  # udhcpd writes its leases
    assert "box" in inside.run(f"busybox dumpleases -f {folder}/leases")
    before = (folder / "resolv.conf").stat()
    inside.run(f"kill -USR1 $(cat {folder}/udhcpc.eth0.pid); sleep 1")
    deadline = time.monotonic() + slowed(10)
    while (folder / "server").read_text().count("sending ACK") < 2:
        assert time.monotonic() < deadline, (folder / "server").read_text()
        time.sleep(0.1)
    # The server has sent its answer, and the script may still run.
    wait_until(lambda: inside.addresses("eth0") == ["10.7.0.20/24"], "the interface has no address")
    assert (folder / "resolv.conf").stat() == before
    # A switch that replaces the file renews the lease.
    (folder / "resolv.conf").write_text("")
    names = (ROOT / "runit/boot/11-resolv-conf").read_text()
    (folder / "names").write_text(names.replace("/run/", f"{folder}/").replace("/etc/", f"{folder}/"))
    inside.run(f"busybox ash {folder}/names")
    wait_until(lambda: "nameserver 10.7.0.3\n" in made.resolv_conf, "resolv.conf has no name server")
    inside.run(f"kill $(cat {folder}/udhcpc.eth0.pid) $(cat {folder}/udhcpd.pid)")
