"""What runs in the machine: extra-utils, stage 1, stage 2, and runit with its services."""

from pathlib import Path

from notos.formats.tree import Tree
from notos.home import own
from notos.system import contents
from tasks import project, sets
from tasks.graph import CACHE, MACHINE, Task, action, files, intact, manifest, settings

STEP = own("scripts/step")
STAGE1 = [own("scripts/stage1/init"), STEP, *([own("scripts/stage1/disk")] if MACHINE.disk else [])]
INITRD = contents.initrd_packages(MACHINE)
STAGE2 = [own("scripts/stage2/activate"), own("scripts/stage2/init"), STEP]
RUNIT = own("runit")
SERVICE_FILES = files(*(each.source for each in MACHINE.services.values() if each.source is not None))


def task_extra_utils() -> Task:
    """relocate the initrd's programs, and prove that they run"""
    return {
        "actions": [action(relocate)],
        "file_dep": [sets.path(contents.INITRD)],
        "task_dep": ["fetch"],
        "targets": [manifest("extra-utils")],
        "uptodate": [settings([vars(each) for each in INITRD], relocate), intact()],
        "clean": True,
    }


def relocate() -> None:
    """Make extra-utils and run it."""
    from notos.debian.unpack import unpack
    from notos.store.store import placeholder
    from notos.system import extra_utils

    packages = unpack(sets.debs(contents.INITRD, CACHE, INITRD))
    name = extra_utils.NAME
    obj = project.add("extra-utils", name, extra_utils.relocate(packages, placeholder(name)))
    extra_utils.prove(project.STORE.location(obj), obj.path)


def task_stage1() -> Task:
    """render stage 1, the initrd's init"""
    return {
        "actions": [action(render_stage1)],
        "file_dep": [*STAGE1, manifest("extra-utils"), manifest("modules")],
        "targets": [manifest("stage1")],
        "uptodate": [settings({}, render_stage1), intact()],
        "clean": True,
    }


def render_stage1() -> None:
    """Make the stage-1 object."""
    from notos.store.store import placeholder

    values = {
        "extraUtils": project.get("extra-utils").path,
        "linuxModules": project.get("modules").path,
        "self": placeholder("stage-1"),
    }
    project.add("stage1", "stage-1", _rendered(STAGE1, values), ["extra-utils", "modules"])


def task_stage2() -> Task:
    """render stage 2, the system's init"""
    return {
        "actions": [action(render_stage2)],
        "file_dep": STAGE2,
        "targets": [manifest("stage2")],
        "uptodate": [settings({}, render_stage2), intact()],
        "clean": True,
    }


def render_stage2() -> None:
    """Make the stage-2 object."""
    from notos.store.store import placeholder

    project.add("stage2", "stage-2", _rendered(STAGE2, {"self": placeholder("stage-2")}))


def task_runit() -> Task:
    """render runit's stages, boot fragments and services"""
    machine = {
        "hostname": MACHINE.hostname,
        "network": vars(MACHINE.network),
        "time_servers": MACHINE.time_servers,
        "machine": MACHINE.vm.machine,
        "ssh": MACHINE.ssh.server,
        "nix": MACHINE.nix.enable,
        "services": {
            name: [each.run, each.source, each.log, each.reads] for name, each in MACHINE.services.items()
        },
    }
    return {
        "actions": [action(render_runit)],
        "file_dep": [*files(RUNIT), STEP, *SERVICE_FILES],
        "targets": [manifest("runit")],
        "uptodate": [settings(machine, render_runit), intact()],
        "clean": True,
    }


def render_runit() -> None:
    """Make the runit object."""
    from notos.system import runit

    source = Tree.from_directory(Path(RUNIT))
    source.text("step", Path(STEP).read_text(), executable=True)
    project.add("runit", runit.NAME, runit.build(MACHINE, source))


def _rendered(paths: list[str], values: dict[str, str]) -> Tree:
    """Scripts as executable files of one folder; a value goes to the scripts that have its marker."""
    from notos.system import template

    tree = Tree()
    for path in paths:
        text = Path(path).read_text()
        used = {name: value for name, value in values.items() if f"@{name}@" in text}
        tree.text(Path(path).name, template.render(text, used, name=path), executable=True)
    return tree
