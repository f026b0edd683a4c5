"""The lists of packages in a config, by the key that has them."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from notos.config.model import Machine, Package


class PackageList(NamedTuple):
    """A list: the path of its key, its packages, and where these are.

    Those of `script` are for a script of `system.scripts` or the build of a program, not for the machine.
    """

    keys: tuple[str, ...]
    packages: tuple[Package, ...]
    part: Literal["system", "initrd", "script"] = "system"


def package_lists(machine: Machine) -> Iterator[PackageList]:
    """Yield all lists of packages with settings, those of the system and of the initrd first."""
    yield PackageList(("system", "packages"), machine.system.packages)
    yield PackageList(("initrd", "packages"), machine.initrd.packages, "initrd")
    name: str
    for name, service in machine.services.items():
        yield PackageList(("services", name, "packages"), service.packages or ())
    for name, boot in machine.boot.items():
        keys = ("boot", name, "packages")
        yield PackageList(keys, boot.packages, "initrd" if boot.when == "pre-mount" else "system")
    for name, timer in machine.timers.items():
        yield PackageList(("timers", name, "packages"), timer.packages or ())
    for name, script in machine.system.scripts.items():
        yield PackageList(("system", "scripts", name, "packages"), script.packages, "script")
    for name, program in machine.build.programs.items():
        yield PackageList(("build", name, "packages"), program.packages, "script")
        yield PackageList(("build", name, "needs"), program.needs)


def system_names(machine: Machine) -> set[str]:
    """Return the names of the packages of the running system that the config lists."""
    return {
        package.name for each in package_lists(machine) if each.part == "system" for package in each.packages
    }
