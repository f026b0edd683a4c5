"""Why a task runs: what is not as it was after its last success."""

from collections.abc import Mapping
from typing import Any

from doit.globals import Globals

from tasks import session
from tasks.graph import action
from tasks.usage import usage


def reasons(task: Any, tasks: Mapping[str, Any]) -> list[str]:
    """What makes this doit task run, in words; empty when it is up to date."""
    manager = Globals.dep_manager
    status = manager.get_status(task, tasks, get_log=True)
    if status.status == "up-to-date" or not task.actions:
        return []
    if status.status == "error":
        return [str(status.error_reason)]
    if not manager.backend.get(task.name, "checker:"):
        return ["no earlier result"]
    said: list[str] = []
    for condition, _, _ in task.uptodate:
        if hasattr(condition, "reasons"):
            said += condition.reasons(task, manager.get_values(task.name))
    found = status.reasons
    missing = [f"{path} is missing" for path in found["missing_target"]]
    said += [line for line in missing if line not in said]
    said += [f"{path} changed" for path in sorted(found["changed_file_dep"])]
    said += [f"{path} is no longer read" for path in found["removed_file_dep"]]
    if found["has_no_dependencies"]:
        said.append("it runs every time")
    return said or ["a condition of its own"]


def task_why() -> dict[str, Any]:
    """list the tasks that would run, and why"""
    return {
        "actions": [action(explain)],
        "pos_arg": "names",
        "meta": usage(words="[TASK ...]", takes="tasks", example="squashfs"),
    }


def explain(names: list[str]) -> None:
    """Print each task that `names` (all of runvm by default) bring about, with its reasons."""
    tasks = session.tasks()
    session.ask_for(names)
    targets = {target: task.name for task in tasks.values() for target in task.targets}
    names = [targets.get(name, name) for name in names]
    wanted = names or [name for name in ("runvm",) if name in tasks] or list(tasks)
    touched: set[str] = set()
    for name in _in_order(wanted, tasks):
        if name == "why":
            continue
        task = tasks[name]
        said = reasons(task, tasks)
        before = [each for each in task.task_dep if each in touched]
        if said or before:
            touched.add(name)
        if said:
            print(f"{name}: {'; '.join(said)}")
        elif before and task.actions:
            print(f"{name}: if {' or '.join(before)} makes something else")
    if not touched:
        print("nothing would run")


def _in_order(names: list[str], tasks: Mapping[str, Any]) -> list[str]:
    """`names` and what they depend on, dependencies first."""
    done: dict[str, None] = {}

    def visit(name: str) -> None:
        if name in done or name not in tasks:
            return
        for each in tasks[name].task_dep:
            visit(each)
        done[name] = None

    for name in names:
        visit(name)
    return list(done)
