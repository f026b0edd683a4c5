"""Conditions by which doit decides if a task must run, besides its file_deps; each can say why.

doit calls them with the task and the values that the task's last success saved, and saves what their
value savers return after the next one.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from tasks import fingerprint, session, sources
from tasks.sources import Code

_OBJECT = re.compile(r'"/nix/store/([0-9a-z]{32}-[^/"]+)"')

Values = dict[str, Any]


class Task(Protocol):
    """The part of doit's Task that is used here; doit has no types."""

    name: str
    targets: list[str]
    value_savers: list[Any]


class Settings:
    """The part of the config that a task reads, and the code that does its work."""

    def __init__(self, values: Any, code: Iterable[Code]) -> None:
        # As JSON brings it back: a tuple is a list then, and a key is a string.
        self._now: Values = {"settings": json.loads(json.dumps(values)), "code": sources.hashes(code)}

    def configure_task(self, task: Task) -> None:
        """Let doit save what is compared."""
        task.value_savers.append(lambda: self._now)

    def __call__(self, task: Task, values: Values) -> bool:
        """Return True if nothing changed since the last success."""
        return all(values.get(key) == now for key, now in self._now.items())

    def reasons(self, task: Task, values: Values) -> list[str]:
        """Return what changed."""
        settings = _differences("", values.get("settings"), self._now["settings"])
        then = values.get("code") or {}
        now = self._now["code"]
        changed = (file for file in sorted(then.keys() | now.keys()) if then.get(file) != now.get(file))
        return [*settings, *(f"{file} changed" for file in changed)]


class Intact:
    """Targets as the task left them, and store objects that they name still there.

    doit itself only asks whether a target exists, so half a file would be taken for good.
    """

    def configure_task(self, task: Task) -> None:
        """Let doit save what is compared."""
        task.value_savers.append(lambda: self._record(task))

    def __call__(self, task: Task, values: Values) -> bool:
        """Return True if nothing changed since the last success."""
        return not self.reasons(task, values)

    def reasons(self, task: Task, values: Values) -> list[str]:
        """Return the targets and objects that changed."""
        said = []
        states = values.get("targets") or {}
        for target in task.targets:
            try:
                now = os.lstat(target)
            except OSError:
                said.append(f"{target} is missing")
                continue
            if target not in states:
                said.append(f"{target} is new")
            elif not fingerprint.same(target, states[target], now):
                said.append(f"{target} was changed")
        objects = values.get("objects") or []
        said += [f"{path} is missing" for path in objects if not os.path.lexists(path)]
        return said

    @staticmethod
    def _record(task: Task) -> Values:
        states = {target: fingerprint.take(target, follow=False) for target in task.targets}
        objects: list[str] = []
        for target in task.targets:
            objects += objects_of(target)
        return {"targets": states, "objects": sorted(set(objects))}


class Derived:
    """A value that follows from what earlier tasks have made, computed when the task's turn has come."""

    def __init__(self, compute: Callable[[], Any]) -> None:
        self._compute = compute

    def configure_task(self, task: Task) -> None:
        """Let doit save what is compared."""
        task.value_savers.append(lambda: {"derived": self._compute()})

    def __call__(self, task: Task, values: Values) -> bool:
        """Return True if the value is as it was."""
        return not self.reasons(task, values)

    def reasons(self, task: Task, values: Values) -> list[str]:
        """Return how the value changed."""
        return _differences("", values.get("derived"), self._compute())


class Present:
    """Files or folders that a task has put outside of build/, in the cache.

    Which ones is asked when the task's turn has come: an earlier one may only just have chosen them.
    """

    def __init__(self, paths: Callable[[], Iterable[str | os.PathLike[str]]]) -> None:
        self._paths = paths

    def __call__(self, task: Task, values: Values) -> bool:
        """Return True if all exist."""
        return not self.reasons(task, values)

    def reasons(self, task: Task, values: Values) -> list[str]:
        """Return the first one that is missing."""
        return [f"{path} is missing" for path in self._paths() if not os.path.exists(path)][:1]


class UnlessAsked:
    """A task that does more when the command line names it."""

    def __call__(self, task: Task, values: Values) -> bool | None:
        """False when it does; None leaves it to the others."""
        return False if session.asked_for(task.name) else None

    def reasons(self, task: Task, values: Values) -> list[str]:
        """That it was asked for."""
        return ["asked for"] if session.asked_for(task.name) else []


def objects_of(path: str) -> list[str]:
    """Return the paths in build/NAME/store of the objects that a manifest names; none for other files."""
    folder, _, name = path.rpartition("/")
    base, _, last = folder.rpartition("/")
    if last != "manifests" or not name.endswith(".json"):
        return []
    with open(path, encoding="utf-8") as stream:
        return [f"{base}/store/{each}" for each in _OBJECT.findall(stream.read())]


def _differences(where: str, then: Any, now: Any) -> list[str]:
    if then == now:
        return []
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        said = []
        for key in sorted(then.keys() | now.keys()):
            said += _differences(f"{where}.{key}" if where else key, then.get(key), now.get(key))
        return said
    name = where or "its settings"
    if isinstance(then, list) and isinstance(now, list):
        gone = [_short(each) for each in then if each not in now]
        added = [_short(each) for each in now if each not in then]
        changes = [*(f"lost {each}" for each in gone), *(f"got {each}" for each in added)]
        return [f"{name} {', '.join(changes)}" if changes else f"{name} is in another order"]
    return [f"{name} was {_short(then)}, is {_short(now)}"]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:39] + "…"
