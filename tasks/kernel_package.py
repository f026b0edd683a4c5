"""Debian's kernel: unpack its package, check its configuration, install its files."""

from collections.abc import Iterator
from pathlib import Path

from notos.home import own
from notos.kernel import requirements
from notos.system import contents
from tasks import project, sets
from tasks.config import CACHE, FEATURES, MACHINE, manifest
from tasks.graph import Task, action
from tasks.targets import write_if_changed

EDITED = ["kernel:configure"]


def tasks(config: str, vmlinuz: str, vmlinux: str) -> Iterator[Task]:
    """Yield the three tasks; `config`, `vmlinuz` and `vmlinux` are targets of the last two."""
    yield {
        "name": "fetch",
        "doc": "unpack the kernel's package",
        "actions": [action(fetch)],
        "file_dep": [sets.path(contents.KERNEL)],
        "task_dep": ["fetch"],
        "targets": [manifest("kernel")],
        "clean": True,
    }
    yield {
        "name": "configure",
        "doc": "check that the kernel meets the machine's requirements",
        "actions": [(action(configure), [config])],
        "file_dep": [manifest("kernel")],
        "targets": [config],
        "clean": True,
    }
    yield {
        "name": "build",
        "doc": "install vmlinuz, and vmlinux for TCG",
        "actions": [(action(put), [vmlinuz, vmlinux])],
        "file_dep": [manifest("kernel"), config],
        "targets": [vmlinuz, vmlinux],
        "clean": True,
    }


def fetch() -> None:
    """Add vmlinuz, the configuration and all modules of the kernel's package to the store."""
    from notos.debian.unpack import unpack
    from notos.kernel import package as kernel_package
    from notos.kernel.modules import Modules

    tree = kernel_package.shape(unpack(sets.debs(contents.KERNEL, CACHE)), MACHINE.target)
    project.add("kernel", f"linux-{kernel_package.version(Modules(tree).release)}", tree)


def configure(config: str) -> None:
    """Check the configuration, and copy it to the build folder."""
    from notos.kernel import kconfig

    text = (project.STORE.location(project.get("kernel")) / "config").read_bytes()
    requirements.check(kconfig.symbols(text.decode()), FEATURES.requirements)
    write_if_changed(config, text)


def put(vmlinuz: str, vmlinux: str) -> None:
    """Copy vmlinuz from the store, and write vmlinux: the unpacked kernel, empty if QEMU cannot start it."""
    from notos.kernel import vmlinux as elf

    packed = (project.STORE.location(project.get("kernel")) / "vmlinuz").read_bytes()
    write_if_changed(vmlinuz, packed)
    write_if_changed(vmlinux, elf.uncompressed(packed, MACHINE.target) or b"")


def menuconfig(_config: str) -> None:
    """Raise KernelError: the configuration of Debian's kernel is fixed."""
    from notos.errors import KernelError

    raise KernelError(
        f"{MACHINE.kernel.package} is a binary kernel of Debian, with a fixed configuration",
        hint="set kernel.source, for example to linux-source-6.12, "
        f"and kernel.fragments to files of {own('kernel')}",
    )


def diffconfig(config: str) -> None:
    """Print the options that the machine needs, with their values in the kernel."""
    from notos.kernel import kconfig

    symbols = kconfig.symbols(Path(config).read_text())
    for each in FEATURES.requirements:
        print(f"  {each.symbol:<28} {symbols.get(each.symbol, 'n'):<4} needed {each.why}")
