"""Reasons for a run of a task: the changes since its last success."""

from collections.abc import Mapping
from typing import Any

from doit.globals import Globals

FIRST = "no earlier result"


def reasons(task: Any, tasks: Mapping[str, Any]) -> list[str]:
    """Return the reasons why this doit task must run; none if it is up to date."""
    manager = Globals.dep_manager
    status = manager.get_status(task, tasks, get_log=True)
    if status.status == "up-to-date" or not task.actions:
        return []
    if status.status == "error":
        return [str(status.error_reason)]
    said: list[str] = []
    for condition, _, _ in task.uptodate:
        if hasattr(condition, "reasons"):
            said += condition.reasons(task, manager.get_values(task.name))
    if not manager.backend.get(task.name, "checker:"):
        return [FIRST]
    found = status.reasons
    missing = [f"{path} is missing" for path in found["missing_target"]]
    said += [line for line in missing if line not in said]
    said += [f"{path} changed" for path in sorted(found["changed_file_dep"])]
    said += [f"{path} is no longer read" for path in found["removed_file_dep"]]
    if found["has_no_dependencies"]:
        said.append("runs every time")
    return said or ["no reason known"]
