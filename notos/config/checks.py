"""Rules between the values of a config; scalars.py and reader.py check each value by itself."""

import re
from collections.abc import Iterator, Mapping

from notos.config.model import (
    EtcFile,
    Initrd,
    IPv4Address,
    Kernel,
    KernelSource,
    Machine,
    Network,
    Service,
    Ssh,
)
from notos.config.reader import Alternatives, Check
from notos.config.types import KEY_TYPES, TEXTS
from notos.config.yaml_source import MappingNode, Node, Problem, key_place, named_place, place_of
from notos.outputs.qemu import command_line

_BUSYBOX = ("busybox-static", "busybox")
_ACCOUNTS = "declare accounts in sysusers.d/NAME.conf"
_MADE_IN_ETC = {
    **dict.fromkeys(("passwd", "group", "shadow", "gshadow"), _ACCOUNTS),
    **dict.fromkeys(("runit", "service"), "declare services under services"),
    "mtab": "it lists the mounted file systems",
}


def _network(network: Network, node: Node) -> Iterator[Problem]:
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


def _kernel(kernel: Kernel, node: Node) -> Iterator[Problem]:
    if not isinstance(node, MappingNode):
        return
    if kernel.source is None:
        for key in ("base", "fragments", "options", "patches", "signing_key"):
            if getattr(kernel, key) != getattr(Kernel(), key):
                message = f"kernel.{key} is for a custom kernel; set kernel.source too"
                yield Problem(message, key_place(node, key))
    elif "package" in node.items:
        place = key_place(node, "package")
        first = key_place(node, "source").seen_from(place)
        yield Problem(f"kernel takes either package or source, not both; source is {first}", place)


def _source(source: KernelSource, node: Node) -> Iterator[Problem]:
    if source.url is not None and source.sha256 is None:
        yield Problem("kernel.source.sha256 is missing: a tarball is verified before it is used", node.place)
    elif source.package is not None and source.sha256 is not None:
        message = "kernel.source.sha256 is for a url; the lock has the hashes of packages"
        yield Problem(message, place_of(node, "sha256"))


def _bits(address: str) -> int:
    return int.from_bytes(bytes(map(int, address.split("."))))


def _machine(machine: Machine, node: Node) -> Iterator[Problem]:
    for name, switch in _built_in_services(machine).items():
        if name in machine.services:
            message = f"the service {name} is built in; rename yours, or turn it off with {switch}"
            yield Problem(message, key_place(node, "services", name))
    yield from _packages(machine, node)
    yield from _etc(machine, node)
    if any(path.startswith(("sysusers.d/", "tmpfiles.d/")) for path in machine.etc):
        from notos.config import conf_files

        yield from conf_files.problems(machine, node)
    yield from _kernel_params(machine, node)
    yield from _services(machine, node)
    yield from _time(machine, node)


def _initrd(initrd: Initrd, node: Node) -> Iterator[Problem]:
    """Check that the initrd has busybox: stage-1 is a script for its shell."""
    if not any(each.name in _BUSYBOX for each in initrd.packages):
        names = ", ".join(["busybox-static", *(each.name for each in initrd.packages)])
        message = f"initrd.packages lacks busybox-static, which stage-1 runs; write packages: [{names}]"
        yield Problem(message, key_place(node, "packages"))


def _packages(machine: Machine, node: Node) -> Iterator[Problem]:
    """Check that a package named in two places has the same settings in both."""
    taken = {each.name: ("system.packages", each) for each in machine.system.packages}
    for name, service in machine.services.items():
        where = f"services.{name}.packages"
        for package in service.packages:
            first, other = taken.setdefault(package.name, (where, package))
            if package != other:
                message = f"{where} has {package.name} with other settings than {first}"
                yield Problem(message, place_of(node, "services", name, "packages"))


def _etc(machine: Machine, node: Node) -> Iterator[Problem]:
    for path in machine.etc:
        parts = path.split("/")
        place = key_place(node, "etc", path)
        if parts[0] in _MADE_IN_ETC:
            yield Problem(f"/etc/{parts[0]} is made by Notos; {_MADE_IN_ETC[parts[0]]}", place)
        for length in range(1, len(parts)):
            parent = "/".join(parts[:length])
            if parent in machine.etc:
                first = key_place(node, "etc", parent).seen_from(place)
                yield Problem(f"etc.{path} lies below etc.{parent}, which is a file, {first}", place)


def _kernel_params(machine: Machine, node: Node) -> Iterator[Problem]:
    if (excess := command_line.excess(machine)) > 0:
        message = f"kernel_params make the kernel's command line {excess} bytes too long; leave some out"
        yield Problem(message, key_place(node, "kernel_params"))
    for each in machine.kernel_params:
        place = named_place(node, "kernel_params", each) or node.place
        if each.startswith("systemConfig="):
            yield Problem("systemConfig= is set by runvm.sh; leave it out", place)
        elif each.startswith("realroot=") and machine.disk is None:
            yield Problem("realroot= needs a drive; write disk: 10G instead", place)


def _services(machine: Machine, node: Node) -> Iterator[Problem]:
    """Check that no service is called NAME.log beside a service NAME, whose log's state runsv keeps there."""
    for name in machine.services:
        owner = name.removesuffix(".log")
        if owner != name and owner in machine.services:
            place = key_place(node, "services", name)
            first = key_place(node, "services", owner).seen_from(place)
            message = f"the service {name} has the name of the log of {owner}, {first}; rename it"
            yield Problem(message, place)


def _time(machine: Machine, node: Node) -> Iterator[Problem]:
    if machine.network.method != "static" or machine.network.dns:
        return
    for each in machine.time_servers:
        if not re.fullmatch(TEXTS[IPv4Address].pattern, each):
            message = f"{each} is a name, and the machine has no name server; write network.dns too"
            yield Problem(message, named_place(node, "time_servers", each) or node.place)


def _keys(ssh: Ssh, node: Node) -> Iterator[Problem]:
    """Check that every public key can be decoded: sshd silently ignores one that cannot."""
    import base64

    for each in ssh.authorized_keys:
        kind, _, rest = each[each.index(_key_type(each)) :].partition(" ")
        try:
            data = base64.b64decode(rest.split(" ")[0], validate=True)
        except ValueError:
            data = b""
        if not data.startswith(len(kind).to_bytes(4) + kind.encode()):
            message = f"this public key is truncated or not of type {kind}; copy the whole line again"
            yield Problem(message, named_place(node, "authorized_keys", each) or node.place)


def _key_type(line: str) -> str:
    match = re.search(KEY_TYPES, line)
    assert match is not None, "types.py requires a type in every key"
    return match[0]


def _built_in_services(machine: Machine) -> Mapping[str, str]:
    """Return the built-in services, each with the setting that turns it off."""
    found: dict[str, str] = {}
    if machine.ssh.server != "none":
        found |= dict.fromkeys(("sshd", "dropbear"), "ssh.server: none")
    if machine.nix.enable:
        found["nix-daemon"] = "nix.enable: false"
    return found


CHECKS: Mapping[type, Check] = {
    Network: _network,
    Kernel: _kernel,
    KernelSource: _source,
    Machine: _machine,
    Ssh: _keys,
    Initrd: _initrd,
}

ALTERNATIVES: Alternatives = {
    KernelSource: ("kernel.source", ("package", "url")),
    Service: ("a service", ("run", "source")),
    EtcFile: ("a file in etc", ("text", "source")),
}
