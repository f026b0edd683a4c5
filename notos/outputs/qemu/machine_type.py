"""QEMU's machine types: options, device arguments and kernel parameters.

q35 has PCI and ACPI. A microvm has neither: QEMU adds the addresses of its devices to the kernel's command
line, and a triple fault restarts it.
"""

from typing import NamedTuple


class MachineType(NamedTuple):
    """A machine type, as words of QEMU's and of the kernel's command line.

    The root drive comes first, so it is /dev/vda, and a second drive is /dev/vdb. A drive's device is empty
    if QEMU creates it with the drive.
    """

    options: str  # of -machine
    root_drive: str  # of -drive, before file=
    second_drive: str
    network_device: str
    random_device: str
    root_device: str = ""
    second_device: str = ""
    kernel_params: tuple[str, ...] = ()
    alone_params: tuple[str, ...] = ()  # if one processor is emulated
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
        # The address of fw_cfg's registers, and restart by triple fault.
        kernel_params=("qemu_fw_cfg.ioport=12@0x510:0:1:4", "reboot=t"),
        # Calibrating the local timer takes 0.2 s; the PIT needs no calibration.
        alone_params=("nolapic_timer",),
        added=8 * len(" virtio_mmio.device=512@0xfeb00000:12"),
    ),
}
