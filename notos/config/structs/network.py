"""The network: its interfaces, name servers and host names."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from notos.config.setting import setting
from notos.config.value_types import (
    DeviceName,
    DomainName,
    InterfaceName,
    IPAddress,
    IPInterface,
    IPNetwork,
    IPv4Address,
    IPv4Interface,
)
from notos.structs import dataclass


@dataclass(frozen=True, kw_only=True)
class Vlan:
    """A VLAN on another interface."""

    id: int = setting("the VLAN's number", minimum=1, maximum=4094)
    link: DeviceName = setting("the interface that carries it")


@dataclass(frozen=True, kw_only=True)
class Interface:
    """A network interface. In YAML: `dhcp`, `slaac`, `none`, or a map."""

    BARE: ClassVar = "method"

    method: Literal["dhcp", "static", "slaac", "none"] | None = setting(
        "how the interface gets its addresses; by default static if it has `address`, else none", None
    )
    address: tuple[IPInterface, ...] = setting(
        "addresses with their prefix lengths; with dhcp and slaac, in addition",
        (),
        single=True,
        example="192.168.1.1/24",
    )
    gateway: tuple[IPAddress, ...] = setting(
        "the default gateway; at most one for IPv4 and one for IPv6", (), single=True, example="192.168.1.254"
    )
    routes: Mapping[IPNetwork, Literal["link"] | IPAddress] = setting(
        "networks and the routers that lead to them; `link` is this interface itself",
        dict,
        example={"10.8.0.0/16": "192.168.1.2"},
    )
    vlan: Vlan | None = setting("make the interface: a VLAN on another interface", None)
    bridge: tuple[DeviceName, ...] | None = setting(
        "make the interface: a bridge of these interfaces", None, example=["eth1", "eth2"]
    )
    mtu: int | None = setting("the largest packet in bytes", None, minimum=68, maximum=65535, example=1400)


@dataclass(frozen=True, kw_only=True)
class Network:
    """The network interfaces, name servers and search domains."""

    BARE: ClassVar = "method"
    REST: ClassVar = "interfaces"

    interface: InterfaceName = setting("the interface's name", InterfaceName("eth0"))
    method: Literal["static", "dhcp", "none"] = setting(
        "how the interface gets its address", "static", example="dhcp"
    )
    address: IPv4Interface | None = setting("with static: address and prefix length", None)
    gateway: IPv4Address | None = setting("with static: the default gateway", None)
    dns: tuple[IPAddress, ...] = setting("name servers; they replace those of DHCP", ())
    search: tuple[DomainName, ...] = setting(
        "domains of names without a dot; they replace those of DHCP", (), example=["home.arpa"]
    )
    interfaces: Mapping[DeviceName, Interface] = setting(
        "an interface by its name or MAC address, in place of the keys above: `eth0: dhcp`",
        dict,
        example={"eth0": "dhcp", "eth1": {"address": "192.168.1.1/24"}},
    )
