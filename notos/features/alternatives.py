"""The choices of alternatives in the config; notos.integration.alternatives makes the links."""

from notos.config.model import Machine
from notos.config.reader import Checks
from notos.features.model import Feature

KEYS = ("alternatives",)
CHECKS: Checks = {}


def feature(machine: Machine) -> Feature:
    """Return the choices."""
    return Feature(integration={"alternatives": dict(machine.alternatives)} if machine.alternatives else {})
