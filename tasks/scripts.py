"""Maintainer scripts: what the system's packages would do at their installation that Notos does not."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from notos.system import contents
from tasks import reporter, sets, system
from tasks.config import CACHE, MACHINE
from tasks.graph import Task, action
from tasks.usage import spoken, usage

if TYPE_CHECKING:
    from notos.integration.not_done import NotDone

MOST = 5  # lines after a lock


def task_scripts() -> Task:
    """list what maintainer scripts of the system's packages do that Notos does not"""
    return {
        "actions": [action(show)],
        "pos_arg": "names",
        "task_dep": ["fetch"],
        "meta": usage(words="[PACKAGE ...]", example="postgresql-common"),
    }


def show(names: list[str]) -> None:
    """Print the commands that are not done, of the system's packages or of `names`. Raises UsageError."""
    from notos.errors import UsageError

    known = sets.hashes(contents.SYSTEM)
    if unknown := [name for name in names if name not in known]:
        raise UsageError(
            f"the system has no package {unknown[0]}",
            hint="the lock names all packages: config.lock, sets",
        )
    found = list(not_done(names or known))
    reporter.clear()
    print("\n".join(map(str, found)) if found else "the maintainer scripts do nothing that Notos does not do")


def announce(names: Collection[str]) -> None:
    """Print the first lines for the packages `names` of a new lock, and the command that prints all."""
    found = list(not_done(names))
    if not found:
        return
    lines = [f"note: {each}" for each in found[:MOST]]
    if len(found) > MOST:
        lines.append(spoken(f"note: {len(found) - MOST} more, see `./doit scripts`"))
    reporter.clear()
    print("\n".join(lines))


def not_done(names: Iterable[str]) -> "Iterable[NotDone]":
    """Return the commands that are not done, of the packages `names` of the system."""
    from notos.integration import not_done as found
    from notos.integration.model import installed

    packages = installed(sets.debs(contents.SYSTEM, CACHE, system.packages()))
    wanted = set(names)
    chosen = [each for name, each in packages.items() if name in wanted]
    return found.find(chosen, MACHINE.target, packages.values())
