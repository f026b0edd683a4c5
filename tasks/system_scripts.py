"""The scripts of `system.scripts`: each changes a copy of the system in a sandbox, in one task."""

from collections.abc import Iterator

from notos.config.model import Package
from notos.system import contents
from tasks import placed, programmed, project, reporter, scripted, sets, tools
from tasks.config import BUILD, CACHE, MACHINE, build, manifest
from tasks.graph import Task, action

SANDBOX = contents.TOOLS_SANDBOX.rpartition("/")[2]


def task_system_scripts() -> Iterator[Task]:
    """run the scripts of `system.scripts` in a sandbox"""
    earlier: tuple[str, ...] = ()
    for name, script in MACHINE.system.scripts.items():
        packages = contents.script_packages(script)
        yield {
            "name": name,
            "doc": f"run the script {name} over the system, in a sandbox",
            "actions": [(action(run), [name, script.run, script.timeout, packages, earlier])],
            "file_dep": [
                manifest("system-path"),
                manifest("packaged"),
                tools.target(SANDBOX),
                sets.path(contents.script_set(name)),
                *placed.sources((*placed.usr_files(), *placed.opt_files())),
                *programmed.manifests(),
                *(manifest(scripted.task(each)) for each in earlier),
            ],
            "task_dep": ["fetch"],
            "uptodate": placed.folders((*placed.usr_files(), *placed.opt_files())),
            "targets": [manifest(scripted.task(name))],
            "clean": True,
        }
        earlier = (*earlier, name)


def run(name: str, text: str, timeout: int, packages: tuple[Package, ...], earlier: tuple[str, ...]) -> None:
    """Run the script `name` after the scripts `earlier`, and make the object of its changes.

    Raises NotosError.
    """
    from pathlib import Path

    from notos.errors import ToolError
    from notos.formats.tree import Tree
    from notos.system import script_changes, script_root, script_run

    keys = (*scripted.KEYS, name)
    if MACHINE.target != BUILD:
        raise ToolError("scripts run only on a host of the machine's architecture", keys=keys)
    debs = sets.debs(contents.script_set(name), CACHE, packages)
    before = script_changes.combined(scripted.of(earlier))
    root = script_root.build(
        placed.files_tree(project.tree("system-path")),
        placed.files_opt() or Tree(),
        before.members,
        state=placed.packaged_state(),
        removed=before.removed,
        tools=script_run.tools(debs, MACHINE.target),
    )
    first = "" if text.startswith("#!") else "#!/bin/sh -e\n"
    script = script_run.Script(keys, f"{first}{text.rstrip()}\n", timeout)

    def show(line: str) -> None:
        reporter.show(f"{'.'.join(keys)}: {line}")

    with script_run.changes(
        script,
        root,
        Path(build("scripts", name)),
        target=MACHINE.target,
        bwrap=tools.tree(SANDBOX),
        on_line=show,
    ) as found:
        project.add(scripted.task(name), f"script-{name}", script_changes.build(found))
