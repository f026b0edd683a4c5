"""The kernel, from Debian's package or compiled from source, and the selected modules.

Both have the same tasks and targets. The actions are in tasks/kernel_package.py and tasks/kernel_source.py.
"""

from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from notos.errors import KernelError
from notos.kernel import requirements
from notos.system import contents
from tasks import kernel_package, kernel_source, project, sets, tools
from tasks.config import CACHE, FEATURES, MACHINE, build, manifest
from tasks.graph import Task, action
from tasks.inputs import recorded
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


def system_modules(opened: "Modules") -> list[str]:
    """Return the modules for modprobe in the running system: of the config, and of the features."""
    from notos.kernel import purposes

    later = [each.module for each in FEATURES.requirements if not each.early]
    chosen = purposes.modules(opened.paths, MACHINE.kernel.for_)
    return list(dict.fromkeys([*MACHINE.kernel.system_modules, *later, *FEATURES.modules, *chosen]))


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
    in_system = system_modules(opened)
    _check(opened, {*loaded, *in_system})
    version = package.version(opened.release)
    firmware = unpack([deb for name in firmware_sets() for deb in sets.debs(name, CACHE)])
    depmod = tools.command("image", "depmod")
    for target, names, name in (
        ("modules", loaded, f"linux-{version}-shrunk"),
        ("system-modules", in_system, f"linux-{version}-modules"),
    ):
        closure = opened.closure(names)
        project.add(target, name, modules.shrink(opened, closure, depmod, firmware=firmware))


def _check(opened: "Modules", selected: Collection[str]) -> None:
    """Raise KernelError naming what the kernel lacks of the config, and what the modules `selected` lack."""
    from notos import errors
    from notos.kernel import purposes

    more = ""
    if MACHINE.kernel.source is None and "cloud" in MACHINE.kernel.package:
        more = f"kernel.package: {MACHINE.target.general_kernel_package} has more modules"
    named = [
        *((name, ("kernel", "modules", name)) for name in MACHINE.kernel.modules),
        *((name, ("kernel", "system_modules", name)) for name in MACHINE.kernel.system_modules),
        *FEATURES.modules.items(),
    ]
    found = [opened.unknown(name, more, keys=keys) for name, keys in named if not opened.has(name)]
    for purpose in MACHINE.kernel.for_:
        lacking = [name for name in purposes.PURPOSES[purpose].needed if not opened.has(name)]
        if lacking:
            message = f"kernel {opened.release} lacks modules for {purpose}: {', '.join(lacking)}"
            found.append(KernelError(message, hint=more, keys=("kernel", "for", purpose)))
    found += opened.check_options(FEATURES.module_options)

    @cache
    def files() -> Collection[str]:
        return set(opened.closure(name for name in selected if opened.has(name)).files)

    def present(name: str) -> bool:
        return name in opened.builtin or opened.paths.get(name) in files()

    for package, serving in purposes.wanting(system_packages(), present).items():
        # A purpose that the config has selected, and that lacks them still: the kernel has no such modules.
        is_other = {purposes.ALL, serving}.isdisjoint(MACHINE.kernel.for_)
        advice = f"write kernel: {{for: [{serving}]}}; docs/kernel.md has the purposes"
        found.append(
            KernelError(
                f"the package {package} needs kernel modules that the machine lacks",
                hint=advice if is_other else more or "compile a kernel that has them (kernel.source)",
                package=package,
            )
        )
    errors.raise_all(found)


@recorded
def system_packages() -> list[str]:
    """Return the names of the packages with a purpose, of those that the config or a feature lists."""
    from notos.kernel import purposes

    names = (each.name for each in contents.system_packages(MACHINE, FEATURES))
    return [name for name in names if purposes.serves(name)]
