"""The setuid programs that the config selects; notos.integration.setuid finds them."""

from notos.config.model import Machine
from notos.config.reader import Checks
from notos.features.model import Feature

KEYS = ("setuid",)
CHECKS: Checks = {}


def feature(machine: Machine) -> Feature:
    """Return the names of the programs, or of the packages whose programs are selected."""
    if machine.setuid is not None:
        return Feature(integration={"setuid": {"programs": list(machine.setuid)}})
    services = (package for service in machine.services.values() for package in service.packages)
    names = {each.name for each in (*machine.system.packages, *services)}
    return Feature(integration={"setuid": {"packages": sorted(names)}} if names else {})
