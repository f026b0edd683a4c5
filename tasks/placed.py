"""The files that a config and its features put anywhere: writable copies in /var and similar folders."""

from notos.features.model import Copy, Placed
from tasks import project
from tasks.config import FEATURES, manifest
from tasks.graph import Task, action
from tasks.inputs import recorded


@recorded
def state_files() -> tuple[Placed, ...]:
    """Return the features' files in writable folders."""
    from notos.system import placed

    return tuple(each for each in FEATURES.placed if placed.area(each.path) == placed.STATE)


def task_state() -> Task:
    """collect the files of /var and other writable folders"""
    return {
        "actions": [action(collect_state)],
        "file_dep": [each.content.source for each in state_files() if isinstance(each.content, Copy)],
        "targets": [manifest("state")],
        "clean": True,
    }


def collect_state() -> None:
    """Make the initial state. Raises NotosError."""
    from notos.system import placed, state

    # A later member replaces an earlier one, so members of packages come first.
    project.add("state", state.NAME, state.build(placed.members(state_files())))
