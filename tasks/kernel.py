"""The kernel, from Debian's package or compiled from source, and the selected modules.

Both have the same tasks and targets. The actions are in tasks/kernel_package.py and tasks/kernel_source.py.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from notos.kernel import requirements
from notos.system import contents
from tasks import kernel_package, kernel_source, project, sets, tools
from tasks.config import CACHE, FEATURES, MACHINE, build, manifest
from tasks.graph import Task, action
from tasks.usage import FRAGMENT, options, usage

if TYPE_CHECKING:
    from notos.kernel.modules import Modules

CONFIG = build("kernel.config")
VMLINUZ = build("vmlinuz")
VMLINUX = build("vmlinux")


def firmware_sets() -> list[str]:
    """Return the set of firmware packages, if the config names some."""
    return [contents.FIRMWARE] if MACHINE.kernel.firmware else []


def task_kernel() -> Iterator[Task]:
    """fetch, configure and build the kernel

    kernel:menuconfig edits the configuration; kernel:diffconfig compares it with the config's options.
    """
    made = kernel_package if MACHINE.kernel.source is None else kernel_source
    yield from made.tasks(CONFIG, VMLINUZ, VMLINUX)
    yield {
        "name": "menuconfig",
        "doc": "edit the kernel's configuration in menuconfig, and write the changes as a fragment",
        "actions": [(action(made.menuconfig), [CONFIG])],
        "task_dep": made.EDITED,
        "params": options(FRAGMENT),
        "meta": usage(example="--to mine.config"),
    }
    yield {
        "name": "diffconfig",
        "doc": "compare the requested configuration with the result",
        "actions": [(action(made.diffconfig), [CONFIG])],
        "task_dep": made.EDITED,
        "meta": usage(),
    }


def system_modules() -> list[str]:
    """Return the modules for modprobe in the running system: those of the config and of the boot scripts."""
    later = [each.module for each in FEATURES.requirements if not each.early]
    return list(dict.fromkeys([*MACHINE.kernel.system_modules, *later]))


def task_modules() -> Task:
    """select the modules and their dependencies"""
    return {
        "actions": [action(pick)],
        "file_dep": [manifest("kernel"), CONFIG, tools.target("image"), *map(sets.path, firmware_sets())],
        "targets": [manifest("modules"), manifest("system-modules")],
        "clean": True,
    }


def pick() -> None:
    """Make the module trees of stage-1 and of the running system. Raises KernelError."""
    from notos.debian.unpack import unpack
    from notos.kernel import kconfig, modules, package

    symbols = kconfig.symbols(Path(CONFIG).read_text())
    implied = requirements.implied(symbols, FEATURES.requirements)
    loaded = list(dict.fromkeys([*MACHINE.kernel.modules, *implied]))
    opened = modules.Modules(project.tree("kernel"))
    _check_named(opened)
    version = package.version(opened.release)
    firmware = unpack([deb for name in firmware_sets() for deb in sets.debs(name, CACHE)])
    depmod = tools.command("image", "depmod")
    for target, names, name in (
        ("modules", loaded, f"linux-{version}-shrunk"),
        ("system-modules", system_modules(), f"linux-{version}-modules"),
    ):
        closure = opened.closure(names)
        project.add(target, name, modules.shrink(opened, closure, depmod, firmware=firmware))


def _check_named(opened: "Modules") -> None:
    """Raise KernelError with all modules of the config that the kernel lacks."""
    from notos import errors

    more = ""
    if MACHINE.kernel.source is None and "cloud" in MACHINE.kernel.package:
        more = f"kernel.package: {MACHINE.target.general_kernel_package} has more modules"
    errors.raise_all(
        opened.unknown(name, more, keys=("kernel", key, name))
        for key, names in (
            ("modules", MACHINE.kernel.modules),
            ("system_modules", MACHINE.kernel.system_modules),
        )
        for name in names
        if not opened.has(name)
    )
