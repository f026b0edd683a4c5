"""The system: its packages as one /usr, and the toplevel, which refers to everything else."""

from pathlib import Path
from typing import TYPE_CHECKING

from notos.config.model import Package
from notos.features import extensions
from notos.home import own
from notos.system import contents
from tasks import placed, project, reporter, sets
from tasks.config import CACHE, FEATURES, MACHINE, manifest
from tasks.graph import Task, action, files
from tasks.inputs import recorded

if TYPE_CHECKING:
    from notos.errors import NotosError
    from notos.formats.tree import Tree

ETC = own("scripts/stage2/etc")
PARTS = ("system-path", "stage2", "runit", "system-modules", "files", "state")  # of the toplevel


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
        "targets": [manifest("system-path"), manifest("packaged"), manifest("units")],
        "clean": True,
    }


def lay_out() -> None:
    """Make system-path, and the objects of the packages' files in /var, /srv and /opt and of their units."""
    from notos.formats.tree import Tree
    from notos.system import packaged, packaged_units, system_path

    debs = sets.debs(contents.SYSTEM, CACHE, packages())
    apart, units = Tree(), Tree()
    tree = system_path.build(
        debs,
        MACHINE.target,
        CACHE,
        keep=(*MACHINE.system.keep, *FEATURES.keep),
        choices=FEATURES.choices,
        accounts=FEATURES.accounts,
        settings=FEATURES.integration,
        note=reporter.note,
        apart=apart,
        unit_files=units,
    )
    project.add("system-path", system_path.NAME, tree)
    project.add("packaged", packaged.NAME, apart)
    project.add("units", packaged_units.NAME, units)


def task_toplevel() -> Task:
    """link /etc, /usr and init into the toplevel"""
    computing = [file for each in extensions.computing(MACHINE) for file in each.files]
    return {
        "actions": [action(join)],
        "file_dep": [
            *map(manifest, PARTS),
            manifest("packaged"),
            *placed.made_before(),
            *([manifest("units")] if FEATURES.units else []),
            *placed.sources(placed.etc_files()),
            sets.path(contents.SYSTEM),
            *files(ETC),
            *FEATURES.etc_sources,
            *map(str, computing),
        ],
        "uptodate": placed.folders(placed.etc_files()),
        "targets": [manifest("toplevel")],
        "code": [*FEATURES.etc_functions, *computing],
        "clean": True,
    }


def units_lacking(system: "Tree", runit: "Tree", etc: "Tree") -> "list[NotosError]":
    """Return an error for each thing that systemd units need and the machine lacks."""
    if not FEATURES.units:
        return []
    from notos.system import packaged_units, unit_needs, unit_services

    units = unit_services.unit_files(FEATURES, packaged_units.read(project.tree("units")))
    parts = unit_needs.Parts(system.as_usr(), etc, placed.opt_tree())
    return list(unit_needs.lacking(FEATURES, units, runit, parts))


def join() -> None:
    """Make the toplevel. Raises NotosError."""
    from notos import errors
    from notos.system import account_names, accounts, etc, programs, state, sysctl_files, toplevel

    packages, runit = project.tree("system-path"), project.tree("runit")
    system = placed.usr_tree(packages)
    found: list[errors.NotosError] = list(programs.lacking(FEATURES, system=system, runit=runit))
    found += placed.unused_removals()
    found += placed.taken("etc")
    found += placed.unread(system)
    try:
        made = etc.build(
            FEATURES,
            placed=placed.etc_members(),
            removed=placed.etc_removals(),
            packages=packages,
            system=system,
            system_path=project.get("system-path").path,
            opt=placed.opt_tree(),
            target=MACHINE.target,
            runit=runit,
            runit_path=project.get("runit").path,
            own=Path(ETC),
            keys=placed.usr_keys(),
        )
    except errors.NotosError as error:
        found += error.parts or (error,)
    else:
        found += placed.unknown_owners(made.tree)
        found += account_names.lacking(FEATURES, etc=made.tree, runit=runit)
        found += units_lacking(system, runit, made.tree)
        try:
            tmpfiles = toplevel.tmpfiles_fragment(made.tree, system)
        except errors.NotosError as error:
            found += error.parts or (error,)
        try:
            sysctl = sysctl_files.table(made.tree, system, placed.etc_keys())
        except errors.NotosError as error:
            found += error.parts or (error,)
    errors.raise_all(found)
    files, path = project.tree("files"), project.get("files").path
    tree = toplevel.build(
        made,
        tmpfiles=tmpfiles,
        name=MACHINE.name,
        system=system,
        system_path=project.get("system-path"),
        usr=f"{path}/usr" if "usr" in files else project.get("system-path").path,
        opt=f"{path}/opt" if "opt" in files else "",
        stage2=project.get("stage2"),
        modules=project.get("system-modules"),
        state=None if state.is_empty(project.tree("state")) else project.get("state"),
        packages=sets.versions(contents.SYSTEM),
        homes=accounts.homes(FEATURES.users),
        sysctl=sysctl,
    )
    project.add("toplevel", toplevel.NAME, tree, PARTS)
