"""Debian's kernel: its package opened, its configuration checked, its files put where they belong."""

from collections.abc import Iterator
from pathlib import Path

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
    """Put the kernel's package into the store: vmlinuz, config and all modules."""
    from notos.debian.unpack import unpack
    from notos.kernel import package as kernel_package
    from notos.kernel.modules import Modules

    tree = kernel_package.shape(unpack(sets.debs(contents.KERNEL, CACHE)), MACHINE.target)
    project.add("kernel", f"linux-{kernel_package.version(Modules(tree).release)}", tree)


def configure(config: str) -> None:
    """Check the configuration, and put it where one can read it."""
    from notos.kernel import kconfig

    text = (project.STORE.location(project.get("kernel")) / "config").read_bytes()
    requirements.check(kconfig.symbols(text.decode()), FEATURES.requirements)
    write_if_changed(config, text)


def put(vmlinuz: str, vmlinux: str) -> None:
    """Copy vmlinuz out of the store; beside it the kernel unpacked, or nothing if it cannot be started so."""
    from notos.kernel import vmlinux as elf

    packed = (project.STORE.location(project.get("kernel")) / "vmlinuz").read_bytes()
    write_if_changed(vmlinuz, packed)
    write_if_changed(vmlinux, elf.uncompressed(packed, MACHINE.target) or b"")


def menuconfig(_config: str) -> None:
    """Debian's kernel is as it is. Raises KernelError."""
    from notos.errors import KernelError

    raise KernelError(
        f"{MACHINE.kernel.package} is Debian's own kernel, whose configuration is made",
        hint="say kernel.source in the config to build one, as examples/tiny-kernel.yaml does",
    )


def diffconfig(config: str) -> None:
    """Print what the machine needs, and what the kernel has."""
    from notos.kernel import kconfig

    symbols = kconfig.symbols(Path(config).read_text())
    for each in FEATURES.requirements:
        print(f"  {each.symbol:<28} {symbols.get(each.symbol, 'n'):<4} needed {each.why}")
