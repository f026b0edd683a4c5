"""The system: all its packages as one /usr, and the toplevel from which everything is reached."""

from pathlib import Path

from notos.config.model import Package
from notos.errors import PackageError
from notos.features import extensions
from notos.home import own
from notos.system import contents
from tasks import project, sets
from tasks.config import CACHE, FEATURES, MACHINE, manifest
from tasks.graph import Task, action, files
from tasks.inputs import recorded

ETC = own("scripts/stage2/etc")


@recorded
def packages() -> tuple[Package, ...]:
    """Return the system's packages with their settings."""
    return contents.system_packages(MACHINE, FEATURES)


def task_system_path() -> Task:
    """merge the system's packages into one /usr"""
    return {
        "actions": [action(lay_out)],
        "file_dep": [sets.path(contents.SYSTEM)],
        "task_dep": ["fetch"],
        "targets": [manifest("system-path")],
        "clean": True,
    }


def lay_out() -> None:
    """Make system-path."""
    from notos.system import choices, system_path

    debs = sets.debs(contents.SYSTEM, CACHE, packages())
    try:
        tree = system_path.build(debs, MACHINE.target, keep=MACHINE.system.keep)
    except PackageError:
        choices.check(debs, FEATURES.choices)  # a more precise error, if a choice is the cause
        raise
    choices.complete(tree, debs, FEATURES.choices)
    project.add("system-path", system_path.NAME, tree)


def task_toplevel() -> Task:
    """link /etc, /usr and init into the toplevel"""
    parts = ("system-path", "stage2", "runit", "system-modules")
    computing = extensions.computing(MACHINE)
    return {
        "actions": [action(join)],
        "file_dep": [
            *map(manifest, parts),
            sets.path(contents.SYSTEM),
            *files(ETC),
            *FEATURES.etc_sources,
            *(str(file) for each in computing for file in each.files),
        ],
        "targets": [manifest("toplevel")],
        "code": [*FEATURES.etc_functions, *(name for each in computing for name in each.imported)],
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
