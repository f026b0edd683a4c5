"""The network: the boot fragment that configures the interfaces, resolv.conf, and QEMU's network cards."""

from collections.abc import Iterator

from notos.config.model import Machine, Network
from notos.config.reader import Checks
from notos.config.yaml_source import Node, Problem, key_place, place_of
from notos.features.instance import taken
from notos.features.interfaces import Named, cards, carrying, hardware, interfaces, refused
from notos.features.model import EtcFile, Feature, NetworkCard, Script, Subnet, Text
from notos.features.network_plan import bits, plan
from notos.features.sysctl import late
from notos.kernel.requirements import Requirement

KEYS = ("network",)
_MOST_DNS = 3  # resolv.conf(5), MAXNS


def feature(machine: Machine) -> Feature:
    """Return what the interfaces need. Without a valid config the plan has no interface."""
    network = machine.network
    found = interfaces(network)
    try:
        lines = list(plan(found, late(machine)))
    except (
        ValueError,
        TypeError,
        AttributeError,
    ):  # the checks report a ring of interfaces, or a missing value
        found, lines = (), []
    scripts = [Script(path="boot/20-network", values={"plan": "\n".join(lines)})]
    dhcp = [each for each in found if each.method == "dhcp"]
    if dhcp or taken(machine):
        scripts.append(Script(path="boot/11-resolv-conf"))
    if dhcp:
        own = network.dns or "resolv.conf" in machine.etc
        values = {
            "ownDns": "yes" if own else "",
            "ownSearch": " ".join(network.search),
            "ownMtu": " ".join(each.name for each in dhcp if each.settings.mtu),
        }
        scripts.append(Script(path="udhcpc", values=values))
    return Feature(
        requirements=tuple(_requirements(found)),
        scripts=tuple(scripts),
        etc=(EtcFile(path="resolv.conf", content=Text(_resolv_conf(machine))),),
        subnet=_subnet(machine, found),
        cards=tuple(_cards(found)),
    )


def _cards(found: tuple[Named, ...]) -> Iterator[NetworkCard]:
    for number, (name, mac) in enumerate(cards(found).items()):
        through = (name, f"eth{number}", mac, *(each.name for each in carrying(found, name)))
        yield NetworkCard(name, mac, tuple(dict.fromkeys(through)))


def _resolv_conf(machine: Machine) -> str:
    """Return resolv.conf(5) with the config's own name servers and search domains."""
    network = machine.network
    search = f"search {' '.join(network.search)}\n" if network.search else ""
    return search + "".join(f"nameserver {each}\n" for each in network.dns)


def _requirements(found: tuple[Named, ...]) -> Iterator[Requirement]:
    """Yield the kernel symbols that the interfaces need, each with the first key that needs it."""
    for each in found[:1] if hardware(found) else ():
        yield Requirement("VIRTIO_NET", "for `network`", "virtio_net", keys=each.keys[:1])
    for each in [each for each in found if _has_ipv6(each)][:1]:
        yield Requirement("IPV6", f"for IPv6 in `{'.'.join(each.keys)}`", "ipv6", keys=each.keys)
    for each in [each for each in found if each.method == "dhcp"][:1]:
        yield Requirement("PACKET", f"for DHCP in `{'.'.join(each.keys)}`", "af_packet", keys=each.keys)
    for each in [each for each in found if each.settings.vlan is not None][:1]:
        keys = (*each.keys, "vlan")
        yield Requirement("VLAN_8021Q", f"for `{'.'.join(keys)}`", "8021q", early=False, keys=keys)
    for each in [each for each in found if each.settings.bridge is not None][:1]:
        keys = (*each.keys, "bridge")
        yield Requirement("BRIDGE", f"for `{'.'.join(keys)}`", "bridge", early=False, keys=keys)


def _has_ipv6(each: Named) -> bool:
    settings = each.settings
    used = (*settings.address, *settings.gateway, *settings.routes, *settings.routes.values())
    return each.method == "slaac" or any(":" in address for address in used)


def _subnet(machine: Machine, found: tuple[Named, ...]) -> Subnet | None:
    """Return the first static IPv4 address of the interface that QEMU's user network is connected to."""
    card = next(iter(cards(found)), "")
    for each in carrying(found, card):
        if each.method != "static":
            continue
        for address in each.settings.address:
            if ":" not in address:
                gateway = next((router for router in each.settings.gateway if ":" not in router), None)
                dns = tuple(server for server in machine.network.dns if ":" not in server)
                return Subnet(address=address, gateway=gateway, dns=dns)
    return None


def _problems(network: Network, node: Node) -> Iterator[Problem]:
    if len(network.dns) > _MOST_DNS:
        message = f"network.dns has {len(network.dns)} servers, but programs use the first {_MOST_DNS} only"
        yield Problem(message, place_of(node, "dns"))
    if network.interfaces:
        from notos.features import network_checks

        yield from network_checks.problems(network, node)
        return
    if network.method != "static":
        for key in ("address", "gateway"):
            if getattr(network, key) is not None:
                message = f"network.{key} needs method: static, but the method is {network.method}"
                yield Problem(message, place_of(node, key))
        if network.method == "dhcp":
            yield from _named(network, node)
        return
    yield from _named(network, node)
    if network.address is None:
        message = "network.address is missing: method static needs one, such as 10.0.2.15/24 (or write dhcp)"
        yield Problem(message, node.place)
        return
    address, _, length = network.address.partition("/")
    host_bits = 32 - int(length)
    own = bits(address)
    host = own & ((1 << host_bits) - 1)
    if host_bits >= 2 and host in (0, (1 << host_bits) - 1):
        kind = "broadcast" if host else "own"
        message = f"network.address {network.address} is the subnet's {kind} address, not a host's"
        yield Problem(message, place_of(node, "address"))
    if network.gateway is None:
        return
    gateway = bits(network.gateway)
    if gateway == own:
        yield Problem("network.gateway is the machine's own address", place_of(node, "gateway"))
    elif host_bits and gateway >> host_bits != own >> host_bits:
        message = f"network.gateway {network.gateway} is not in the subnet of {network.address}"
        yield Problem(message, place_of(node, "gateway"))


def _named(network: Network, node: Node) -> Iterator[Problem]:
    """Yield what the interface of the short form cannot be."""
    for key, text in refused(interfaces(network)[0]):
        yield Problem(f"network.{key or 'interface'}{text}", place_of(node, key or "interface"))


def _machine(machine: Machine, node: Node) -> Iterator[Problem]:
    """Yield entries of `vm.networks` that name no interface."""
    if not machine.vm.networks:
        return
    known = cards(interfaces(machine.network))
    for name in machine.vm.networks:
        if name not in known:
            cards_ = f"network cards are {', '.join(known)}" if known else "machine has no network card"
            message = f"vm.networks names {name}, but the {cards_}"
            yield Problem(message, key_place(node, "vm", "networks", name))
        elif name == next(iter(known)):
            message = "vm.networks names the first network card, which is on QEMU's user network"
            yield Problem(message, key_place(node, "vm", "networks", name))


CHECKS: Checks = {Network: _problems, Machine: _machine}
