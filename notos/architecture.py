"""Processor architectures: every name and fact by which one differs from another, as data.

Two roles, as in GNU's configure, which calls the second one "host":

    build    the architecture of this computer: the tools trees are made for it, and it runs the build
    target   the architecture of the machine: its kernel and its packages are made for it

Functions take the one that they need as an argument. `Machine.target` chooses the target, and `host`
finds the build architecture; no other module names an architecture.
"""

import os
from collections.abc import Mapping
from typing import Literal

from notos.errors import HostError
from notos.structs import dataclass


@dataclass(frozen=True, kw_only=True)
class MachineType:
    """A machine type of QEMU (-machine), and the kernel parameters that it needs."""

    options: str  # the argument of -machine, without the accelerator
    bus: Literal["pci", "mmio"]  # of its virtio devices
    acpi: bool
    kernel_params: tuple[str, ...] = ()
    single_processor_params: tuple[str, ...] = ()  # if QEMU emulates one processor
    device_bytes: int = 0  # most bytes that QEMU adds to the kernel's command line


@dataclass(frozen=True, kw_only=True, eq=False)
class Architecture:
    """One architecture. Paths below usr/ are those of Debian's packages, usr-merged.

    There is one value of each: they compare by identity.
    """

    debian: str  # Debian's name, DEB_HOST_ARCH of dpkg-architecture(1)
    uname: str  # the machine's name in uname(2)
    gnu: str  # the triplet, DEB_HOST_MULTIARCH of dpkg-architecture(1)
    nix: str  # Nix' name of the system (nix.conf(5), system)
    systemd: str  # systemd's name, %a of systemd.unit(5)
    node: str  # the name in Node.js (process.arch)
    title: str  # the name in messages

    # System calls, for seccomp(2)
    audit_number: int  # AUDIT_ARCH_… (include/uapi/linux/audit.h)
    syscall_table: Literal["64", "generic"]  # the kernel's name of their numbers, as in units/syscalls.py

    # ELF: EI_CLASS, EI_DATA and e_machine of the header (System V gABI, chapter 4), and ld.so(8)
    elf: tuple[int, int, int]
    loader: str  # the path that programs have in PT_INTERP
    library_folders: tuple[str, ...]  # where Debian's ld.so looks by default, usr-merged
    library_flags: int  # of a library in /etc/ld.so.cache (sysdeps/generic/ldconfig.h in glibc)

    # The kernel's makefiles, and Debian's packages of it
    kernel_arch: str  # ARCH of make
    kernel_folder: str  # SRCARCH: the folder below arch/
    kernel_image: str  # what `make all` builds for boot loaders, below the output
    kernel_objects: Mapping[str, str]  # by folder below arch/SRCARCH, its list of objects besides obj-y
    defconfigs: tuple[str, ...]  # make targets for configurations, besides those of all architectures
    kernel_package: str  # Debian's kernel for virtual machines
    general_kernel_package: str  # Debian's kernel with all modules
    cross_packages: tuple[str, ...]  # compile for this architecture on another one
    command_line_size: int  # COMMAND_LINE_SIZE, which counts the zero at the end
    pvh: bool  # True if QEMU can boot the kernel's ELF file by its PVH note (XEN_ELFNOTE_PHYS32_ENTRY)
    console: str  # the kernel's name of QEMU's first serial port
    console_symbol: str  # the configuration's symbol for a console there

    # QEMU
    qemu: str  # the program that has this architecture's machines
    qemu_packages: Mapping[str, tuple[str, ...]]  # the program's and the firmware's: globs, () for all files
    qemu_data: tuple[str, ...]  # folders of firmware and keymaps (-L)
    qemu_cpu: str  # -cpu if the processor is emulated
    kvm_flags: tuple[str, ...]  # one of them is in /proc/cpuinfo if the processor supports KVM
    machine_types: Mapping[str, MachineType]  # by the name in vm.machine

    @property
    def libraries(self) -> str:
        """The folder of Debian's libraries (multiarch)."""
        return f"usr/lib/{self.gnu}"

    @property
    def bits(self) -> int:
        """The size of an address: 32 or 64, by EI_CLASS."""
        return 32 * self.elf[0]

    @property
    def loader_name(self) -> str:
        """The loader's file name, which is its soname."""
        return self.loader.rpartition("/")[2]


AMD64 = Architecture(
    debian="amd64",
    uname="x86_64",
    gnu="x86_64-linux-gnu",
    nix="x86_64-linux",
    systemd="x86-64",
    node="x64",
    title="x86-64",
    audit_number=0xC000003E,
    syscall_table="64",
    elf=(2, 1, 62),
    loader="/lib64/ld-linux-x86-64.so.2",
    library_folders=("usr/lib/x86_64-linux-gnu", "usr/lib"),
    library_flags=0x0303,
    kernel_arch="x86_64",
    kernel_folder="x86",
    kernel_image="arch/x86/boot/bzImage",
    kernel_objects={
        **{"": "", "lib": "", "boot": "setup-y", "boot/compressed": "vmlinux-objs-y"},
        **{"realmode/rm": "realmode-y", "entry/vdso": "vobjs-y"},
    },
    defconfigs=("x86_64_defconfig",),
    kernel_package="linux-image-cloud-amd64",
    general_kernel_package="linux-image-amd64",
    cross_packages=("binutils-x86-64-linux-gnu", "gcc-x86-64-linux-gnu"),
    command_line_size=2048,
    pvh=True,
    console="ttyS0",
    console_symbol="SERIAL_8250_CONSOLE",
    qemu="qemu-system-x86_64",
    qemu_packages={"qemu-system-x86": ("usr/bin/qemu-system-x86_64",), "seabios": ()},
    qemu_data=("usr/share/qemu", "usr/share/seabios"),
    # Without the features that are slowest to emulate: byte-wise copying, five-level page tables, and saving
    # 256-bit registers (AVX needs that; Linux 7 uses AVX without a look at it).
    qemu_cpu="max,-erms,-fsrm,-la57,-xsave,-avx,-avx2,-f16c,-fma",
    kvm_flags=("vmx", "svm"),
    machine_types={
        "q35": MachineType(options="q35", bus="pci", acpi=True),
        # Without ACPI, which is slow: QEMU lists the devices on the kernel's command line, and a triple fault
        # restarts the machine.
        # Calibrating an emulated local timer takes 0.2 s; the PIT needs no calibration.
        "microvm": MachineType(
            options="microvm,acpi=off,rtc=on",
            bus="mmio",
            acpi=False,
            kernel_params=("qemu_fw_cfg.ioport=12@0x510:0:1:4", "reboot=t"),
            single_processor_params=("nolapic_timer",),
            device_bytes=8 * len(" virtio_mmio.device=512@0xfeb00000:12"),  # of up to eight devices
        ),
    },
)

ALL = (AMD64,)


def host() -> Architecture:
    """Return the architecture of this computer. Raises HostError for one that Notos does not build on."""
    name = os.uname().machine
    for each in ALL:
        if each.uname == name:
            return each
    titles = " or ".join(each.title for each in ALL)
    raise HostError(f"Notos runs on Linux on {titles} only; this is {name}")
