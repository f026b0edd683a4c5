"""The setuid programs that the config selects; notos.integration.setuid finds them."""

from notos.config.model import Machine
from notos.config.reader import Checks
from notos.features.model import Feature

KEYS = ("setuid",)
CHECKS: Checks = {}


def feature(machine: Machine) -> Feature:
    """Return the names of the programs, or of the packages whose programs are selected.

    An account with `sudo` needs that program in any case.
    """
    sudo = {"sudo"} if any(user.sudo for user in machine.users.values()) else set()
    if machine.setuid is not None:
        programs = [*machine.setuid, *sorted(sudo - {each.rpartition("/")[2] for each in machine.setuid})]
        return Feature(integration={"setuid": {"programs": programs}})
    scripts = [each for each in machine.boot.values() if each.when != "pre-mount"]
    packages = [
        machine.system.packages,
        *(service.packages for service in machine.services.values()),
        *(timer.packages for timer in machine.timers.values()),
        *(each.packages for each in scripts),
    ]
    names = sudo | {package.name for each in packages for package in each}
    return Feature(integration={"setuid": {"packages": sorted(names)}} if names else {})
