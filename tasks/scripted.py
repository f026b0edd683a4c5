"""The changes by the scripts of `system.scripts`, which the tasks of tasks/system_scripts.py have made."""

from typing import TYPE_CHECKING

from tasks import project
from tasks.config import MACHINE, manifest
from tasks.inputs import recorded

if TYPE_CHECKING:
    from notos.system.script_changes import Changes

KEYS = ("system", "scripts")


@recorded
def scripts() -> tuple[str, ...]:
    """Return the names of the scripts, in order."""
    return tuple(MACHINE.system.scripts)


def task(name: str) -> str:
    """Return the name of the manifest of a script's object."""
    return f"script-{name}"


def manifests() -> list[str]:
    """Return the manifests of all scripts, in order."""
    return [manifest(task(name)) for name in scripts()]


def changes() -> "list[Changes]":
    """Return the changes by each script, in order."""
    return of(scripts())


def of(names: tuple[str, ...]) -> "list[Changes]":
    """Return the changes by each of the scripts `names`."""
    if not names:
        return []
    from notos.system import script_changes

    return [script_changes.read(project.tree(task(name)), (*KEYS, name)) for name in names]
