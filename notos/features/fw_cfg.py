"""Kernel symbols to read what QEMU passes through fw_cfg (QEMU Firmware Configuration, in its manual)."""

from notos.config.model import Machine
from notos.kernel.requirements import Requirement


def fw_cfg(machine: Machine, why: str, keys: tuple[str, ...]) -> tuple[Requirement, ...]:
    """Return the requirements of the feature at `keys`, which reads fw_cfg in the running system."""
    module = Requirement("FW_CFG_SYSFS", why, "qemu_fw_cfg", early=False, keys=keys)
    # Where neither ACPI nor a device tree says where fw_cfg's registers are, the command line does.
    params = machine.target.machine_types[machine.vm.machine].kernel_params
    if not any(each.startswith("qemu_fw_cfg.") for each in params):
        return (module,)
    return module, Requirement("FW_CFG_SYSFS_CMDLINE", f"{why} to a microvm", keys=("vm", "machine"))
