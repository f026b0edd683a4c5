"""Changes to doit, so that a run continues a killed build.

doit writes its database once, at the end, so it loses the results of a killed run. Here, a task's record is
deleted before the task runs, and written when the task has succeeded. A lock allows one command at a time in
a build folder: run, clean or forget.
"""

import errno
import fcntl
import functools
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from doit.cmd_clean import Clean
from doit.cmd_forget import Forget
from doit.cmd_run import Run
from doit.dependency import DatabaseException, Dependency, SqliteDB
from doit.runner import Runner

from notos.errors import HostError
from tasks import fingerprint, inputs, sources, startup
from tasks.reasons import reasons

# Errors that the user can correct; any other OSError is a bug of Notos.
HINTS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space there"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "check owner and mode"),
    **dict.fromkeys((errno.EISDIR, errno.ENOTDIR, errno.EEXIST), "move or rename the file or folder there"),
}
_DATABASE = "the build folder's .doit.db"
_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h

_asked: set[str] = set()
_tasks: dict[str, Any] = {}


def asked_for(name: str) -> bool:
    """Return True if the command line names this task, not only its target or a task that depends on it."""
    return name in _asked


def ask_for(names: Iterable[str]) -> None:
    """Note that the command line names these tasks."""
    _asked.update(names)


def tasks() -> Mapping[str, Any]:
    """Return all tasks of this run, by name."""
    return _tasks


def install(
    folder: str, sweep: Callable[[bool], None], look: Callable[[], None], make: Callable[[], None]
) -> None:
    """Apply the changes to doit in this process. `folder` is the build folder, with the lock file.

    `make()` makes the folder. `sweep(dryrun)` removes the rest of it after all tasks are cleaned.
    `look()` raises HostError if a run could not write.
    """
    run, clean = Run._execute, Clean._execute

    @functools.wraps(run)  # doit reads the signature
    def running(self: Any, *args: Any, **kwargs: Any) -> Any:
        words = [] if self.sel_default_tasks else self.sel_tasks
        _tasks.update((each.name, each) for each in self.task_list)
        # Words after a task with arguments are no tasks.
        taking = next((at for at, word in enumerate(words) if _takes_words(word)), len(words))
        ask_for(name for name in _tasks if any(fnmatchcase(name, word) for word in words[: taking + 1]))
        # doit waits forever for a worker process that died. Parallel work happens inside tasks.
        kwargs["num_process"] = 0
        make()
        look()
        inputs.loaded()
        with _alone(folder):
            try:
                with _file_errors(), sources.remembered(Path(folder, ".code")):
                    return run(self, *args, **kwargs)
            except KeyboardInterrupt:
                sys.stderr.write("\ninterrupted; the next run continues from here\n")
                return 128 + signal.SIGINT

    @functools.wraps(clean)
    def cleaning(self: Any, *args: Any, **kwargs: Any) -> Any:
        make()
        with nullcontext() if kwargs["dryrun"] else _alone(folder), _file_errors():
            result = clean(self, *args, **kwargs)
            if not kwargs["pos_args"]:
                sweep(kwargs["dryrun"])
        return result

    Run._execute, Clean._execute = running, cleaning
    Forget._execute = _wrapped(Forget._execute, folder, make)
    _keep_records()
    _open_when_used(make)


def _open_when_used(make: Callable[[], None]) -> None:
    """Delay opening the database until a command needs it. `make()` makes its folder.

    A damaged database or a full disk is reported in one line.
    """
    dumped = SqliteDB.dump

    @functools.wraps(SqliteDB.__init__)
    def keeping(self: Any, name: str, codec: Any, **_: Any) -> None:
        self.name, self.codec, self._cache, self._dirty = name, codec, {}, set()

    def opening(self: Any) -> Any:
        make()
        with _database_errors():
            return self._sqlite3(self.name)

    @functools.wraps(dumped)
    def dumping(self: Any) -> None:
        with _database_errors():
            dumped(self)

    SqliteDB.__init__, SqliteDB.dump = keeping, dumping
    SqliteDB._conn = functools.cached_property(opening)
    SqliteDB._conn.__set_name__(SqliteDB, "_conn")


@contextmanager
def _file_errors() -> Iterator[None]:
    """Report errors that the user can correct in one line, for example an unreadable file."""
    try:
        yield
    except OSError as error:
        if error.errno not in HINTS:
            raise
        where = error.filename or "the build folder"
        raise HostError(f"{where}: {error.strerror}; {HINTS[error.errno]}") from None


@contextmanager
def _database_errors() -> Iterator[None]:
    try:
        yield
    except (DatabaseException, sqlite3.Error) as error:
        cause = error.__context__ if isinstance(error, DatabaseException) else error
        if isinstance(cause, sqlite3.OperationalError):
            raise HostError(f"cannot write {_DATABASE}: {cause}; free some space on its disk") from None
        raise HostError(
            f"{_DATABASE} is damaged: {cause}; remove it, and the next run builds everything again"
        ) from None


def _takes_words(word: str) -> bool:
    return word in _tasks and _tasks[word].pos_arg is not None


def _wrapped(execute: Callable[..., Any], folder: str, make: Callable[[], None]) -> Callable[..., Any]:
    @functools.wraps(execute)
    def run(*args: Any, **kwargs: Any) -> Any:
        make()
        with _alone(folder):
            return execute(*args, **kwargs)

    return run


def _keep_records() -> None:
    """Delete each task's record before the task runs, and commit it when the task has succeeded."""
    execute_task, save_success, get_status = (
        Runner.execute_task,
        Dependency.save_success,
        Dependency.get_status,
    )

    def forgetting(self: Any, task: Any) -> Any:
        startup.resume_collection()
        _one_arena()
        manager = self.dep_manager
        task.why = reasons(task, _tasks)
        with _database_errors():
            manager.remove(task.name)
            manager.backend._conn.commit()
        manager.checker.begin(task.file_dep)
        with inputs.recording():
            return execute_task(self, task)

    def committing(self: Any, *args: Any, **kwargs: Any) -> None:
        save_success(self, *args, **kwargs)
        with _database_errors():
            _commit(self.backend)

    @functools.wraps(get_status)
    def noting(self: Any, task: Any, *args: Any, **kwargs: Any) -> Any:
        status = get_status(self, task, *args, **kwargs)
        if fingerprint.rehashed:  # only new times: save them, so that the files are hashed just once
            fingerprint.rehashed.clear()
            self.backend._dirty.add(task.name)
        return status

    Runner.execute_task = forgetting
    Dependency.save_success = committing
    Dependency.get_status = noting


@contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Hold the build folder's lock, and exit cleanly on SIGTERM. Raises HostError if it is in use."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _leave)
    try:
        stream = (Path(folder) / ".lock").open("w")
    except OSError as error:
        raise HostError(f"cannot write in {folder}: {error.strerror}") from None
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HostError(f"another command uses {folder}; wait until it has ended") from None
        yield


@functools.cache
def _one_arena() -> None:
    """Make all threads share one heap, so that memory freed by one is used by the others (mallopt(3)).

    Threads read packages, and a heap for each thread would take 80 MB more.
    """
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other libcs have no arenas
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)


def _leave(number: int, _frame: Any) -> None:
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


def _commit(backend: Any) -> None:
    """Save records like SqliteDB.dump, without closing the database."""
    for name in backend._dirty:
        data = backend.codec.encode(backend._cache[name])
        backend._conn.execute("insert or replace into doit values (?,?)", (name, data))
    backend._conn.commit()
    backend._dirty = set()
