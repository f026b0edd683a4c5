"""The power button of a machine with ACPI: busybox acpid powers the machine off when it is pressed."""

from notos.config.model import Machine
from notos.config.reader import Checks
from notos.features.model import EtcFile, Feature, Link, Script
from notos.kernel.requirements import Requirement

KEYS = ()
CHECKS: Checks = {}

_WHY = "for the power button"
_REQUIREMENTS = (
    Requirement("ACPI_BUTTON", _WHY, "button", early=False, keys=("vm", "machine")),
    Requirement("INPUT_EVDEV", _WHY, "evdev", early=False, keys=("vm", "machine")),
)
_PRESSED = EtcFile(path="acpi/PWRF/00000080", content=Link("/usr/sbin/poweroff"))  # acpid runs it


def feature(machine: Machine) -> Feature:
    """Return the button; a machine without ACPI gets only the handler."""
    if not machine.target.machine_types[machine.vm.machine].acpi:
        return Feature(etc=(_PRESSED,))
    return Feature(
        requirements=_REQUIREMENTS, scripts=(Script(path="boot/70-power-button"),), etc=(_PRESSED,)
    )
