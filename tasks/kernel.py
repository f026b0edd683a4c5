"""The kernel: its package opened, its configuration checked, vmlinuz and the modules that are wanted."""

from collections.abc import Iterator
from pathlib import Path

from notos import features
from tasks import project, sets, tools
from tasks.graph import (
    CACHE,
    MACHINE,
    Task,
    build,
    intact,
    manifest,
    settings,
    step,
    write_if_changed,
)

CONFIG = build("kernel.config")
VMLINUZ = build("vmlinuz")
VMLINUX = build("vmlinux")
FEATURES = {"network": MACHINE.network.method != "none", "nix": MACHINE.nix.enable}
MODULES = list(MACHINE.kernel.modules)
FIRMWARE = [features.FIRMWARE] if MACHINE.kernel.firmware else []
# The key that runvm.sh hands over comes by fw_cfg.
SYSTEM_MODULES = [*MACHINE.kernel.system_modules, *(["qemu_fw_cfg"] if MACHINE.ssh.server != "none" else [])]


def task_kernel() -> Iterator[Task]:
    """the kernel: fetch, configure, build"""
    yield {
        "name": "fetch",
        "doc": "open the kernel's package",
        "actions": [step(open_package)],
        "file_dep": [sets.path(features.KERNEL)],
        "task_dep": ["fetch"],
        "targets": [manifest("kernel")],
        "uptodate": [settings({}, open_package), intact()],
        "clean": True,
    }
    yield {
        "name": "configure",
        "doc": "check that the kernel can do what the machine needs",
        "actions": [step(configure)],
        "file_dep": [manifest("kernel")],
        "targets": [CONFIG],
        "uptodate": [settings(FEATURES, configure), intact()],
        "clean": True,
    }
    yield {
        "name": "build",
        "doc": "put vmlinuz in its place, and vmlinux for emulation",
        "actions": [step(put)],
        "file_dep": [manifest("kernel"), CONFIG],
        "targets": [VMLINUZ, VMLINUX],
        "uptodate": [settings({}, put), intact()],
        "clean": True,
    }


def task_modules() -> Task:
    """pick the modules that are wanted, with what they need"""
    return {
        "actions": [step(pick)],
        "file_dep": [manifest("kernel"), CONFIG, tools.target("image"), *map(sets.path, FIRMWARE)],
        "targets": [manifest("modules"), manifest("system-modules")],
        "uptodate": [settings([FEATURES, MODULES, SYSTEM_MODULES], pick), intact()],
        "clean": True,
    }


def open_package() -> None:
    """Put the kernel's package into the store: vmlinuz, config and all modules."""
    from notos import kernel
    from notos.modules import Kernel
    from notos.packages import unpack

    tree = kernel.shape(unpack(sets.debs(features.KERNEL, CACHE)))
    project.add("kernel", f"linux-{kernel.version(Kernel(tree).release)}", tree)


def configure() -> None:
    """Check the configuration, and put it where one can read it."""
    from notos import kernel

    text = (project.STORE.location(project.get("kernel")) / "config").read_bytes()
    kernel.check(kernel.symbols(text.decode()), kernel.requirements(MACHINE))
    write_if_changed(CONFIG, text)


def put() -> None:
    """Copy vmlinuz out of the store; beside it the kernel unpacked, or nothing if it cannot be started so."""
    from notos import kernel

    packed = (project.STORE.location(project.get("kernel")) / "vmlinuz").read_bytes()
    write_if_changed(VMLINUZ, packed)
    write_if_changed(VMLINUX, kernel.uncompressed(packed) or b"")


def pick() -> None:
    """Make the trees of stage-1's modules and of the running system's."""
    from notos import kernel, modules
    from notos.packages import unpack

    symbols = kernel.symbols(Path(CONFIG).read_text())
    kernel.check_loaded(symbols, kernel.requirements(MACHINE), MODULES)
    opened = modules.Kernel(project.tree("kernel"))
    version = kernel.version(opened.release)
    firmware = unpack([deb for name in FIRMWARE for deb in sets.debs(name, CACHE)])
    depmod = tools.command("image", "depmod")
    for target, names, name in (
        ("modules", MODULES, f"linux-{version}-shrunk"),
        ("system-modules", SYSTEM_MODULES, f"linux-{version}-modules"),
    ):
        closure = opened.closure(names)
        project.add(target, name, modules.shrink(opened, closure, depmod, firmware=firmware))
