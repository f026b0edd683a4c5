"""The network."""

from typing import ClassVar, Literal

from notos.config.setting import setting
from notos.config.value_types import InterfaceName, IPv4Address, IPv4Interface
from notos.structs import dataclass


@dataclass(frozen=True, kw_only=True)
class Network:
    """The first network interface."""

    BARE: ClassVar = "method"

    interface: InterfaceName = setting("the interface's name", InterfaceName("eth0"))
    method: Literal["static", "dhcp", "none"] = setting(
        "how the interface gets its address", "static", example="dhcp"
    )
    address: IPv4Interface | None = setting("with static: address and prefix length", None)
    gateway: IPv4Address | None = setting("with static: the default gateway", None)
    dns: tuple[IPv4Address, ...] = setting("name servers", ())
