"""Conditions by which doit decides if a task must run, besides its file_deps; each can say why.

doit calls them with the task and the values that the task's last success saved, and saves what their
value savers return after the next one.
"""

import functools
import inspect
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from tasks import differences, fingerprint, inputs, session, sources

_OBJECT = re.compile(r'"/nix/store/([0-9a-z]{32}-[^/"]+)"')

Values = dict[str, Any]


class Task(Protocol):
    """The part of doit's Task that is used here; doit has no types."""

    name: str
    targets: list[str]
    value_savers: list[Any]


class Unchanged:
    """Condition: the actions' inputs that are not files, and their code with `code`, are unchanged."""

    # The key of the saved value. It changes with the format, so that an older format is never read.
    KEY = "inputs.2"

    def __init__(self, actions: Iterable[Any], code: Iterable[Callable[..., Any] | str] = ()) -> None:
        self._actions = tuple(actions)
        self._code = tuple(code)
        self._kept: sources.Trace | None = None  # that of the last success, while it is the same code

    def configure_task(self, task: Task) -> None:
        """Let doit save what is compared."""
        task.value_savers.append(self._saved)

    def __call__(self, task: Task, values: Values) -> bool:
        """Return True if nothing changed since the last success."""
        saved = values.get(self.KEY)
        if saved is None:
            self._look()
            return False
        return self._same_code(saved) and self._same_inputs(saved)

    def reasons(self, task: Task, values: Values) -> list[str]:
        """Return what changed."""
        saved = values.get(self.KEY)
        if saved is None:
            self._look()
            return ["built by another version of Notos"]
        said = [] if self._same_inputs(saved) else self._changed_inputs(saved)
        if not self._same_code(saved):
            said += sources.differences(sources.Trace(**saved["code"]), self._trace)
        return said

    def _look(self) -> sources.Trace:
        """Find the code before it runs, so that an edit while it runs is a change for the next run."""
        return self._trace

    def _saved(self) -> Values:
        code = self._kept or self._trace
        return {self.KEY: {**vars(inputs.last()), "arguments": self._arguments(), "code": vars(code)}}

    def _same_inputs(self, saved: Values) -> bool:
        return (
            inputs.same(saved["arguments"], self._arguments())
            and all(inputs.same(then, inputs.at(path)) for path, then in saved["config"].items())
            and all(inputs.same(then, inputs.now(name)) for name, then in saved["values"].items())
        )

    def _same_code(self, saved: Values) -> bool:
        then = sources.Trace(**saved["code"])
        if not sources.unchanged(then):
            now = self._trace
            if (then.parts, then.libraries) != (now.parts, now.libraries):
                return False
            saved["code"] = vars(now)  # only comments changed: save the files' hashes, to parse them once
            fingerprint.rehashed.extend(now.files)
            then = now
        self._kept = then
        return True

    def _changed_inputs(self, saved: Values) -> list[str]:
        changed = _changed(saved["config"])
        said = []
        for name, then in saved["values"].items():
            now = inputs.now(name)
            if inputs.same(then, now):
                continue
            if causes := _changed(saved["causes"][name]):
                near = inputs.explaining(saved["parts"].get(name, {}), causes)
                changed |= {path: causes[path] for path in near}
            else:
                label = name.rpartition(".")[2].replace("_", " ")
                said += differences.lines(label, then, None if now is inputs.GONE else now)
        said += differences.lines("arguments", saved["arguments"], self._arguments())
        # Of a struct that is new or gone, the fields say no more.
        outermost = [path for path in changed if not any(path.startswith(f"{each}.") for each in changed)]
        return [*(line for path in sorted(outermost) for line in _explained(path, changed[path])), *said]

    def _arguments(self) -> Any:
        return [inputs.plain(words) for _, words in map(_parts, self._actions)]

    @functools.cached_property
    def _trace(self) -> sources.Trace:
        return sources.trace([*(action for action, _ in map(_parts, self._actions)), *self._code])


def _parts(action: Any) -> tuple[Callable[..., Any], list[Any]]:
    """Return the function that does the work of an action of doit, and its arguments."""
    function, *words = action if isinstance(action, tuple) else (action,)
    return inspect.unwrap(function), words


def _changed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of recorded values of the config that are others now."""
    return {path: then for path, then in config.items() if not inputs.same(then, inputs.at(path))}


def _explained(path: str, then: Any) -> list[str]:
    """Return how the config changed at a path."""
    now = inputs.whole(path)
    if then == {} and now in (None, inputs.GONE):  # a struct, whose fields are not recorded with it
        return [f"{path}: removed"]
    return differences.lines(path, then, None if now is inputs.GONE else now)


class Intact:
    """Targets as the task left them, and store objects that they name still there.

    doit itself only checks that a target exists, so it would accept half a file.
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
    """A value that follows from what earlier tasks have made, computed when doit reaches the task."""

    def __init__(self, label: str, compute: Callable[[], Any]) -> None:
        self._label = label
        self._compute = compute

    def configure_task(self, task: Task) -> None:
        """Let doit save what is compared."""
        task.value_savers.append(lambda: {"derived": self._compute()})

    def __call__(self, task: Task, values: Values) -> bool:
        """Return True if the value is the same."""
        return not self.reasons(task, values)

    def reasons(self, task: Task, values: Values) -> list[str]:
        """Return how the value changed."""
        return differences.lines(self._label, values.get("derived"), self._compute())


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
        """Return that the task is named."""
        return ["named on the command line"] if session.asked_for(task.name) else []


def objects_of(path: str) -> list[str]:
    """Return the paths in build/NAME/store of the objects that a manifest names; none for other files."""
    folder, _, name = path.rpartition("/")
    base, _, last = folder.rpartition("/")
    if last != "manifests" or not name.endswith(".json"):
        return []
    with open(path, encoding="utf-8") as stream:
        return [f"{base}/store/{each}" for each in _OBJECT.findall(stream.read())]


class Folders:
    """Condition: folders of this host, with all below them, are unchanged.

    The saved value has the state of each path: of a file as in fingerprint.py, ["link", TARGET], or
    ["folder"].
    """

    KEY = "folders"

    def __init__(self, folders: Iterable[str], *, follow: bool = False) -> None:
        """With `follow`, folders to which links lead count too."""
        self._folders = tuple(folders)
        self._follow = follow
        self._before: dict[str, Any] = {}  # what was found before the task ran

    def configure_task(self, task: Task) -> None:
        """Let doit save what is compared."""
        task.value_savers.append(self._saved)

    def __call__(self, task: Task, values: Values) -> bool:
        """Return True if nothing changed since the last success."""
        return not self.reasons(task, values)

    def reasons(self, task: Task, values: Values) -> list[str]:
        """Return what was added, removed and changed."""
        saved = values.get(self.KEY)
        now = dict(self._entries())
        self._before = {path: _quick(state) for path, state in now.items()}
        if saved is None:
            return [f"{each} is new" for each in self._folders]
        said = [f"{path} was added" for path in now.keys() - saved.keys()]
        said += [f"{path} was removed" for path in saved.keys() - now.keys()]
        said += [
            f"{path} was changed"
            for path in now.keys() & saved.keys()
            if not _same_entry(path, saved[path], now[path])
        ]
        return sorted(said)

    def _saved(self) -> Values:
        found = {}
        for path, state in self._entries():
            edited = self._before.get(path, _quick(state)) != _quick(state)
            found[path] = fingerprint.NEVER if edited else _entry(path, state)
        return {self.KEY: found}

    def _entries(self) -> Iterator[tuple[str, os.stat_result]]:
        """Yield each path, and its stat without following links."""
        pending = list(self._folders)
        seen: set[str] = set()
        while pending:
            path = pending.pop()
            if self._follow:
                real = os.path.realpath(path)
                if real in seen:
                    continue
                seen.add(real)
            yield path, os.lstat(path)
            with os.scandir(path) as entries:
                for each in entries:
                    if each.is_dir(follow_symlinks=self._follow):
                        pending.append(each.path)
                    else:
                        yield each.path, each.stat(follow_symlinks=False)


def _quick(state: os.stat_result) -> list[Any]:
    return fingerprint.quick_of(state) if stat.S_ISREG(state.st_mode) else []


def _entry(path: str, state: os.stat_result) -> list[Any]:
    if stat.S_ISDIR(state.st_mode):
        return ["folder"]
    if stat.S_ISREG(state.st_mode) or stat.S_ISLNK(state.st_mode):
        return fingerprint.take(path, follow=False)
    return ["other"]


def _same_entry(path: str, then: list[Any], now: os.stat_result) -> bool:
    if stat.S_ISREG(now.st_mode):
        return fingerprint.same(path, then, now)
    return _entry(path, now) == then
