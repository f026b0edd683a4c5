"""The programs and scripts of the boot: extra-utils, stage-1, stage-2, and runit with its services."""

from collections.abc import Iterator
from pathlib import Path

from notos.config.model import Package
from notos.features.model import Text
from notos.formats.tree import File, Tree
from notos.home import own
from notos.system import contents
from tasks import lock, project, reporter, run_unit, sets, system
from tasks.config import CACHE, FEATURES, MACHINE, manifest
from tasks.graph import Task, action, files
from tasks.inputs import recorded
from tasks.uptodate import Folders

STEP = own("scripts/step")
_STAGE2 = ("activate", "copy-state", "init", "plan-state", "present-state", "recover-state")
STAGE2 = [*(own(f"scripts/stage2/{each}") for each in _STAGE2), STEP]
RUNIT = own("runit")


@recorded
def initrd_packages() -> tuple[Package, ...]:
    """Return the initrd's packages with their settings."""
    return contents.initrd_packages(MACHINE, FEATURES)


def stage1_scripts() -> list[str]:
    """Return the scripts of stage-1, init first."""
    return [own("scripts/stage1/init"), STEP, *(own(f"scripts/stage1/{each}") for each in FEATURES.stage1)]


def task_extra_utils() -> Task:
    """relocate the initrd's programs, and check that they run"""
    return {
        "actions": [action(relocate)],
        "file_dep": [sets.path(contents.INITRD)],
        "task_dep": ["fetch"],
        "targets": [manifest("extra-utils")],
        "clean": True,
    }


def relocate() -> None:
    """Make extra-utils, and check that its programs run."""
    from notos.debian.unpack import unpack
    from notos.store.store import placeholder
    from notos.system import extra_utils

    packages = unpack(sets.debs(contents.INITRD, CACHE, initrd_packages()))
    name = extra_utils.NAME
    obj = project.add("extra-utils", name, extra_utils.relocate(packages, placeholder(name), MACHINE.target))
    extra_utils.prove(project.STORE.location(obj), obj.path, MACHINE.target)


def task_stage1() -> Task:
    """render stage-1, the initrd's init"""
    return {
        "actions": [action(render_stage1)],
        "file_dep": [
            *stage1_scripts(),
            own("scripts/stage1/pre-mount"),
            manifest("extra-utils"),
            manifest("modules"),
        ],
        "targets": [manifest("stage1")],
        "clean": True,
    }


def render_stage1() -> None:
    """Make the stage-1 object."""
    from notos.store.store import placeholder
    from notos.system import stage1

    values = {
        "extraUtils": project.get("extra-utils").path,
        "linuxModules": project.get("modules").path,
        "self": placeholder("stage-1"),
        "moduleOptions": module_options(),
    }
    tree = _rendered(stage1_scripts(), values)
    shell = f"{values['extraUtils']}/bin/ash"
    stage1.add_scripts(tree, FEATURES.pre_mount, folder=Path(own("scripts/stage1")), shell=shell)
    project.add("stage1", "stage-1", tree, ["extra-utils", "modules"])


def module_options() -> str:
    """Return the parameters of modules as lines for stage-1: a module and a parameter."""
    from notos.features.modules import option

    pairs = [(module, pair) for module, each in FEATURES.module_options.items() for pair in each.items()]
    return "\n".join(f"{module} {option(*pair)}" for module, pair in pairs)


def task_stage2() -> Task:
    """render stage-2, the system's init"""
    return {
        "actions": [action(render_stage2)],
        "file_dep": STAGE2,
        "targets": [manifest("stage2")],
        "clean": True,
    }


def render_stage2() -> None:
    """Make the stage-2 object."""
    from notos.debian import base_folders
    from notos.store.store import placeholder

    tree = _rendered(STAGE2, {"self": placeholder("stage-2")})
    tree.add("base", File(base_folders.table()))
    tree.add("base.tar", File(base_folders.archive()))
    project.add("stage2", "stage-2", tree)


def service_folders() -> list[str]:
    """Return the folders of services on this host."""
    return [each.folder for each in FEATURES.services if each.folder.startswith("/")]


def _sources(folder: str) -> Iterator[str]:
    from notos.system import service_folder

    return service_folder.sources(folder)


def task_runit() -> Task:
    """render the runit stages, boot fragments and services"""
    return {
        "actions": [action(render_runit)],
        "file_dep": [
            *files(*_runit_parts()),
            STEP,
            *files(*FEATURES.runit_sources),
            sets.path(contents.SYSTEM),
            *unit_manifests(),
        ],
        "task_dep": ["fetch"],
        "uptodate": [Folders(service_folders(), _sources)] if service_folders() else [],
        "targets": [manifest("runit")],
        "clean": True,
    }


def _runit_parts() -> list[str]:
    """Return the files and folders of runit/ that the object is made from: all but the source of run-unit."""
    return [str(each) for each in Path(RUNIT).iterdir() if str(each) != run_unit.SOURCE]


@recorded
def hostname() -> str:
    """Return the machine's hostname."""
    texts = (each.content for each in FEATURES.etc if each.path == "hostname")
    return next((each.text.strip() for each in texts if isinstance(each, Text)), "")


def unit_manifests() -> list[str]:
    """Return the manifests of the objects that services with systemd units are made from."""
    names = ("units", "run-unit", "system-path")
    return [manifest(each) for each in names] if FEATURES.units else []


def render_runit() -> None:
    """Make the runit object. Raises NotosError."""
    from notos.integration import first_states
    from notos.system import packaged_units, programs, runit, unit_services

    folder = Path(run_unit.SOURCE).name
    source = Tree.from_directory(Path(RUNIT), left_out=lambda name: name == folder)
    source.text("step", Path(STEP).read_text(), executable=True)
    debs = sets.debs(contents.SYSTEM, CACHE, system.packages())
    services = [each.name for each in FEATURES.services if not each.keys]
    states = first_states.ordered(debs, runit.first_state_names(source), services)
    if not FEATURES.units:
        project.add("runit", runit.NAME, runit.build(FEATURES, source, states=states))
        return
    packaged = packaged_units.read(project.tree("units"))
    program = f"{project.get('run-unit').path}/run-unit"
    exists = programs.finder(project.tree("system-path"), FEATURES.placed)
    facts = unit_services.Facts(MACHINE.target, hostname(), source, program, exists, lock.packages_with)
    made = unit_services.build(FEATURES, packaged, facts)
    for line in made.notes:
        reporter.note(line)
    project.add("runit", runit.NAME, runit.build(FEATURES, source, made.folders, states), ["run-unit"])


def _rendered(paths: list[str], values: dict[str, str]) -> Tree:
    """Return scripts as executable files of one folder. Each script gets the values whose markers it has."""
    from notos.system import template

    tree = Tree()
    for path in paths:
        text = Path(path).read_text()
        used = {name: value for name, value in values.items() if f"@{name}@" in text}
        tree.text(Path(path).name, template.render(text, used, name=path), executable=True)
    return tree
