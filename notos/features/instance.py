"""Instance data: what one of several machines of an image gets at boot, and no image contains.

The host's part is notos/outputs/qemu/instance.py.
"""

from notos.config.model import Machine
from notos.config.reader import Checks
from notos.features.fw_cfg import fw_cfg
from notos.features.model import Feature, Script

KEYS = ("instance",)
CHECKS: Checks = {}


def feature(machine: Machine) -> Feature:
    """Return the scripts that apply it, if the machine takes instance data."""
    enabled = machine.ssh.server != "none" if machine.instance is None else machine.instance
    if not enabled:
        return Feature()
    wanted = fw_cfg(machine, "for the instance data that runvm.sh passes", KEYS) if machine.instance else ()
    return Feature(
        requirements=wanted,
        scripts=(Script(path="boot/09-instance"), Script(path="instance-network")),
        instance=True,
    )
