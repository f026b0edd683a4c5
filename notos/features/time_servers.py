"""The clock, set once by network time servers during boot."""

import re
from collections.abc import Iterator

from notos.config.model import Glob, IPv4Address, Machine, Package, PackageName
from notos.config.reader import Checks
from notos.config.types import TEXTS
from notos.config.yaml_source import Node, Problem, named_place
from notos.features.interfaces import interfaces, resolves
from notos.features.model import Feature, Script

KEYS = ("time_servers",)

_PACKAGE = Package(name=PackageName("chrony"), only=(Glob("usr/sbin/chronyd"), Glob("usr/lib/sysusers.d/*")))
_ACCOUNT = 'u _chrony - "Chrony daemon" /var/lib/chrony\n'


def feature(machine: Machine) -> Feature:
    """Return chrony, which queries the servers, if the config has any."""
    if not machine.time_servers:
        return Feature()
    return Feature(
        packages=(_PACKAGE,),
        scripts=(Script(path="boot/60-time", values={"servers": machine.time_servers}),),
        accounts={"chrony.conf": _ACCOUNT},
    )


def _problems(machine: Machine, node: Node) -> Iterator[Problem]:
    # Without any interface there is no network, and with SLAAC a router may name a server.
    found = interfaces(machine.network)
    if not found or resolves(machine.network) or any(each.method == "slaac" for each in found):
        return
    for each in machine.time_servers:
        if not re.fullmatch(TEXTS[IPv4Address].pattern, each):
            message = f"{each} is a name, and the machine has no name server; write network.dns too"
            yield Problem(message, named_place(node, "time_servers", each) or node.place)


CHECKS: Checks = {Machine: _problems}
