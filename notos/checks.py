"""What the values of a config have to be to each other; each value alone is structs.py's matter."""

from collections.abc import Iterator, Mapping

from notos.machine import EtcFile, Kernel, KernelSource, Machine, Network, Service
from notos.structs import Check
from notos.yaml_source import MappingNode, Node, Problem, key_place, place_of

_ACCOUNTS = "declare accounts in sysusers.d/NAME.conf"
_MADE_IN_ETC = {
    **dict.fromkeys(("passwd", "group", "shadow", "gshadow"), _ACCOUNTS),
    "runit": "what runs is told under services",
    "service": "what runs is told under services",
    "mtab": "it shows what is mounted",
}


def _network(network: Network, node: Node) -> Iterator[Problem]:
    if network.method != "static":
        for key in ("address", "gateway"):
            if getattr(network, key) is not None:
                message = f"network.{key} is for method static, and the method is {network.method}"
                yield Problem(message, place_of(node, key))
        return
    if network.address is None:
        message = "network.address is missing: a static network wants one, like 10.0.2.15/24 (or write dhcp)"
        yield Problem(message, node.place)
        return
    address, _, length = network.address.partition("/")
    host_bits = 32 - int(length)
    own = _bits(address)
    host = own & ((1 << host_bits) - 1)
    if host_bits >= 2 and host in (0, (1 << host_bits) - 1):
        what = "broadcast" if host else "own"
        message = f"network.address {network.address} is the subnet's {what} address, not a host's"
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
                message = f"kernel.{key} is for a kernel of your own; say kernel.source too"
                yield Problem(message, key_place(node, key))
    elif "package" in node.items:
        place = key_place(node, "package")
        first = key_place(node, "source").seen_from(place)
        yield Problem(f"kernel wants either package or source, not both; source is {first}", place)


def _source(source: KernelSource, node: Node) -> Iterator[Problem]:
    yield from _one_of(node, "kernel.source", package=source.package, url=source.url)
    if source.url is not None and source.sha256 is None:
        yield Problem("kernel.source.sha256 is missing: a tarball is verified before it is used", node.place)
    elif source.package is not None and source.sha256 is not None:
        yield Problem(
            "kernel.source.sha256 is for a url; packages are in config.lock", place_of(node, "sha256")
        )


def _bits(address: str) -> int:
    return int.from_bytes(bytes(map(int, address.split("."))))


def _service(service: Service, node: Node) -> Iterator[Problem]:
    yield from _one_of(node, "a service", run=service.run, source=service.source)


def _etc_file(file: EtcFile, node: Node) -> Iterator[Problem]:
    yield from _one_of(node, "a file in etc", text=file.text, source=file.source)


def _one_of(node: Node, subject: str, **values: str | None) -> Iterator[Problem]:
    keys = list(values)
    given = [key for key in keys if values[key] is not None]
    if not given:
        yield Problem(f"{subject} wants either {' or '.join(keys)}", node.place)
    elif len(given) > 1:
        place = key_place(node, given[1])
        first = key_place(node, given[0]).seen_from(place)
        yield Problem(f"{subject} wants either {' or '.join(keys)}, not both; {given[0]} is {first}", place)


def _machine(machine: Machine, node: Node) -> Iterator[Problem]:
    for name, switch in _built_in_services(machine).items():
        if name in machine.services:
            message = f"the service {name} is built in; name yours otherwise, or turn it off with {switch}"
            yield Problem(message, key_place(node, "services", name))
    yield from _packages(machine, node)
    yield from _etc(machine, node)


def _packages(machine: Machine, node: Node) -> Iterator[Problem]:
    """One package, named in two places, has to be taken alike."""
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


def _built_in_services(machine: Machine) -> Mapping[str, str]:
    """The services that the machine brings itself, and what turns each off."""
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
    Service: _service,
    EtcFile: _etc_file,
    Machine: _machine,
}
