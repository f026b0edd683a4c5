"""QEMU's machine types: their options, how devices are attached, and what their kernels are given.

q35 has PCI and ACPI. A microvm has neither: QEMU adds the places of its devices to the kernel's command
line, and a triple fault restarts it.
"""

from typing import NamedTuple


class MachineType(NamedTuple):
    """A machine type, as the words of QEMU's and of the kernel's command line.

    The root's drive comes first, so that it is /dev/vda, and a second drive is /dev/vdb. A device that is
    empty comes with its drive.
    """

    options: str  # of -machine
    root_drive: str  # of -drive, before file=
    second_drive: str
    network_device: str
    random_device: str
    root_device: str = ""
    second_device: str = ""
    kernel_params: tuple[str, ...] = ()
    alone_params: tuple[str, ...] = ()  # where one processor is emulated
    added: int = 0  # bytes that QEMU may add to the kernel's command line


TYPES = {
    "q35": MachineType(
        options="q35",
        root_drive="index=0,if=virtio,media=cdrom",
        second_drive="index=1,if=virtio",
        network_device="virtio-net-pci,netdev=net0,romfile=",
        random_device="virtio-rng-pci",
    ),
    "microvm": MachineType(
        options="microvm,acpi=off,rtc=on",
        root_drive="id=root,if=none",
        root_device="virtio-blk-device,drive=root",
        second_drive="id=disk,if=none",
        second_device="virtio-blk-device,drive=disk",
        network_device="virtio-net-device,netdev=net0",
        random_device="virtio-rng-device",
        # Where fw_cfg's registers are, and how the machine restarts.
        kernel_params=("qemu_fw_cfg.ioport=12@0x510:0:1:4", "reboot=t"),
        # Measuring the local timer takes 0.2 s; the PIT needs no measuring.
        alone_params=("nolapic_timer",),
        added=8 * len(" virtio_mmio.device=512@0xfeb00000:12"),
    ),
}
