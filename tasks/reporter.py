"""The lines of a run: each task that ran, its duration, and what changed. A failure is one line too."""

import contextlib
import sys
import time
from collections.abc import Sequence
from typing import Any

from doit.exceptions import BaseFail

from tasks import output
from tasks.reasons import FIRST

_MOST = 3  # reasons in a line, at most

_progress = ""


def show(text: str) -> None:
    """Show the progress of a long step on one line, which the next call replaces; only on a terminal."""
    global _progress  # noqa: PLW0603 — one process has one terminal
    if output.can_redraw():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
        _progress = text


def clear() -> None:
    """Clear the progress line, before other output."""
    global _progress  # noqa: PLW0603
    if _progress:
        sys.stderr.write("\r\x1b[K")
        _progress = ""


def note(text: str) -> None:
    """Print a line about something that may be wrong; the task goes on."""
    clear()
    sys.stderr.write(f"note     {text}\n")


class Reporter:
    """doit's interface for reporters (doit documentation, "custom reporter")."""

    desc = "one line for each task that ran"

    def __init__(self, outstream: Any, options: Any) -> None:
        self._out = outstream
        self._started = 0.0
        self._ran = 0
        self._failed = 0
        self._running = False
        self._last = ""

    def initialize(self, tasks: Any, selected_tasks: Any) -> None:
        """Before all tasks."""
        metas = [tasks[name].meta or {} for name in selected_tasks if name in tasks]
        if any(meta.get("piped") for meta in metas):  # the task's output may go to a program or a file
            self._out = sys.stderr
        self._last = ", ".join(selected_tasks)

    def get_status(self, task: Any) -> None:
        """Before it is known whether a task must run."""

    def execute_task(self, task: Any) -> None:
        """Before a task runs."""
        self._started = time.monotonic()
        self._running = True
        if task.actions and not (task.meta or {}).get("quiet"):
            show(f"{task.name}: {task.doc or ''} …")

    def add_success(self, task: Any) -> None:
        """After a task ran."""
        clear()
        self._running = False
        if not task.actions or (task.meta and task.meta.get("quiet")):
            self._ran += bool(task.actions)
            return
        self._ran += 1
        why = _short(getattr(task, "why", []))
        self._write(f"{task.name:<16} {_seconds(time.monotonic() - self._started):>5}{why}")

    def add_failure(self, task: Any, fail: BaseFail) -> None:
        """After a task failed."""
        clear()
        self._running = False
        self._failed += 1
        if getattr(fail, "traceback", None):
            self._write("".join(fail.traceback).rstrip())
        self._write(f"FAILED   {task.name}: {fail.message}")

    def skip_uptodate(self, task: Any) -> None:
        """Do nothing for a task that is up to date."""

    def skip_ignore(self, task: Any) -> None:
        """Report a task that the user made doit ignore."""
        self._write(f"ignored  {task.name}")

    def cleanup_error(self, exception: Any) -> None:
        """Something failed after a task."""
        self._write(str(exception))

    def runtime_error(self, message: str) -> None:
        """Something failed that is no task."""
        self._write(f"FAILED   {message}")

    def teardown_task(self, task: Any) -> None:
        """After all tasks, for one with something to take down."""

    def complete_run(self) -> None:
        """After all tasks, or when doit is interrupted."""
        clear()
        if not self._ran and not self._failed and not self._running:
            self._write(f"{self._last}: up to date")

    def _write(self, line: str) -> None:
        # An error here would end the build: a closed pipe, a full disk, an unknown character.
        with contextlib.suppress(OSError):
            encoding = getattr(self._out, "encoding", None) or "utf-8"
            self._out.write(line.encode(encoding, "replace").decode(encoding) + "\n")
            self._out.flush()


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.1f} s"


def _short(reasons: Sequence[str]) -> str:
    """Return the first reasons in brackets; nothing for a task without an earlier result."""
    if not reasons or reasons[0] == FIRST:
        return ""
    more = [f"and {len(reasons) - _MOST} more"] if len(reasons) > _MOST else []
    return f"  ({'; '.join([*reasons[:_MOST], *more])})"
