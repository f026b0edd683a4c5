"""The plan by which the boot configures the network: lines for runit/boot/20-network, computed at build time.

    need DEVICE           wait for the interface, and report it if it is missing
    ip ARGUMENTS          run busybox' ip(8)
    set VALUE PATH        write VALUE to /proc/sys/PATH
    dhcp METRIC DEVICE    start udhcpc; its default route has the metric
    step TEXT             print a boot progress line

A device is named by its name, or by its MAC address as mac=ADDRESS.
"""

import re
from collections.abc import Iterator, Mapping

from notos.config.model import Interface
from notos.features.interfaces import MAC, Named, hardware, in_order

LINK_LOCAL = "fe80:"
_METRIC = 100  # between the default routes of two interfaces with DHCP


def plan(found: tuple[Named, ...], late: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines for interfaces; `late` are values below /proc/sys for interfaces that are made."""
    ordered = in_order(found)
    ways = {each.method for each in found}
    for way, text in (("static", "Setting static IP address..."), ("dhcp", "Requesting an IP address...")):
        if way in ways:
            yield f"step {text}"
    yield "ip link set lo up"
    for name in hardware(found):
        yield f"need {_device(name)}"
    for each in ordered:
        yield from _made(each)
        if each.settings.mtu is not None:
            yield f"ip link set {_device(each.name)} mtu {each.settings.mtu}"
    for path, value in late.items():
        yield f"set {value} {path}"
    for each in ordered:
        yield from _addresses(each)
    for name in dict.fromkeys([*hardware(found), *(each.name for each in ordered)]):
        if name != "lo":
            yield f"ip link set {_device(name)} up"
    for each in ordered:
        yield from _routes(each)
    clients = [each for each in found if each.method == "dhcp"]
    # Otherwise udhcpc would replace a default route of the config, which has the metric 0.
    static = any(version == 4 for each in found for _, _, version in default_routes(each.settings))
    for number, each in enumerate(clients, int(static)):
        yield f"dhcp {number * _METRIC} {_device(each.name)}"


def _made(each: Named) -> Iterator[str]:
    if each.settings.vlan is not None:
        vlan = each.settings.vlan
        yield f"ip link add link {_device(vlan.link)} name {each.name} type vlan id {vlan.id}"
    elif each.settings.bridge is not None:
        yield f"ip link add {each.name} type bridge"
        for port in each.settings.bridge:
            yield f"ip link set {_device(port)} master {each.name}"


def _addresses(each: Named) -> Iterator[str]:
    conf = f"net/ipv6/conf/{_device(each.name)}"
    if each.method == "slaac":
        # 2: also on a machine that forwards (kernel documentation, ip-sysctl).
        yield f"set 2 {conf}/accept_ra"
        yield f"set 1 {conf}/autoconf"
    if any(":" in address for address in each.settings.address):
        # Without duplicate address detection, which takes 1 s in which no service can use the address.
        yield f"set 0 {conf}/accept_dad"
    for address in each.settings.address:
        yield f"ip address add {address} dev {_device(each.name)}"


def _routes(each: Named) -> Iterator[str]:
    device = _device(each.name)
    for router in each.settings.gateway:
        if not reached(router, each.settings.address):
            yield f"ip {_family(router)}route add {router} dev {device}"
        yield f"ip {_family(router)}route add default via {router} dev {device}"
    for network, hop in each.settings.routes.items():
        family = _family(network if network != "default" else hop)
        via = "" if hop == "link" else f"via {hop} "
        yield f"ip {family}route add {network} {via}dev {device}"


def is_default(network: str) -> bool:
    """Return True if a network of `routes` is every address of its family."""
    return network in ("default", "0.0.0.0/0", "::/0")


def default_routes(settings: Interface) -> Iterator[tuple[str, str, int]]:
    """Yield the static default routes of an interface: the key, its network, and the version of IP."""
    for router in settings.gateway:
        yield "gateway", "default", 6 if ":" in router else 4
    for network, hop in settings.routes.items():
        if is_default(network):
            yield "routes", network, 6 if ":" in network or ":" in hop else 4


def reached(router: str, addresses: tuple[str, ...]) -> bool:
    """Return True if a router is in the subnet of one of the addresses, or has a link-local address."""
    return router.startswith(LINK_LOCAL) or any(_has(each, router) for each in addresses)


def _has(subnet: str, router: str) -> bool:
    """Return True if an address is in the subnet of another one, which has its prefix length."""
    if (":" in subnet) != (":" in router):
        return False
    if ":" in router:
        import ipaddress

        return ipaddress.ip_address(router) in ipaddress.ip_interface(subnet).network
    own, _, length = subnet.partition("/")
    return (bits(own) ^ bits(router)) >> (32 - int(length)) == 0


def bits(address: str) -> int:
    """Return an IPv4 address as a number. Every command needs this; ipaddress takes longer to import."""
    return int.from_bytes(bytes(map(int, address.split("."))))


def _family(address: str) -> str:
    return "-6 " if ":" in address else ""


def _device(name: str) -> str:
    return f"mac={name}" if re.fullmatch(MAC, name) else name
