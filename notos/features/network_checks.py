"""Rules for interfaces by name; network.py has those of the short form.

It is imported only for a config that has such interfaces.
"""

import re
from collections.abc import Collection, Iterator
from ipaddress import ip_address, ip_interface
from itertools import combinations

from notos.config.model import IPAddress, Network
from notos.config.yaml_source import Node, Place, Problem, key_place, named_place, place_of, value_at
from notos.features.interfaces import MAC, NUMBERED, Named, in_order, interfaces, refused
from notos.features.network_plan import LINK_LOCAL, default_routes, is_default, reached

_SHORT = ("interface", "method", "address", "gateway")
# Names of systemd.net-naming-scheme(7), which udev gives; Notos has no udev.
_OF_UDEV = re.compile(r"(?:en|wl|ww|sl|ib)(?:[ox][0-9a-f]+|[sp][0-9].*)")


def problems(network: Network, node: Node) -> Iterator[Problem]:
    """Yield what is wrong with the interfaces below `network`, whose value is `node`."""
    for key in _SHORT:
        if getattr(network, key) != getattr(Network(), key):
            first = next(iter(network.interfaces))
            message = f"network.{key} is for a single interface; write it below network.{first}"
            yield Problem(message, key_place(node, key))
    found = interfaces(network)
    for each in found:
        yield from _interface(each, node)
    yield from _links(found, node)
    yield from _overlaps(found, node)
    yield from _gateways(found, node)


def _interface(each: Named, node: Node) -> Iterator[Problem]:
    """Yield what is wrong within one interface."""
    path, settings = f"network.{each.name}", each.settings
    if _OF_UDEV.fullmatch(each.name):
        message = f"{path} is a name given by udev; here names are eth0, eth1, …, or use the MAC address"
        yield Problem(message, key_place(node, each.name))
    for key, text in refused(each):
        yield Problem(
            f"{path}{f'.{key}' if key else ''}{text}", key_place(node, each.name, *[key][: bool(key)])
        )
    if settings.vlan is not None and settings.bridge is not None:
        yield Problem(f"{path} takes either vlan or bridge, not both", key_place(node, each.name, "bridge"))
    if each.made and re.fullmatch(MAC, each.name):
        message = f"{path} is a MAC address, and an interface that is made needs a name, such as br0"
        yield Problem(message, key_place(node, each.name))
    if each.method == "static" and not settings.address:
        yield Problem(f"{path}.address is missing: method static needs one", key_place(node, each.name))
    if each.method == "none":
        for key in ("address", "gateway", "routes"):
            if getattr(settings, key):
                message = f"{path}.{key} needs an address of the interface, but its method is none"
                yield Problem(message, key_place(node, each.name, key))
        return
    yield from _addresses(each, value_at(node, each.name) or node, path)


def _addresses(each: Named, node: Node, path: str) -> Iterator[Problem]:
    """Yield what is wrong with the addresses and routers of an interface, whose value is `node`."""
    settings = each.settings
    for text in settings.address:
        own = ip_interface(text)
        net = own.network
        edges = (
            {net.network_address: "own"}
            if own.version == 6
            else {
                net.network_address: "own",
                net.broadcast_address: "broadcast",
            }
        )
        if net.max_prefixlen - net.prefixlen >= 2 and (kind := edges.get(own.ip)):
            message = f"{path}.address {text} is the subnet's {kind} address, not a host's"
            yield Problem(message, _at(node, "address", text))
    own_addresses = {ip_interface(text).ip for text in settings.address}
    versions = set()
    for router in settings.gateway:
        place = _at(node, "gateway", router)
        version = ip_address(router).version
        if version in versions:
            yield Problem(f"{path}.gateway has two gateways for IPv{version}", place)
        versions.add(version)
        if version == 4 and each.method == "dhcp":
            yield Problem(
                f"{path}.gateway: DHCP gives the gateway; leave it out, or use method: static", place
            )
            continue
        yield from _router(each, router, f"{path}.gateway", place, own_addresses)
    for network, hop in settings.routes.items():
        if hop == "link":
            if network == "default":
                yield Problem(
                    f"{path}.routes: default needs a router, not link", _at(node, "routes", network)
                )
            continue
        router = IPAddress(hop)
        place = place_of(node, "routes", network)
        if network != "default" and (":" in network) != (":" in router):
            yield Problem(f"{path}.routes: {router} cannot lead to {network}: IPv4 and IPv6 differ", place)
        elif is_default(network) and any((":" in each) == (":" in router) for each in settings.gateway):
            message = f"{path}.routes: {network} is also the route to the gateway; keep one"
            yield Problem(message, place)
        elif is_default(network) and each.method == "dhcp" and ":" not in router:
            message = (
                f"{path}.routes: DHCP gives the default route; leave {network} out, or use method: static"
            )
            yield Problem(message, place)
        else:
            yield from _router(each, router, f"{path}.routes", place, own_addresses)


def _router(each: Named, router: str, path: str, place: Place, own: Collection[object]) -> Iterator[Problem]:
    if ip_address(router) in own:
        message = f"{path} is the machine's own address"
        yield Problem(message, place)
        return
    same = [text for text in each.settings.address if (":" in text) == (":" in router)]
    if router.startswith(LINK_LOCAL) or reached(router, tuple(same)):
        return
    if each.method != "static" and not same:  # the addresses are known at run time
        return
    if any(ip_interface(text).network.num_addresses == 1 for text in same):
        return  # a single address (/32, /128) has its router on the link
    if same:
        message = f"{path} {router} is not in the subnet of {' or '.join(same)}"
    else:
        message = f"{path} {router} needs an address of IPv{ip_address(router).version} in `address`"
    yield Problem(message, place)


def _at(node: Node, key: str, item: str) -> Place:
    return named_place(node, key, item) or place_of(node, key)


def _links(found: tuple[Named, ...], node: Node) -> Iterator[Problem]:
    """Yield what is wrong with the interfaces that others are made of."""
    by_name = {each.name: each for each in found}
    ports: dict[str, str] = {}
    tags: dict[tuple[str, int], str] = {}
    for each in found:
        for name in each.below:
            key = "vlan" if each.settings.vlan else "bridge"
            place = (
                _at(node, each.name, key)
                if key == "vlan"
                else (named_place(node, each.name, key, name) or place_of(node, each.name, key))
            )
            other = by_name.get(name)
            if name == "lo":
                message = f"network.{each.name}.{key}: lo is the loopback interface; name a network card"
                yield Problem(message, place)
            elif other is None and not re.fullmatch(MAC, name) and not re.fullmatch(NUMBERED, name):
                message = f"network.{each.name}.{key} names an unknown interface, {name}; add network.{name}"
                yield Problem(message, place)
            if key == "vlan":
                continue
            if other is not None and other.method != "none":
                message = (
                    f"network.{name} is a port of the bridge {each.name}; its addresses belong to the bridge"
                )
                yield Problem(message, key_place(node, name))
            if ports.setdefault(name, each.name) != each.name:
                message = f"network.{each.name}.bridge: {name} is a port of the bridge {ports[name]}, too"
                yield Problem(message, place)
        vlan = each.settings.vlan
        if vlan is not None and tags.setdefault((vlan.link, vlan.id), each.name) != each.name:
            message = f"network.{each.name}.vlan: {tags[vlan.link, vlan.id]} is this VLAN, too"
            yield Problem(message, key_place(node, each.name, "vlan"))
    try:
        in_order(found)
    except ValueError as error:
        yield Problem(f"network.{error} is made of itself", key_place(node, str(error)))


def _overlaps(found: tuple[Named, ...], node: Node) -> Iterator[Problem]:
    """Yield subnets of two interfaces that overlap, and addresses that two interfaces have."""
    subnets = [(each, text, ip_interface(text)) for each in found for text in each.settings.address]
    for (first, _, a), (second, two, b) in combinations(subnets, 2):
        if a.version != b.version:
            continue
        place = _at(node, second.name, "address")
        if a.ip == b.ip:
            message = f"network.{second.name}.address {two} is an address of {first.name}, too"
        elif first.name == second.name or 1 in (a.network.num_addresses, b.network.num_addresses):
            continue
        elif a.network.overlaps(b.network):
            message = f"network.{second.name}.address {two} is in the subnet of {first.name}, {a.network}"
        else:
            continue
        yield Problem(message, place)


def _gateways(found: tuple[Named, ...], node: Node) -> Iterator[Problem]:
    """Yield a second static default route: the kernel would refuse it. Those of DHCP have other metrics."""
    first: dict[int, str] = {}
    for each in found:
        own = {ip_address(router).version for router in each.settings.gateway}
        for key, network, version in default_routes(each.settings):
            if version not in first:
                first[version] = each.name
                continue
            if first[version] == each.name and (key == "gateway" or version in own):
                continue  # _addresses reports it
            path = f"network.{each.name}.{key}"
            message = f"{path}: {first[version]} has the default gateway for IPv{version}"
            if first[version] == each.name:
                message = f"{path}: {network} is a second default route for IPv{version}; keep one"
            yield Problem(message, key_place(node, each.name, key, *([network] if key == "routes" else [])))
