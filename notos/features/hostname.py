"""The machine's host name."""

from notos.config.model import Machine
from notos.config.reader import Checks
from notos.features.model import EtcFile, Feature, Script, Text

KEYS = ("hostname",)
CHECKS: Checks = {}


def feature(machine: Machine) -> Feature:
    """Return the files that contain the name, and the boot fragment that sets it."""
    name = machine.hostname
    hosts = f"127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {name}\n"
    return Feature(
        scripts=(Script(path="boot/10-hostname", values={"hostname": name}),),
        etc=(
            EtcFile(path="hostname", content=Text(f"{name}\n")),
            EtcFile(path="hosts", content=Text(hosts)),
        ),
    )
