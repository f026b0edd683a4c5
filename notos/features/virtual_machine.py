"""Kernel symbols for QEMU's machine types: drivers for the bus, several processors."""

from collections.abc import Iterator

from notos.config.model import Machine
from notos.config.reader import Checks
from notos.features.model import Feature
from notos.kernel.requirements import Requirement

KEYS = ()
CHECKS: Checks = {}

_MACHINE_TYPE = ("vm", "machine")
_SMP = Requirement("SMP", "for `vm.cpus`", keys=("vm", "cpus"))


def feature(machine: Machine) -> Feature:
    """Return the kernel symbols for the machine type and the number of processors."""
    return Feature(requirements=(*_bus(machine), *((_SMP,) if machine.vm.cpus > 1 else ())))


def _bus(machine: Machine) -> Iterator[Requirement]:
    kind = machine.target.machine_types[machine.vm.machine]
    devices = f"the devices of `vm.machine: {machine.vm.machine}`"
    if kind.acpi:
        yield Requirement("ACPI", f"to find {devices}, and to switch it off", keys=_MACHINE_TYPE)
    if kind.bus == "pci":
        yield Requirement("VIRTIO_PCI", f"for {devices}", "virtio_pci", keys=_MACHINE_TYPE)
    else:
        yield Requirement("VIRTIO_MMIO", f"for {devices}", "virtio_mmio", keys=_MACHINE_TYPE)
    if kind.device_bytes:
        yield Requirement("VIRTIO_MMIO_CMDLINE_DEVICES", f"to find {devices}", keys=_MACHINE_TYPE)
