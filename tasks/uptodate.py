"""Conditions for a run of a task, besides its file_dep. Each gives its reasons.

doit calls a condition with the task and the values saved by its last success. After the next success, doit
saves the values that the condition's value saver returns.
"""

import functools
import inspect
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from tasks import differences, fingerprint, inputs, session, sources

_EXPLAINING = ("causes", "parts")  # fields of inputs.Record
_OBJECT = re.compile(r'"/nix/store/([0-9a-z]{32}-[^/"]+)"')

Values = dict[str, Any]


class Task(Protocol):
    """The attributes of doit's Task that this module uses; doit has no types."""

    name: str
    targets: list[str]
    value_savers: list[Any]


def _encoded(code: sources.Trace) -> Values:
    return {**vars(code), "parts": json.dumps(code.parts)}


def _decoded(code: Values) -> sources.Trace:
    return sources.Trace(**{**code, "parts": json.loads(code["parts"])})


class Unchanged:
    """Condition: the actions' inputs that are not files, and their code with `code`, are unchanged."""

    # The key of the saved value. It changes with the format, so that an older format is never read. What only
    # explains a change is JSON in a string, which a run without changes does not decode.
    KEY = "inputs.5"

    def __init__(self, actions: Iterable[Any], code: Iterable[Callable[..., Any] | Path] = ()) -> None:
        self._actions = tuple(actions)
        self._code = tuple(code)
        self._kept: Values | None = None  # the code at the last success, while it is the same

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
        """Return the changes since the last success."""
        saved = values.get(self.KEY)
        if saved is None:
            self._look()
            return ["built by another version of Notos"]
        said = [] if self._same_inputs(saved) else self._changed_inputs(saved)
        if not self._same_code(saved):
            said += sources.differences(_decoded(saved["code"]), self._trace)
        return said

    def _look(self) -> sources.Trace:
        """Hash the code before it runs, so that an edit during the run is a change for the next run."""
        return self._trace

    def _saved(self) -> Values:
        made = vars(inputs.last())
        explanation = json.dumps({name: made[name] for name in _EXPLAINING})
        return {
            self.KEY: {
                **{name: value for name, value in made.items() if name not in _EXPLAINING},
                "explanation": explanation,
                "arguments": self._arguments(),
                "code": self._kept or _encoded(self._trace),
            }
        }

    def _same_inputs(self, saved: Values) -> bool:
        return (
            inputs.same(saved["arguments"], self._arguments())
            and all(inputs.same(then, inputs.at(path)) for path, then in saved["config"].items())
            and all(inputs.same(then, inputs.now(name)) for name, then in saved["values"].items())
            and not self._other_classes(saved)
        )

    @staticmethod
    def _other_classes(saved: Values) -> list[str]:
        """Return the paths of values whose structs had other classes."""
        values = saved["values"]
        return [
            path
            for path, then in saved["classes"].items()
            if (inputs.classes_now if path in values else inputs.classes_at)(path) != then
        ]

    def _same_code(self, saved: Values) -> bool:
        code = saved["code"]
        if not sources.unchanged(code["files"], code["libraries"]):
            then, now = _decoded(code), self._trace
            if (then.parts, then.libraries) != (now.parts, now.libraries):
                return False
            # Only comments changed: save the files' hashes, to parse them once.
            saved["code"] = code = _encoded(now)
            fingerprint.rehashed.extend(now.files)
        self._kept = code
        return True

    def _changed_inputs(self, saved: Values) -> list[str]:
        changed = _changed(saved["config"])
        explanation = json.loads(saved["explanation"])
        said = []
        for name, then in saved["values"].items():
            now = inputs.now(name)
            if inputs.same(then, now):
                continue
            if causes := _changed(explanation["causes"][name]):
                near = inputs.explaining(explanation["parts"].get(name, {}), causes)
                changed |= {path: causes[path] for path in near}
            else:
                label = name.rpartition(".")[2].replace("_", " ")
                said += differences.lines(label, then, None if now is inputs.GONE else now)
        said += differences.lines("arguments", saved["arguments"], self._arguments())
        if not changed and not said:
            said = [f"{path}: values of other classes" for path in self._other_classes(saved)]
        # For a new or removed struct, omit the fields.
        outermost = [path for path in changed if not any(path.startswith(f"{each}.") for each in changed)]
        return [*(line for path in sorted(outermost) for line in _explained(path, changed[path])), *said]

    def _arguments(self) -> Any:
        return [inputs.plain(words) for _, words in map(_parts, self._actions)]

    @functools.cached_property
    def _trace(self) -> sources.Trace:
        return sources.trace([*(action for action, _ in map(_parts, self._actions)), *self._code])


def _parts(action: Any) -> tuple[Callable[..., Any], list[Any]]:
    """Return the innermost function of a doit action, and its arguments."""
    function, *words = action if isinstance(action, tuple) else (action,)
    return inspect.unwrap(function), words


def _changed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recorded values of the config that differ from the present values."""
    return {path: then for path, then in config.items() if not inputs.same(then, inputs.at(path))}


def _explained(path: str, then: Any) -> list[str]:
    """Return the changes of the config at a path, in words."""
    now = inputs.whole(path)
    if then == {} and now in (None, inputs.GONE):  # a struct, whose fields are not recorded with it
        return [f"{path}: removed"]
    return differences.lines(path, then, None if now is inputs.GONE else now)


class Intact:
    """Condition: the targets are unchanged, and the store objects that they name exist.

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
        """Return the change of the value, in words."""
        return differences.lines(self._label, values.get("derived"), self._compute())


class Present:
    """Condition: files or folders of a task outside of build/, in the cache, exist.

    The paths are computed when doit reaches the task, since they may depend on tasks that ran before.
    """

    def __init__(self, paths: Callable[[], Iterable[str | os.PathLike[str]]]) -> None:
        self._paths = paths

    def __call__(self, task: Task, values: Values) -> bool:
        """Return True if all exist."""
        return not self.reasons(task, values)

    def reasons(self, task: Task, values: Values) -> list[str]:
        """Return the first missing path, in words."""
        return [f"{path} is missing" for path in self._paths() if not os.path.exists(path)][:1]


class UnlessAsked:
    """Condition: the command line does not name the task, which then does more."""

    def __call__(self, task: Task, values: Values) -> bool | None:
        """Return False if the command line names the task, else None: the other conditions decide."""
        return False if session.asked_for(task.name) else None

    def reasons(self, task: Task, values: Values) -> list[str]:
        """Return the reason, if the command line names the task."""
        return ["named on the command line"] if session.asked_for(task.name) else []


def objects_of(path: str) -> list[str]:
    """Return the paths of a manifest's objects in build/NAME/store; none for other files."""
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

    def __init__(self, folders: Iterable[str], walk: Callable[[str], Iterable[str]] | None = None) -> None:
        """`walk` yields the paths that count for a folder: by default all in it, without following links."""
        self._folders = tuple(folders)
        self._walk = walk or _walk
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
        for path in dict.fromkeys(path for each in self._folders for path in self._walk(each)):
            yield path, os.lstat(path)


def _walk(folder: str) -> Iterator[str]:
    pending = [folder]
    while pending:
        path = pending.pop()
        yield path
        with os.scandir(path) as entries:
            for each in entries:
                if each.is_dir(follow_symlinks=False):
                    pending.append(each.path)
                else:
                    yield each.path


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
