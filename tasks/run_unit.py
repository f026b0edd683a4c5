"""run-unit: the program that runs systemd units in the machine, compiled if the machine has some."""

from collections.abc import Iterator
from pathlib import Path

from notos.home import own
from notos.system import contents
from tasks import project, tools
from tasks.config import CACHE, FEATURES, MACHINE, manifest
from tasks.graph import Task, action, files

SOURCE = own("runit/run-unit")
TOOLS = contents.TOOLS_RUN_UNIT.rpartition("/")[2]


def task_run_unit() -> Iterator[Task]:
    """compile run-unit, which runs systemd units"""
    if not contents.has_units(FEATURES):
        return
    yield {
        "name": "compile",
        "doc": "compile run-unit with musl, as a static program",
        "actions": [action(compile_)],
        "file_dep": [*files(SOURCE), tools.target(TOOLS)],
        "targets": [manifest("run-unit")],
        "clean": True,
    }


def compile_() -> None:
    """Make the run-unit object. Raises ToolError."""
    from notos.system import run_unit

    tree = run_unit.compiled(CACHE, Path(SOURCE), tools.tree(TOOLS), tools.key(TOOLS), target=MACHINE.target)
    project.add("run-unit", run_unit.NAME, tree)
