"""An architecture that does not exist: what differs between architectures must come from the value."""

from notos.architecture import Architecture, MachineType

OTHER = Architecture(
    debian="other",
    uname="other32",
    gnu="other-linux-gnu",
    nix="other-linux",
    systemd="other",
    node="other",
    title="Other",
    audit_number=0xC0000999,
    syscall_table="generic",
    elf=(1, 2, 999),
    loader="/lib/ld-other.so.9",
    library_folders=("usr/lib/other-linux-gnu", "usr/lib"),
    library_flags=0x0003,
    kernel_arch="otherarch",
    kernel_folder="otherfolder",
    kernel_image="arch/otherfolder/boot/Image",
    kernel_objects={"": "", "kernel": "other-y"},
    defconfigs=("other_defconfig",),
    kernel_package="linux-image-cloud-other",
    general_kernel_package="linux-image-other",
    cross_packages=("gcc-other-linux-gnu",),
    command_line_size=512,
    pvh=False,
    console="ttyOTHER",
    console_symbol="SERIAL_OTHER_CONSOLE",
    qemu="qemu-system-other",
    qemu_packages={"qemu-system-misc": ("usr/bin/qemu-system-other",), "other-firmware": ()},
    qemu_data=("usr/share/other-firmware",),
    qemu_cpu="other-cpu",
    kvm_flags=("otherflag",),
    machine_types={
        "q35": MachineType(
            options="other-machine,iommu=off", bus="pci", acpi=True, kernel_params=("otherparam=1",)
        ),
        "microvm": MachineType(options="other-small", bus="mmio", acpi=False, device_bytes=100),
    },
)
