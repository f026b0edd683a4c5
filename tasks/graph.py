"""The helpers of all task modules: documentation, actions, options, and conditions of tasks."""

import functools
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from doit.exceptions import TaskFailed

from notos.errors import NotosError
from tasks import config, output, usage
from tasks.session import HINTS
from tasks.uptodate import Intact, Unchanged

Task = dict[str, Any]


def broken(error: NotosError) -> Exception:
    """Return what ends the run with `error` as its one message, at its line of the config."""
    return config.BrokenConfigError(config.explained(error))


def named(creator: Callable[[], Task | Iterator[Task]]) -> Iterator[Task]:
    """Yield the tasks of a creator called task_NAME, with its name and its documentation for help.

    A task with targets, file_dep or conditions is up to date while its targets, its code and its inputs are
    the same as after its last success.
    """
    name = creator.__name__.removeprefix("task_")
    doc, _, more = inspect.cleandoc(creator.__doc__ or "").partition("\n")
    made = creator()
    if isinstance(made, dict):
        task = {"basename": name, "doc": doc, **made, "meta": {**made.get("meta", {}), "more": more}}
        yield _checked(task)
        return
    yield {"basename": name, "name": None, "doc": doc, "meta": {"more": more}}
    for each in made:
        yield _checked({"basename": name, **each})


def _checked(task: Task) -> Task:
    """Return the task, with the common conditions if doit may skip it."""
    conditions = list(task.get("uptodate", ()))
    code = task.pop("code", ())  # functions, and Python files, that the actions find in a value; not of doit
    if task.get("targets") or task.get("file_dep") or conditions:
        conditions.append(Unchanged(task["actions"], code))
    if task.get("targets"):
        conditions.append(Intact())
    return {**task, "uptodate": conditions}


def files(*folders: str) -> list[str]:
    """Return all files below `folders` of the project, sorted; a folder may also be a file."""
    found = [path for each in map(Path, folders) for path in ([each] if each.is_file() else each.rglob("*"))]
    return sorted(str(path) for path in found if path.is_file())


def action(function: Callable[..., None]) -> Callable[..., TaskFailed | None]:
    """Return an action that reports user errors in one line. Bugs keep their traceback.

    Raises TypeError for a closure, because its values would not be compared.
    """
    if inspect.unwrap(function).__closure__:
        raise TypeError(f"{function.__qualname__} captures values of its outer function; make them arguments")

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> TaskFailed | None:
        try:
            function(*args, **kwargs)
        except NotosError as error:
            return TaskFailed(usage.spoken(config.explained(error)))
        except OSError as error:
            if isinstance(error, BrokenPipeError) and not output.is_read():
                raise SystemExit(output.UNREAD) from None
            if error.errno not in HINTS:
                raise
            where = error.filename or f"{config.FOLDER}, {config.CACHE.root} or /tmp"
            return TaskFailed(f"{where}: {error.strerror}: {HINTS[error.errno]}")
        return None

    return run


def params(**options: tuple[Any, str] | tuple[Any, str, str]) -> list[dict[str, Any]]:
    """Return a task's --options, each with its default (which determines the type), help and value name.

    A value called FILE is completed as a path.
    """
    return [
        {
            "name": name,
            "long": name.replace("_", "-"),
            "default": default,
            "type": type(default),
            "help": text,
            "metavar": value[0] if value else "N" if isinstance(default, int) else "TEXT",
        }
        for name, (default, text, *value) in options.items()
    ]
