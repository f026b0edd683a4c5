"""The drives and devices of a machine in QEMU, by the bus of its machine type."""

from typing import NamedTuple


class Devices(NamedTuple):
    """Words of QEMU's command line.

    The root drive comes first, so it is /dev/vda, and a second drive is /dev/vdb. A drive's device is empty
    if QEMU creates it with the drive.
    """

    root_drive: str  # of -drive, before file=
    second_drive: str
    network_device: str  # of -device, like the following; without netdev=
    random_device: str
    root_device: str = ""
    second_device: str = ""
    instance_drive: str = ""  # with instance data; empty where fw_cfg passes them
    instance_device: str = ""


DEVICES = {
    "pci": Devices(
        root_drive="index=0,if=virtio,media=cdrom",
        second_drive="index=1,if=virtio",
        network_device="virtio-net-pci,romfile=",
        random_device="virtio-rng-pci",
    ),
    "mmio": Devices(
        root_drive="id=root,if=none",
        root_device="virtio-blk-device,drive=root",
        second_drive="id=disk,if=none",
        second_device="virtio-blk-device,drive=disk",
        instance_drive="id=instance,if=none",
        instance_device="virtio-blk-device,drive=instance",
        network_device="virtio-net-device",
        random_device="virtio-rng-device",
    ),
}
