"""Options of QEMU's user network that fit a machine: the same subnet, gateway and name server.

Each machine has its own network (qemu(1), "-netdev user") with an address for the host, one for a name
server, and the first address of DHCP, to which ports are forwarded.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface

from notos.features.model import Subnet

_USUAL = IPv4Interface("10.0.2.15/24")  # QEMU's default
_PREFIXES = range(8, 31)  # a smaller subnet has no room for three addresses
_HOST, _DNS = (2, 1, 3), (3, 2, 1)  # numbers of addresses in a subnet, in order of preference


def options(subnet: Subnet | None) -> str:
    """Return the options of `-netdev user` for the machine's `subnet`.

    Without a subnet, or if it has no room for three addresses, they are QEMU's defaults.
    """
    own = IPv4Interface(subnet.address) if subnet else _USUAL
    if own.network.prefixlen not in _PREFIXES:
        own = _USUAL
    net = own.network
    gateway, *servers = (
        IPv4Address(each) if each and IPv4Address(each) in net else None
        for each in ((subnet.gateway, *subnet.dns) if subnet else (None,))
    )
    # QEMU needs two different addresses and routes by either: if the gateway is also the name server, it must
    # be the address that answers DNS.
    dns = _first(
        [*servers, *(net[number] for number in _DNS)], [own.ip, *([] if gateway in servers else [gateway])]
    )
    host = _first([gateway, *(net[number] for number in _HOST)], [own.ip, dns])
    words = [f"net={net}", f"host={host}", f"dns={dns}"]
    return ",".join(words if own == _USUAL else [*words, f"dhcpstart={own.ip}"])


def _first(wanted: Iterable[IPv4Address | None], taken: Iterable[IPv4Address | None]) -> IPv4Address:
    used = {None, *taken}
    return next(each for each in wanted if each is not None and each not in used)
