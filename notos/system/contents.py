"""The packages of a machine: those in its config and those of its features."""

from collections.abc import Container, Iterable
from typing import Literal

from notos.architecture import Architecture
from notos.config.model import Machine, Package, PackageName, Program, SystemScript
from notos.features import named
from notos.features.model import Features
from notos.lock.request import Request

# Sets of packages, each with its own closure, resolved together.
SYSTEM, INITRD, KERNEL, SOURCE, FIRMWARE = "system", "initrd", "kernel", "source", "firmware"
TOOLS_IMAGE, TOOLS_KERNEL, TOOLS_QEMU = "tools/image", "tools/kernel", "tools/qemu"
TOOLS_SANDBOX, TOOLS_RUN_UNIT = "tools/sandbox", "tools/run-unit"


def package(
    name: str,
    *,
    closure: Literal["elf", "depends"] = "elf",
    only: tuple[str, ...] = (),
    exclude: tuple[str, ...] = (),
) -> Package:
    """Return a package of a tools tree."""
    return Package(name=PackageName(name), closure=closure, only=only, exclude=exclude)  # type: ignore[arg-type]


COMPILERS = "binutils bison flex gcc libc6-dev libelf-dev libncurses-dev libssl-dev make perl-base"
CALLED = """
bash bc bubblewrap bzip2 ccache coreutils cpio dash diffutils distcc dwarves findutils grep gzip icecc lz4
mawk ncurses-base patch sed tar xz-utils zstd
"""

# Programs that the build runs on this host, without the parts for other processors and for displays.
TOOLS = {
    TOOLS_IMAGE: (package("kmod", only=("usr/bin/kmod", "usr/sbin/depmod")),),
    # Compilers with all their dependencies, and the programs that makefiles call.
    TOOLS_KERNEL: (
        *(package(name, closure="depends") for name in COMPILERS.split()),
        *(package(name) for name in CALLED.split()),
    ),
    TOOLS_QEMU: (
        package("openssh-client", only=("usr/bin/ssh", "usr/bin/ssh-keygen")),
        package(
            "qemu-system-data",
            only=("usr/share/qemu/*.bin", "usr/share/qemu/*.rom", "usr/share/qemu/keymaps/*"),
            exclude=("usr/share/qemu/slof.bin", "usr/share/qemu/u-boot*"),
        ),
    ),
    TOOLS_SANDBOX: (package("bubblewrap"),),
    # gcc's compiler proper without its driver, and musl; tool_packages adds the assembler and the linker.
    TOOLS_RUN_UNIT: (
        package("bubblewrap"),
        package("cpp", closure="depends"),
        package("linux-libc-dev", only=("usr/include/*", "usr/lib/linux/uapi/*")),
        package("musl-dev", only=("usr/include/*", "usr/lib/*/*.o", "usr/lib/*/libc.a")),
    ),
}

# The clock of the scripts in `system.scripts`, by LD_PRELOAD.
CLOCK = package("libfaketime", only=("usr/lib/*/faketime/libfaketime.so.1",))

# The shell of the builds in `build`, and the programs that it calls.
SHELL = """
bash bzip2 coreutils dash diffutils findutils grep gzip libc6 mawk patch perl-base sed tar xz-utils
"""

# Parts of packages that a tools tree keeps, although unpacking omits them by default (debian/kinds.py).
KEEP = {TOOLS_KERNEL: ("headers",)}


def system_packages(machine: Machine, features: Features) -> tuple[Package, ...]:
    """Return all packages of the system; the config's settings for a package override a feature's.

    Those of features are without a closure, except where a feature chooses one (features/named.py).
    """
    needed = (each for program in machine.build.programs.values() for each in program_needs(program))
    packages = (
        *features.optional_packages,
        *features.packages,
        *needed,
        *map(named.settled, machine.system.packages),
    )
    by_name: dict[str, Package] = {each.name: each for each in packages}
    return tuple(by_name[name] for name in sorted(by_name))


def initrd_packages(machine: Machine, features: Features) -> tuple[Package, ...]:
    """Return all packages of the initrd; the config's settings for a package override a feature's."""
    named = {each.name for each in machine.initrd.packages}
    return (
        *machine.initrd.packages,
        *(each for each in features.initrd_packages if each.name not in named),
    )


def has_units(features: Features) -> bool:
    """Return True if the machine runs systemd units, for which it needs run-unit."""
    return bool(features.units)


def tools(machine: Machine, features: Features) -> tuple[str, ...]:
    """Return the names of the tool sets that the build of `machine` needs."""
    unused = {TOOLS_KERNEL} if machine.kernel.source is None else set()
    if not machine.system.scripts and not machine.build.programs:
        unused.add(TOOLS_SANDBOX)
    if not has_units(features):
        unused.add(TOOLS_RUN_UNIT)
    own = (name for name in TOOLS if name not in unused)
    return (*own, *(f"tools/{name}" for name in features.tools))


def tool_packages(
    name: str, features: Features, target: Architecture, build: Architecture
) -> tuple[Package, ...]:
    """Return the packages of the tool set `name`, to build for `target` on `build`."""
    if name not in TOOLS:
        return features.tools[name.removeprefix("tools/")]
    if name == TOOLS_QEMU:
        return (*TOOLS[name], *(package(each, only=only) for each, only in target.qemu_packages.items()))
    if name == TOOLS_RUN_UNIT:
        binutils = f"binutils-{build.gnu.replace('_', '-')}"
        return (*TOOLS[name], package(binutils, only=("usr/bin/*-as", "usr/bin/*-ld.bfd")))
    if name == TOOLS_KERNEL and target != build:
        return (*TOOLS[name], *(package(each, closure="depends") for each in target.cross_packages))
    return TOOLS[name]


def script_set(name: str) -> str:
    """Return the name of the set of packages that only the script `name` of `system.scripts` needs."""
    return f"scripts/{name}"


def script_packages(script: SystemScript) -> tuple[Package, ...]:
    """Return the packages that only a script of `system.scripts` needs."""
    return (CLOCK, *map(named.settled, script.packages))


def program_set(name: str) -> str:
    """Return the name of the set of packages of the build of the program `name`."""
    return f"programs/{name}"


def program_packages(program: Program) -> tuple[Package, ...]:
    """Return the packages of a program's build; those that it needs in the machine are among them."""
    from notos.programs import kinds

    found = kinds.of(program.source)
    usual = kinds.build_packages(program.source, found, named=bool(program.packages))
    by_name = {each.name: each for each in (CLOCK, *map(package, SHELL.split()))}
    by_name |= {each.name: each for each in (*map(_user_package, usual), *program_needs(program))}
    by_name |= {each.name: each for each in map(named.settled, program.packages)}
    return tuple(by_name.values())


def program_needs(program: Program) -> tuple[Package, ...]:
    """Return the packages that a program needs in the machine."""
    from notos.programs import kinds

    found = [_user_package(name) for each in kinds.of(program.source) for name in each.needs]
    by_name: dict[str, Package] = {each.name: each for each in found}
    by_name |= {each.name: each for each in map(named.settled, program.needs)}
    return tuple(by_name.values())


def _user_package(name: str) -> Package:
    """Return a package as if a user named it: with all its dependencies."""
    return named.settled(Package(name=PackageName(name)))


def requests(machine: Machine, features: Features, build: Architecture) -> dict[str, dict[str, Request]]:
    """Return what config.lock must have to build `machine` on `build`: requests by set and package."""
    sets: dict[str, dict[str, Request]] = {
        SYSTEM: _requests(system_packages(machine, features), optional=optional_names(machine, features)),
        INITRD: _requests(initrd_packages(machine, features)),
        **{
            name: _requests(tool_packages(name, features, machine.target, build))
            for name in tools(machine, features)
        },
    }
    for name, script in machine.system.scripts.items():
        sets[script_set(name)] = _requests(script_packages(script))
    for name, program in machine.build.programs.items():
        sets[program_set(name)] = _requests(program_packages(program))
    source = machine.kernel.source
    if source is None:
        sets[KERNEL] = {machine.kernel.package: Request("package")}
    elif source.package is not None:
        sets[SOURCE] = {source.package: Request("package")}
    if machine.kernel.firmware:
        sets[FIRMWARE] = dict.fromkeys(machine.kernel.firmware, Request("package"))
    return sets


def optional_names(machine: Machine, features: Features) -> frozenset[str]:
    """Return the packages of the system that are left out where the archive lacks them."""
    needed = {each.name for each in (*features.packages, *machine.system.packages)}
    return frozenset(each.name for each in features.optional_packages if each.name not in needed)


def _requests(packages: Iterable[Package], *, optional: Container[str] = frozenset()) -> dict[str, Request]:
    return {
        each.name: Request(
            each.closure or "elf",
            each.only,
            each.exclude,
            yields=yields(each),
            optional=each.name in optional,
        )
        for each in packages
    }


def yields(package: Package) -> bool:
    """Return True if a feature narrows the package's files for its own use: others may need them all."""
    return bool(package.only or package.exclude) and not named.is_named(package)
