"""The setuid programs that the config selects; notos.integration.setuid finds them."""

from notos.config.model import Machine
from notos.config.package_lists import system_names
from notos.config.reader import Checks
from notos.features.model import Feature
from notos.features.own_units import packages_of

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
    _, of_units = packages_of(dict(machine.services), machine)
    names = sudo | system_names(machine) | {each.name for each in of_units}
    return Feature(integration={"setuid": {"packages": sorted(names)}} if names else {})
