"""The task `why`: the tasks that would run, and the changes since their last success."""

from collections.abc import Mapping
from typing import Any

from tasks import session
from tasks.graph import action
from tasks.reasons import reasons
from tasks.usage import usage


def task_why() -> dict[str, Any]:
    """list the tasks that would run, and the reasons"""
    return {
        "actions": [action(explain)],
        "pos_arg": "names",
        "meta": usage(words="[TASK ...]", takes="tasks", example="squashfs"),
    }


def explain(names: list[str]) -> None:
    """Print each task that would run for `names` (runvm by default), with its reasons."""
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
            print(f"{name}: may run: depends on {', '.join(before)}")
    if not touched:
        print("nothing would run")


def _in_order(names: list[str], tasks: Mapping[str, Any]) -> list[str]:
    """Return `names` and their dependencies, dependencies first."""
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
