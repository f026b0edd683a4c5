"""The system: all its packages as one /usr, and the toplevel from which everything is reached."""

from pathlib import Path

from notos.features import extensions
from notos.home import own
from notos.system import contents
from tasks import project, sets
from tasks.graph import CACHE, FEATURES, MACHINE, Task, files, intact, manifest, settings, step

ETC = own("scripts/stage2/etc")
PACKAGES = contents.system_packages(MACHINE, FEATURES)
OPTIONS = {each.name: [each.only, each.exclude] for each in PACKAGES}


def task_system_path() -> Task:
    """lay the system's packages out as one /usr"""
    return {
        "actions": [step(lay_out)],
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
    values = {
        "name": MACHINE.name,
        **FEATURES.plain("etc", "accounts", "services"),
    }
    computing = extensions.computing(MACHINE)
    code = [str(file) for each in computing for file in each.files]
    imported = [name for each in computing for name in each.imported]
    parts = ("system-path", "stage2", "runit", "system-modules")
    return {
        "actions": [step(join)],
        "file_dep": [
            *map(manifest, parts),
            sets.path(contents.SYSTEM),
            *files(ETC),
            *FEATURES.etc_sources,
            *code,
        ],
        "targets": [manifest("toplevel")],
        "uptodate": [settings(values, join, *FEATURES.etc_functions, *imported), intact()],
        "clean": True,
    }


def join() -> None:
    """Make the toplevel. Raises NotosError."""
    from notos import errors
    from notos.system import etc, programs, toplevel

    system, runit = project.tree("system-path"), project.tree("runit")
    found: list[errors.NotosError] = list(programs.lacking(FEATURES, system=system, runit=runit))
    try:
        made = etc.build(
            FEATURES,
            system=system,
            system_path=project.get("system-path").path,
            runit=runit,
            runit_path=project.get("runit").path,
            own=Path(ETC),
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
