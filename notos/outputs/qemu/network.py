"""QEMU's network around a machine: its network cards, and options of the user network that fit the machine.

The first card is on the user network, with the subnet, gateway and name server of the config. Each machine
has its own user network (qemu(1), "-netdev user") with an address for the host, one for a name server, and
the first address of DHCP, to which ports are forwarded.
"""

import hashlib
from collections.abc import Mapping, Sequence

from notos.config.model import DeviceName, LinkName
from notos.features.model import NetworkCard, Subnet
from notos.outputs.qemu.instance import user_network

_USUAL_MAC = "52:54:00:12:34:56"  # QEMU's default


def options(subnet: Subnet | None) -> str:
    """Return the options of `-netdev user` for the machine's `subnet`.

    Without a subnet, they are QEMU's defaults.
    """
    if subnet is None:
        return user_network(None, None, ())
    return user_network(subnet.address, subnet.gateway, subnet.dns)


def first_card(cards: Sequence[NetworkCard], device: str) -> str:
    """Return the argument of -device for the first card, on the user network net0."""
    mac = cards[0].mac if cards else ""
    return f"{device},netdev=net0" + (f",mac={mac}" if mac not in ("", _USUAL_MAC) else "")


def more_cards(
    cards: Sequence[NetworkCard], networks: Mapping[DeviceName, LinkName], device: str, machine: str
) -> list[str]:
    """Return the further cards of `machine`, each as the arguments of -netdev and -device around a slash.

    `networks` are the names of the networks that cards are on, by card. The others are connected to nothing.
    """
    return [
        f"{_network(networks.get(DeviceName(card.name)), number)}/{device},netdev=net{number},"
        f"mac={_address(card, machine) if card.name in networks else card.mac}"
        for number, card in enumerate(cards)
        if number
    ]


def _address(card: NetworkCard, machine: str) -> str:
    """Return the MAC address of a card on a network with other machines, where each must have its own.

    It follows from the names of the machine and the card, unless the config gives it. runvm.sh replaces
    VENDOR by three bytes: QEMU's, or those of the instance, since machines of one image have equal names.
    """
    if card.mac == card.name:
        return card.mac
    return "VENDOR:" + hashlib.sha256(f"{machine} {card.name}".encode()).digest()[:3].hex(":")


def _network(name: str | None, number: int) -> str:
    """Return the argument of -netdev for a network that all machines with its name share.

    Without a name, packets go to the discard port of this host (RFC 863), so the card has a cable that leads
    nowhere. QEMU would warn of a card without a network.

    Machines find the network by a multicast address of this host, which is computed from the name: 239.255/16
    is for use within an organisation (RFC 2365), and localaddr keeps the packets on this host.
    """
    if name is None:
        return f"socket,id=net{number},udp=127.0.0.1:9,localaddr=127.0.0.1:0"
    high, low, port = hashlib.sha256(name.encode()).digest()[:3]
    return f"socket,id=net{number},mcast=239.255.{high}.{low}:{20000 + port},localaddr=127.0.0.1"
