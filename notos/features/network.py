"""The first network interface: a static address, an address by DHCP, or none."""

from collections.abc import Iterator

from notos.config.model import Machine, Network
from notos.config.reader import Checks
from notos.config.yaml_source import Node, Problem, place_of
from notos.features.model import EtcFile, Feature, Script, Subnet, Text
from notos.kernel.requirements import Requirement

KEYS = ("network",)

_DRIVER = Requirement("VIRTIO_NET", "for `network`", "virtio_net", keys=("network",))
_PACKET = Requirement("PACKET", "for `network.method: dhcp`", "af_packet", keys=("network",))


def feature(machine: Machine) -> Feature:
    """Return the boot fragment that configures the interface, and /etc/resolv.conf."""
    network = machine.network
    resolv = EtcFile(
        path="resolv.conf", content=Text("".join(f"nameserver {each}\n" for each in network.dns))
    )
    if network.method == "none":
        return Feature(scripts=(Script(path="boot/20-network-none"),), etc=(resolv,))
    if network.method == "dhcp":
        return Feature(
            requirements=(_DRIVER, _PACKET),
            scripts=(
                Script(path="boot/20-network-dhcp", values={"interface": network.interface}),
                Script(path="udhcpc"),
            ),
            etc=(resolv,),
        )
    address, gateway = str(network.address), network.gateway
    values = {"interface": network.interface, "address": address, "gateway": gateway or ""}
    return Feature(
        requirements=(_DRIVER,),
        scripts=(Script(path="boot/20-network-static", values=values),),
        etc=(resolv,),
        subnet=Subnet(address=address, gateway=gateway, dns=network.dns),
    )


def _problems(network: Network, node: Node) -> Iterator[Problem]:
    if network.method != "static":
        for key in ("address", "gateway"):
            if getattr(network, key) is not None:
                message = f"network.{key} needs method: static, but the method is {network.method}"
                yield Problem(message, place_of(node, key))
        return
    if network.address is None:
        message = "network.address is missing: method static needs one, such as 10.0.2.15/24 (or write dhcp)"
        yield Problem(message, node.place)
        return
    address, _, length = network.address.partition("/")
    host_bits = 32 - int(length)
    own = _bits(address)
    host = own & ((1 << host_bits) - 1)
    if host_bits >= 2 and host in (0, (1 << host_bits) - 1):
        kind = "broadcast" if host else "own"
        message = f"network.address {network.address} is the subnet's {kind} address, not a host's"
        yield Problem(message, place_of(node, "address"))
    if network.gateway is None:
        return
    gateway = _bits(network.gateway)
    if gateway == own:
        yield Problem("network.gateway is the machine's own address", place_of(node, "gateway"))
    elif gateway >> host_bits != own >> host_bits:
        message = f"network.gateway {network.gateway} is not in the subnet of {network.address}"
        yield Problem(message, place_of(node, "gateway"))


def _bits(address: str) -> int:
    return int.from_bytes(bytes(map(int, address.split("."))))


CHECKS: Checks = {Network: _problems}
