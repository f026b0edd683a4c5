"""The network's keys: the plan for the boot, the rules, and QEMU's network cards."""
# ruff: noqa: E501 — a case of the table is one line

import pytest

from notos.errors import ConfigError
from notos.features import registry
from notos.features.model import Features, Text
from notos.outputs.qemu import network as qemu
from tests.features.conftest import Load


def plan(features: Features) -> list[str]:
    (script,) = [each for each in features.scripts if each.path == "boot/20-network"]
    return str(script.values["plan"]).split("\n")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("network: none", ["ip link set lo up"]),
        (
            "network: dhcp",
            [
                "step Requesting an IP address...",
                *("ip link set lo up", "need eth0", "ip link set eth0 up", "dhcp 0 eth0"),
            ],
        ),
        (
            "network: {address: 10.0.2.15/24, gateway: 10.0.2.2}",
            [
                "step Setting static IP address...",
                *("ip link set lo up", "need eth0", "ip address add 10.0.2.15/24 dev eth0"),
                *("ip link set eth0 up", "ip route add default via 10.0.2.2 dev eth0"),
            ],
        ),
        (
            "network: {lo: {address: 10.255.0.1/32}, eth0: {address: 203.0.113.7/32, gateway: 172.31.1.1}}",
            [
                "step Setting static IP address...",
                *("ip link set lo up", "need eth0", "ip address add 10.255.0.1/32 dev lo"),
                *("ip address add 203.0.113.7/32 dev eth0", "ip link set eth0 up"),
                *("ip route add 172.31.1.1 dev eth0", "ip route add default via 172.31.1.1 dev eth0"),
            ],
        ),
        (
            "network: {eth0: {address: 'FD00:0::0001/64', gateway: 'fe80::1', routes: {'fd01::/16': 'fd00::2', 10.0.0.0/8: link}}, eth1: slaac}",
            [
                "step Setting static IP address...",
                *("ip link set lo up", "need eth0", "need eth1", "set 0 net/ipv6/conf/eth0/accept_dad"),
                "ip address add fd00::1/64 dev eth0",
                *("set 2 net/ipv6/conf/eth1/accept_ra", "set 1 net/ipv6/conf/eth1/autoconf"),
                *("ip link set eth0 up", "ip link set eth1 up"),
                *(
                    "ip -6 route add default via fe80::1 dev eth0",
                    "ip -6 route add fd01::/16 via fd00::2 dev eth0",
                ),
                "ip route add 10.0.0.0/8 dev eth0",
            ],
        ),
        # What an interface is made of comes first, whatever the order of the config.
        (
            "network: {v5: {vlan: {id: 5, link: br0}}, br0: {bridge: [eth1, '52:54:00:AA:00:01']}, eth0: dhcp}",
            [
                "step Requesting an IP address...",
                *("ip link set lo up", "need eth1", "need mac=52:54:00:aa:00:01", "need eth0"),
                *("ip link add br0 type bridge", "ip link set eth1 master br0"),
                "ip link set mac=52:54:00:aa:00:01 master br0",
                "ip link add link br0 name v5 type vlan id 5",
                *("ip link set eth1 up", "ip link set mac=52:54:00:aa:00:01 up", "ip link set eth0 up"),
                *("ip link set br0 up", "ip link set v5 up", "dhcp 0 eth0"),
            ],
        ),
        (
            "network: {eth0: {method: dhcp, mtu: 1400}, eth1: dhcp}\nsysctl: {net.ipv4.conf.eth0.rp_filter: 1}",
            [
                "step Requesting an IP address...",
                *("ip link set lo up", "need eth0", "need eth1", "ip link set eth0 mtu 1400"),
                *("ip link set eth0 up", "ip link set eth1 up", "dhcp 0 eth0", "dhcp 100 eth1"),
            ],
        ),
        # A default route of the config comes before that of DHCP, whatever the order.
        (
            "network: {eth0: dhcp, eth1: {address: 10.1.0.2/24, routes: {0.0.0.0/0: 10.1.0.1}}}",
            [
                *("step Setting static IP address...", "step Requesting an IP address..."),
                *("ip link set lo up", "need eth0", "need eth1", "ip address add 10.1.0.2/24 dev eth1"),
                *("ip link set eth0 up", "ip link set eth1 up"),
                *("ip route add 0.0.0.0/0 via 10.1.0.1 dev eth1", "dhcp 100 eth0"),
            ],
        ),
        (
            "network: {eth0: {address: [10.0.0.2/24, 'fd00::2/64'], gateway: 'fd00::1', routes: {default: 10.0.0.1}}, eth1: none}",
            [
                *("step Setting static IP address...", "ip link set lo up", "need eth0", "need eth1"),
                *("set 0 net/ipv6/conf/eth0/accept_dad", "ip address add 10.0.0.2/24 dev eth0"),
                *("ip address add fd00::2/64 dev eth0", "ip link set eth0 up", "ip link set eth1 up"),
                *(
                    "ip -6 route add default via fd00::1 dev eth0",
                    "ip route add default via 10.0.0.1 dev eth0",
                ),
            ],
        ),
    ],
)
def test_the_plan(load: Load, text: str, lines: list[str]) -> None:
    assert plan(registry.features(load(text))) == lines


def test_settings_of_an_interface_that_is_made_come_after_it(load: Load) -> None:
    text = "network: {eth0.5: {vlan: {id: 5, link: eth0}}}\nsysctl: {net/ipv4/conf/eth0.5/rp_filter: 2, vm.swappiness: 9}"
    features = registry.features(load(text))
    lines = plan(features)
    assert lines.index("set 2 net/ipv4/conf/eth0.5/rp_filter") > lines.index(
        "ip link add link eth0 name eth0.5 type vlan id 5"
    )
    (script,) = [each for each in features.scripts if each.path == "boot/06-sysctl"]
    assert script.values["settings"] == "net/ipv4/ping_group_range 0 2147483647\nvm/swappiness 9"


WRONG = [
    ("{eth0: dchp}", 'network.eth0 must be dhcp, static, slaac or none; got "dchp"; did you mean "dhcp"?'),
    ("{eth0: dhcp, adress: 10.0.0.1/24}", 'unknown key "adress" in network; did you mean "address"?'),
    ("{routes: {10.0.0.0/8: link}}", 'unknown key "routes" in network; did you mean "network.NAME.routes"?'),
    ("{mtu: 1400}", 'unknown key "mtu" in network; did you mean "network.NAME.mtu"?'),
    ("{eth0: dhcp, address: 10.0.0.1/24}", "network.address is for a single interface; write it below network.eth0"),
    ("{eth0: static}", "network.eth0.address is missing"),
    ("{eth0: {adress: 10.0.0.1/24}}", 'unknown key "adress" in network.eth0; did you mean "address"?'),
    ("{eth0: {address: 10.0.0.1}}", "write 10.0.0.1/24"),
    ("{eth0: {address: 10.0.0.0/24}}", "is the subnet's own address"),
    ("{eth0: {address: 10.0.0.255/24}}", "is the subnet's broadcast address"),
    ("{eth0: {address: 'fd00::/64'}}", "is the subnet's own address"),
    ("{eth0: {address: '1::2::3/64'}}", "1::2::3 is not an IP address"),
    ("{eth0: {address: 10.0.0.1/24, gateway: 10.0.1.1}}", "10.0.1.1 is not in the subnet of 10.0.0.1/24"),
    ("{eth0: {address: 10.0.0.1/24, gateway: 10.0.0.1}}", "is the machine's own address"),
    ("{eth0: {address: 10.0.0.1/24, gateway: 'fd00::1'}}", "needs an address of IPv6"),
    ("{eth0: {address: 10.0.0.1/24, gateway: [10.0.0.2, 10.0.0.3]}}", "has two gateways for IPv4"),
    ("{eth0: {method: dhcp, gateway: 10.0.0.2}}", "DHCP gives the gateway"),
    ("{eth0: {method: none, address: 10.0.0.1/24}}", "network.eth0.address needs an address of the interface"),
    ("{eth0: {address: 10.0.0.1/24, routes: {10.8.0.1/16: 10.0.0.2}}}", "write 10.8.0.0/16"),
    ("{eth0: {address: 10.0.0.1/24, routes: {10.8.0.0/16: 10.1.0.2}}}", "is not in the subnet of 10.0.0.1/24"),
    ("{eth0: {address: 10.0.0.1/24, routes: {'fd00::/16': 10.0.0.2}}}", "IPv4 and IPv6 differ"),
    ("{eth0: {address: 10.0.0.1/24, routes: {default: link}}}", "default needs a router"),
    ("{eth0: {address: 10.0.0.1/24, gateway: 10.0.0.2, routes: {default: 10.0.0.3}}}", "keep one"),
    ("{eth0: {address: 10.0.0.1/16}, eth1: {address: 10.0.9.1/24}}", "10.0.9.1/24 is in the subnet of eth0, 10.0.0.0/16"),
    ("{eth0: {address: 10.0.0.1/24}, eth1: {address: 10.0.0.1/24}}", "is an address of eth0, too"),
    ("{eth0: {address: 10.0.0.1/24, gateway: 10.0.0.2}, eth1: {address: 10.1.0.1/24, gateway: 10.1.0.2}}", "eth0 has the default gateway for IPv4"),
    ("{eth0: {address: 10.0.0.1/24, gateway: 10.0.0.2}, eth1: {address: 10.1.0.1/24, routes: {default: 10.1.0.2}}}", "network.eth1.routes: eth0 has the default gateway for IPv4"),
    ("{eth0: {address: 10.0.0.1/24, routes: {0.0.0.0/0: 10.0.0.2}}, eth1: {address: 10.1.0.1/24, gateway: 10.1.0.2}}", "network.eth1.gateway: eth0 has the default gateway for IPv4"),
    ("{eth0: {address: 'fd00::2/64', gateway: 'fd00::1'}, eth1: {address: 'fd01::2/64', routes: {'::0/0': 'fd01::1'}}}", "eth0 has the default gateway for IPv6"),
    ("{eth0: {address: 10.0.0.1/24, gateway: 10.0.0.2}, eth1: {address: 10.1.0.1/24, routes: {0.0.0.0/0: link}}}", "eth0 has the default gateway for IPv4"),
    ("{eth0: {address: 10.0.0.1/24, gateway: 10.0.0.2, routes: {0.0.0.0/0: 10.0.0.3}}}", "0.0.0.0/0 is also the route to the gateway; keep one"),
    ("{eth0: {address: 10.0.0.1/24, routes: {default: 10.0.0.2, 0.0.0.0/0: 10.0.0.3}}}", "0.0.0.0/0 is a second default route for IPv4"),
    ("{eth0: {method: dhcp, routes: {default: 10.0.0.2}}}", "DHCP gives the default route; leave default out"),
    ("{eth00: dhcp, eth0: dhcp}", "the kernel gives no network card the name eth00; write eth0"),
    ("{interface: eth01, method: dhcp}", "network.interface: the kernel gives no network card the name eth01; write eth1"),
    ("{br0: {bridge: [eth00]}}", "names an unknown interface, eth00"),
    ("{lo: dhcp}", "network.lo.method: lo, the loopback interface, cannot use dhcp"),
    ("{lo: {method: slaac}}", "cannot use slaac"),
    ("{interface: lo, method: dhcp}", "network.method: lo, the loopback interface, cannot use dhcp"),
    ("{lo: {address: 10.9.0.1/32, gateway: 10.9.0.2}}", "network.lo.gateway: lo is the loopback interface"),
    ("{lo: {bridge: [eth0]}}", "network.lo.bridge: lo is the loopback interface"),
    ("{br0: {bridge: [lo]}}", "network.br0.bridge: lo is the loopback interface; name a network card"),
    ("{v5: {vlan: {id: 5, link: lo}}}", "network.v5.vlan: lo is the loopback interface; name a network card"),
    ("{v5: {vlan: {id: 0, link: eth0}}}", "network.v5.vlan.id must be a whole number, 1 to 4094; got 0"),
    ("{v5: {vlan: {id: 4095, link: eth0}}}", "1 to 4094; got 4095"),
    ("{v5: {vlan: {link: eth0}}}", "network.v5.vlan.id is missing"),
    ("{v5: {vlan: {id: 5, link: eth0}}, v6: {vlan: {id: 5, link: eth0}}}", "v5 is this VLAN, too"),
    ("{v5: {vlan: {id: 5, link: lan}}}", "names an unknown interface, lan; add network.lan"),
    ("{br0: {bridge: [lan1]}}", "names an unknown interface, lan1"),
    ("{br0: {bridge: [eth0]}, br1: {bridge: [eth0]}}", "eth0 is a port of the bridge br0, too"),
    ("{br0: {bridge: [eth0]}, eth0: dhcp}", "eth0 is a port of the bridge br0; its addresses belong to the bridge"),
    ("{br0: {bridge: [br1]}, br1: {bridge: [br0]}}", "is made of itself"),
    ("{br0: {bridge: [eth0], vlan: {id: 1, link: eth0}}}", "takes either vlan or bridge"),
    ("{'52:54:00:aa:00:01': {bridge: [eth0]}}", "an interface that is made needs a name"),
    ("{'52:54:00:aa:00:01': dhcp, '52:54:00:AA:00:01': dhcp}", "network.52:54:00:AA:00:01 is the same as 52:54:00:aa:00:01, on line 2"),
    ("{enp1s0: dhcp}", "is a name given by udev"),
    ("{eth0: dhcp, dns: [1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4]}", "has 4 servers"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[text for text, _ in WRONG])
def test_wrong(load: Load, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(f"network: {text}\n")
    assert message in str(caught.value)
    assert "c.yaml:2: " in str(caught.value)


def test_all_problems_at_once(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load("network:\n  eth0: {address: 10.0.0.0/24}\n  eth1: {address: 10.1.0.0/24}\n")
    assert ["c.yaml:3: " in str(caught.value), "c.yaml:4: " in str(caught.value)] == [True, True]


@pytest.mark.parametrize(
    ("text", "cards", "subnet"),
    [
        ("network: none", {}, None),
        ("network: dhcp", {"eth0": "52:54:00:12:34:56"}, None),
        ("network: {interface: eth1, address: 10.0.2.9/24}", {"eth0": ":56", "eth1": ":57"}, None),
        (
            "network: {lan: {bridge: [eth0, eth1], address: 10.3.0.9/24}, wlan0: none, lo: none}",
            {"eth0": ":56", "eth1": ":57"},
            "10.3.0.9/24",
        ),
        (
            "network: {eth1: dhcp, '52:54:00:AA:00:01': {address: 10.3.0.9/24}}",
            {"52:54:00:aa:00:01": "52:54:00:aa:00:01", "eth1": ":57"},
            "10.3.0.9/24",
        ),
        ("network: {eth9: dhcp, eth0: dhcp}", {"eth0": ":56"}, None),
    ],
)
def test_network_cards(load: Load, text: str, cards: dict[str, str], subnet: str | None) -> None:
    features = registry.features(load(text))
    found = {each.name: each.mac for each in features.cards}
    assert list(found) == list(cards)
    assert all(mac.endswith(cards[name]) for name, mac in found.items())
    assert (features.subnet.address if features.subnet else None) == subnet


def test_networks_of_cards(load: Load) -> None:
    text = "network: {eth0: dhcp, eth1: none, eth2: none}\nvm: {networks: {eth1: lan}}\n"
    machine = load(text)
    cards = registry.features(machine).cards
    device = "virtio-net-pci,romfile="
    more, of_another = (
        qemu.more_cards(cards, machine.vm.networks, device, name) for name in ("router", "client")
    )
    assert more[1].endswith("/virtio-net-pci,romfile=,netdev=net2,mac=52:54:00:12:34:58")
    # Two machines on one network have different addresses there, which do not change.
    assert more[0].endswith("/virtio-net-pci,romfile=,netdev=net1,mac=VENDOR:e4:30:a9")
    assert more[0].rpartition("mac=")[0] == of_another[0].rpartition("mac=")[0]
    assert more[0] != of_another[0]
    fixed = load("network: {eth0: dhcp, '52:54:00:AA:00:01': none}\n")
    networks = {"52:54:00:aa:00:01": "lan"}
    (own,) = qemu.more_cards(registry.features(fixed).cards, networks, device, "router")  # type: ignore[arg-type]
    assert own.endswith("mac=52:54:00:aa:00:01")
    assert "mcast=239.255." in more[0]
    assert "mcast" not in more[1]
    assert qemu.first_card(cards, "virtio-net-pci,romfile=") == "virtio-net-pci,romfile=,netdev=net0"
    for wrong in ("eth0", "eth7"):
        with pytest.raises(ConfigError, match=r"vm\.networks names"):
            load(text.replace("{eth1: lan}", f"{{{wrong}: lan}}"))


@pytest.mark.parametrize(
    "network",
    [
        "{eth0: {vlan: {id: 5}}}",
        "{br0: {bridge: [eth0, {a: b}]}}",
        "{br0: {bridge: }}",
        "none",
    ],
)
def test_networks_of_cards_that_do_not_exist(load: Load, network: str) -> None:
    """A missing value below `network` is one more line, no traceback."""
    with pytest.raises(ConfigError) as caught:
        load(f"network: {network}\nvm: {{networks: {{eth1: lan}}}}\n")
    cards = "network cards are eth0" if "[eth0" in network else "machine has no network card"
    assert f"c.yaml:3: vm.networks names eth1, but the {cards}\n" in str(caught.value)


@pytest.mark.parametrize(
    ("network", "own"),
    [
        ("{eth0: dhcp, eth1: {address: 10.9.0.1/24, mtu: 9000}}", ""),
        ("{eth0: {method: dhcp, mtu: 1400}, eth1: dhcp}", "eth0"),
        ("{'52:54:00:AA:00:01': {method: dhcp, mtu: 1400}, eth1: dhcp}", "52:54:00:aa:00:01"),
    ],
)
def test_the_mtu_of_dhcp_is_replaced_by_interface(load: Load, network: str, own: str) -> None:
    (script,) = [
        each for each in registry.features(load(f"network: {network}")).scripts if each.path == "udhcpc"
    ]
    assert script.values["ownMtu"] == own


def test_requirements_name_the_key(load: Load) -> None:
    text = "network: {v5: {vlan: {id: 5, link: br0}}, br0: {bridge: [eth1]}, eth0: {method: slaac}}"
    found = {each.symbol: each.keys for each in registry.features(load(text)).requirements}
    assert found["VLAN_8021Q"] == ("network", "v5", "vlan")
    assert found["BRIDGE"] == ("network", "br0", "bridge")
    assert found["IPV6"] == ("network", "eth0")


def test_resolv_conf(load: Load) -> None:
    text = "network: {eth0: dhcp, dns: [10.0.0.1, 'FD00::1'], search: [a.example, b.example]}"
    (content,) = [each.content for each in registry.features(load(text)).etc if each.path == "resolv.conf"]
    assert content == Text("search a.example b.example\nnameserver 10.0.0.1\nnameserver fd00::1\n")
