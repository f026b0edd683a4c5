"""The machine's host name, and the names in /etc/hosts."""

from collections.abc import Iterator

from notos.config.model import Machine
from notos.config.reader import Checks
from notos.config.yaml_source import Node, Problem, key_place, place_of
from notos.features.model import EtcFile, Feature, Script, Text

KEYS = ("hostname", "hosts")


def feature(machine: Machine) -> Feature:
    """Return the files that contain the name, and the boot fragment that sets it."""
    name = machine.hostname
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    if str(name) not in map(str, machine.hosts):
        lines.append(f"127.0.1.1 {name}")
    names: dict[str, list[str]] = {}
    for host, addresses in machine.hosts.items():
        for address in addresses:
            names.setdefault(address, []).append(host)
    lines += [" ".join([address, *hosts]) for address, hosts in names.items()]
    text = "".join(f"{line}\n" for line in lines)
    return Feature(
        scripts=(Script(path="boot/10-hostname", values={"hostname": name}),),
        etc=(
            EtcFile(path="hostname", content=Text(f"{name}\n")),
            EtcFile(path="hosts", content=Text(text)),
        ),
    )


def _problems(machine: Machine, node: Node) -> Iterator[Problem]:
    for name, addresses in machine.hosts.items():
        if name.lower() == "localhost":
            message = "hosts: localhost is always 127.0.0.1 and ::1; leave it out"
            yield Problem(message, key_place(node, "hosts", name))
        elif not addresses:
            yield Problem(f"hosts.{name} has no address", place_of(node, "hosts", name))


CHECKS: Checks = {Machine: _problems}
