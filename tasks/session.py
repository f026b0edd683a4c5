"""One run of doit: what we change in it, so that a killed build is just finished by the next one.

doit keeps its database once, at the end, and forgets a killed run. Here a task's record is deleted
before the task runs and kept as soon as it has succeeded; one build folder has one doit at a time.
"""

import fcntl
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doit.dependency import Dependency
from doit.exceptions import InvalidCommand
from doit.runner import Runner

from tasks import fingerprint

_asked: set[str] = set()
_tasks: dict[str, Any] = {}


def asked_for(name: str) -> bool:
    """Whether the command line names this task, rather than one that depends on it."""
    return name in _asked


def tasks() -> Mapping[str, Any]:
    """All tasks of this run, by name."""
    return _tasks


def install(folder: str) -> None:
    """Change doit so for this process; `folder` is where the build and its lock file are."""
    run_all = Runner.run_all
    execute_task = Runner.execute_task
    save_success = Dependency.save_success

    def locked(self: Any, dispatcher: Any) -> Any:
        signal.signal(signal.SIGTERM, _leave)
        _asked.update(dispatcher.selected_tasks)
        _tasks.update(dispatcher.tasks)
        with (Path(folder) / ".lock").open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InvalidCommand(
                    f"another doit is at work in {folder}; wait until it has ended"
                ) from None
            try:
                return run_all(self, dispatcher)
            except KeyboardInterrupt:
                sys.stderr.write("\ninterrupted; the next run goes on where this one stopped\n")
                sys.exit(128 + signal.SIGINT)
            finally:
                if fingerprint.rehashed:
                    _keep_touched(self.dep_manager)

    def forgetting(self: Any, task: Any) -> Any:
        from tasks import why

        task.why = why.reasons(task, _tasks)
        manager = self.dep_manager
        manager.remove(task.name)
        manager.backend._conn.commit()
        manager.checker.begin(task.file_dep)
        return execute_task(self, task)

    def committing(self: Any, *args: Any, **kwargs: Any) -> None:
        save_success(self, *args, **kwargs)
        _commit(self.backend)

    Runner.run_all = locked
    Runner.execute_task = forgetting
    Dependency.save_success = committing


def _leave(number: int, _frame: Any) -> None:
    sys.exit(128 + number)


def _commit(backend: Any) -> None:
    """What SqliteDB.dump does, but for closing the database."""
    for name in backend._dirty:
        data = backend.codec.encode(backend._cache[name])
        backend._conn.execute("insert or replace into doit values (?,?)", (name, data))
    backend._conn.commit()
    backend._dirty = set()


def _keep_touched(manager: Any) -> None:
    """Have the new times of files that were only touched saved, so that they are hashed just once."""
    backend = manager.backend
    backend._dirty.update(name for name, data in backend._cache.items() if data)
