"""Instance data: what one of several machines of an image gets at boot, and no image contains.

The host's part is notos/outputs/qemu/instance.py; docs/howto/instances.md is the manual.
"""

from notos.config.model import Machine
from notos.config.reader import Checks
from notos.features.model import Feature, Script
from notos.kernel.requirements import Requirement

KEYS = ("instance",)
CHECKS: Checks = {}

_FW_CFG = Requirement(
    "FW_CFG_SYSFS", "for the instance data that runvm.sh passes", "qemu_fw_cfg", early=False, keys=KEYS
)


def taken(machine: Machine) -> bool:
    """Return True if the machine takes instance data."""
    return machine.ssh.server != "none" if machine.instance is None else machine.instance


def feature(machine: Machine) -> Feature:
    """Return the scripts that apply it, if the machine takes instance data."""
    if not taken(machine):
        return Feature()
    # Without ACPI, runvm.sh passes a drive. A machine with ssh has the module already.
    passed = machine.target.machine_types[machine.vm.machine].acpi
    return Feature(
        requirements=(_FW_CFG,) if machine.instance and passed else (),
        scripts=(Script(path="boot/09-instance"), Script(path="instance-network")),
        instance=True,
    )
