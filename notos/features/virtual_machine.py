"""Kernel symbols for QEMU's machine types: drivers for the bus, several processors."""

from notos.config.model import Machine
from notos.config.reader import Checks
from notos.features.model import Feature
from notos.kernel.requirements import Requirement

KEYS = ()
CHECKS: Checks = {}

_MACHINE_TYPE = ("vm", "machine")
_BUS = {
    "q35": (
        Requirement("ACPI", "to find the devices of `vm.machine: q35`, and to power off", keys=_MACHINE_TYPE),
        Requirement("VIRTIO_PCI", "for the devices of `vm.machine: q35`", "virtio_pci", keys=_MACHINE_TYPE),
    ),
    "microvm": (
        Requirement(
            "VIRTIO_MMIO", "for the devices of `vm.machine: microvm`", "virtio_mmio", keys=_MACHINE_TYPE
        ),
        Requirement(
            "VIRTIO_MMIO_CMDLINE_DEVICES",
            "to find the devices of `vm.machine: microvm`",
            keys=_MACHINE_TYPE,
        ),
    ),
}
_SMP = Requirement("SMP", "for `vm.cpus`", keys=("vm", "cpus"))


def feature(machine: Machine) -> Feature:
    """Return the kernel symbols for the machine type and the number of processors."""
    return Feature(requirements=(*_BUS[machine.vm.machine], *((_SMP,) if machine.vm.cpus > 1 else ())))
