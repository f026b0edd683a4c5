"""The system: all its packages as one /usr, and the toplevel from which everything is reached."""

from dataclasses import asdict
from pathlib import Path

from notos.formats.tree import Tree
from notos.home import own
from notos.system import contents
from tasks import project, sets
from tasks.graph import CACHE, MACHINE, Task, action, files, intact, manifest, settings

ETC = own("scripts/stage2/etc")
PACKAGES = contents.system_packages(MACHINE)
OPTIONS = {each.name: [each.only, each.exclude] for each in PACKAGES}
SOURCES = [file.source for file in MACHINE.etc.values() if file.source is not None]


def task_system_path() -> Task:
    """lay the system's packages out as one /usr"""
    return {
        "actions": [action(lay_out)],
        "file_dep": [sets.path(contents.SYSTEM)],
        "task_dep": ["fetch"],
        "targets": [manifest("system-path")],
        "uptodate": [settings([OPTIONS, MACHINE.system.keep], lay_out), intact()],
        "clean": True,
    }


def lay_out() -> None:
    """Make system-path."""
    from notos.system import system_path

    debs = sets.debs(contents.SYSTEM, CACHE, PACKAGES)
    project.add("system-path", system_path.NAME, system_path.build(debs, keep=MACHINE.system.keep))


def task_toplevel() -> Task:
    """join everything of the running system: /etc, /usr, init"""
    machine = {
        "name": MACHINE.name,
        "suite": MACHINE.debian.suite,
        "hostname": MACHINE.hostname,
        "dns": MACHINE.network.dns,
        "time": bool(MACHINE.time_servers),
        "ssh": asdict(MACHINE.ssh),
        "nix": asdict(MACHINE.nix),
        "etc": {path: asdict(file) for path, file in MACHINE.etc.items()},
    }
    parts = ("system-path", "stage2", "runit", "system-modules")
    return {
        "actions": [action(join)],
        "file_dep": [*map(manifest, parts), sets.path(contents.SYSTEM), *files(ETC), *SOURCES],
        "targets": [manifest("toplevel")],
        "uptodate": [settings(machine, join), intact()],
        "clean": True,
    }


def join() -> None:
    """Make the toplevel. Raises NotosError."""
    from notos import errors
    from notos.system import etc, programs, toplevel

    system, runit = project.tree("system-path"), project.tree("runit")
    found: list[errors.NotosError] = list(programs.lacking(MACHINE, system=system, runit=runit))
    try:
        made = etc.build(
            MACHINE,
            system=system,
            system_path=project.get("system-path").path,
            runit=runit,
            runit_path=project.get("runit").path,
            own=Tree.from_directory(Path(ETC)),
        )
    except errors.NotosError as error:
        found += error.parts or (error,)
    errors.raise_all(found)
    tree = toplevel.build(
        made,
        name=MACHINE.name,
        system=system,
        system_path=project.get("system-path"),
        stage2=project.get("stage2"),
        modules=project.get("system-modules"),
        packages=sets.versions(contents.SYSTEM),
    )
    project.add("toplevel", toplevel.NAME, tree, ["system-path", "stage2", "runit", "system-modules"])
