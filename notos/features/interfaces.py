"""The network interfaces of a config in one form: its short form is one interface, too."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from notos.config.model import Interface, IPAddress, IPInterface, Network

# Patterns of re, which compiles them when they are used.
MAC = r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"
NUMBERED = r"eth(0|[1-9][0-9]{0,2})"
MOST_IN_QEMU = 8  # network cards that runvm.sh gives a machine
_FIRST_MAC = 0x525400123456  # of QEMU's first network card, unless the config names one


class Named(NamedTuple):
    """An interface with its name and the path of its key in the config."""

    name: str
    keys: tuple[str, ...]
    settings: Interface

    @property
    def method(self) -> str:
        """The way in which it gets its addresses."""
        return self.settings.method or ("static" if self.settings.address else "none")

    @property
    def made(self) -> bool:
        """True if the boot creates it, False for hardware and the loopback interface."""
        return self.settings.vlan is not None or self.settings.bridge is not None

    @property
    def below(self) -> tuple[str, ...]:
        """The interfaces that it is made of."""
        vlan = self.settings.vlan
        names = (vlan.link,) if vlan else self.settings.bridge or ()
        return tuple(name for name in names if name)  # None is a missing value, which is an error already


def interfaces(network: Network) -> tuple[Named, ...]:
    """Return the interfaces in the order of the config; none with `network: none`."""
    if network.interfaces:
        return tuple(
            Named(name, ("network", name), settings) for name, settings in network.interfaces.items()
        )
    if network.method == "none":
        return ()
    settings = Interface(
        method=network.method,
        address=(IPInterface(network.address),) if network.address else (),
        gateway=(IPAddress(network.gateway),) if network.gateway else (),
    )
    return (Named(network.interface, ("network",), settings),)


def refused(each: Named) -> Iterator[tuple[str, str]]:
    """Yield what an interface cannot be by its name: the key below it, or "" for the name, and the text."""
    if re.fullmatch(r"eth0[0-9]+", each.name) and not each.made:
        number = int(each.name.removeprefix("eth"))
        yield "", f": the kernel gives no network card the name {each.name}; write eth{number}"
    if each.name != "lo":
        return
    if each.method not in ("static", "none"):
        yield "method", f": lo, the loopback interface, cannot use {each.method}; use method: static, or none"
    for key in ("gateway", "vlan", "bridge"):
        if getattr(each.settings, key):
            yield key, ": lo is the loopback interface, which has none"


def resolves(network: Network) -> bool:
    """Return True if the machine gets a name server, from the config or by DHCP."""
    return bool(network.dns) or any(each.method == "dhcp" for each in interfaces(network))


def in_order(found: tuple[Named, ...]) -> list[Named]:
    """Return interfaces after those that they are made of. Raises ValueError with a name for a ring."""
    by_name = {each.name: each for each in found}
    done: dict[str, Named] = {}
    open_: list[str] = []

    def visit(each: Named) -> None:
        if each.name in open_:
            raise ValueError(each.name)
        open_.append(each.name)
        for name in each.below:
            if name in by_name and name not in done:
                visit(by_name[name])
        open_.pop()
        done.setdefault(each.name, each)

    for each in found:
        visit(each)
    return list(done.values())


def hardware(found: tuple[Named, ...]) -> list[str]:
    """Return the names and MAC addresses of interfaces that are network cards, in the order of the config."""
    names = [name for each in found for name in ((each.name, *each.below) if each.made else (each.name,))]
    made = {each.name for each in found if each.made} | {"lo"}
    return [name for name in dict.fromkeys(names) if name not in made]


def cards(found: tuple[Named, ...]) -> Mapping[str, str]:
    """Return QEMU's network cards: MAC addresses by name. ethN is card N; a MAC address gets the next place.

    A card between two others that the config does not name has the name that the kernel gives it.
    """
    names = [name for name in hardware(found) if re.fullmatch(MAC, name) or re.fullmatch(NUMBERED, name)]
    numbered = {int(match[1]): name for name in names if (match := re.fullmatch(NUMBERED, name))}
    by_mac = [name for name in names if re.fullmatch(MAC, name)]
    free = (number for number in range(MOST_IN_QEMU) if number not in numbered)
    places = {**numbered, **dict(zip(free, by_mac, strict=False))}
    last = max((number for number in places if number < MOST_IN_QEMU), default=-1)
    return dict(_card(number, places.get(number, f"eth{number}")) for number in range(last + 1))


def _card(number: int, name: str) -> tuple[str, str]:
    digits = f"{_FIRST_MAC + number:012x}"
    usual = ":".join(digits[at : at + 2] for at in range(0, 12, 2))
    return name, name if re.fullmatch(MAC, name) else usual


def carrying(found: tuple[Named, ...], card: str) -> Iterator[Named]:
    """Yield the interfaces through which `card` is used: itself, then bridges that it is a port of."""
    yield from (each for each in found if each.name == card)
    yield from (each for each in found if each.settings.bridge and card in each.settings.bridge)
