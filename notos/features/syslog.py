"""The system log: a daemon for /dev/log (syslog(3)), whose messages svlogd keeps in /var/log/syslog."""

from notos.config.model import Machine
from notos.config.reader import Checks
from notos.features.model import Feature, Service

KEYS = ("syslog",)
CHECKS: Checks = {}


def feature(machine: Machine) -> Feature:
    """Return the service, unless the config turns it off."""
    if not machine.syslog:
        return Feature()
    return Feature(
        services=(Service(name="syslog", folder="syslog", log=True),),
        reserved_services={"syslog": "syslog: false"},
    )
