"""Completion: scripts for bash, zsh and fish, and the candidates that a script requests at each TAB.

The scripts call the hidden command `complete` with the words before the cursor; the last one may be empty.
It prints one candidate per line, with a tab and a description. No space follows a candidate that ends in = or
/. NAME=VALUE, the older form of options, is completed after NAME=, but is no candidate itself.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from doit.exceptions import InvalidDodoFile

from notos.errors import NotosError, UsageError
from notos.home import own
from tasks import arguments, manual, usage
from tasks.arguments import Tasks
from tasks.usage import CONFIG, Kind, command, from_caller

SHELLS = ("bash", "zsh", "fish")
_YAML = (".yaml", ".yml")
_FILES: Mapping[str, Kind] = {"FILE": "file", "DIR": "folder"}
_CONFIG = f"--{CONFIG.name}"

Candidate = tuple[str, str]
Load = Callable[[Mapping[str, str]], Tasks]


def script(words: Sequence[str]) -> int:
    """Print the script for the shell in `words`. Raises UsageError."""
    if len(words) != 1 or words[0] not in SHELLS:
        wrong = f"no completion for {' '.join(words)}" if words else "completion needs the name of a shell"
        raise UsageError(wrong, hint=command(f"completion {' | '.join(SHELLS)}"))
    print(Path(own(f"scripts/completion/{words[0]}")).read_text(), end="")
    return 0


def complete(words: Sequence[str], load: Load) -> int:
    """Print the candidates for the last of `words`. `load(variables)` returns the tasks of a config."""
    *before, current = words or [""]
    for word, text in sorted(set(_candidates(list(before), current, load))):
        if word.startswith(current):
            print(f"{word}\t{' '.join(text.split())}")
    return 0


def _candidates(before: list[str], current: str, load: Load) -> Iterator[Candidate]:
    config, before = _config(before)
    if config == "":
        yield from _paths("", current, "yaml")
        return
    name, equals, value = current.partition("=")
    tasks = _tasks(config, load)
    named = [usage.task_name(word) for word in before if usage.task_name(word) in tasks]
    task = tasks[named[-1]] if named else None
    first = next((word for word in before if not word.startswith("-") and "=" not in word), "")
    if equals and (kind := _kind(task, name)):
        yield from _paths(f"{name}=", value, kind)
    elif task and (kind := _wanted(task, before[-1])):
        yield from _paths("", current, kind)
    elif current.startswith("-"):
        yield from _options(task, first)
    elif first == "completion":
        yield from ((each, "") for each in SHELLS)
    elif first == "new" and manual.installed():
        yield from _paths("", current, "folder")
    elif task and task.name == usage.PASSED_ON:
        yield from (each for each in _options(task, first) if each[0] not in before)
    elif task and task.pos_arg and task.meta.get("takes") != "tasks":
        yield from _paths("", current, "file")
    else:
        yield from ((each.name, each.doc or "") for each in tasks.values())
        yield from ((word, tasks[name].doc) for word, name in usage.own_words().items() if name in tasks)
        if first in ("", "help"):
            yield from ((each, what.doc) for each, what in manual.commands().items())


def _config(before: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the config in `before`, empty if its value is the next word, and the other words."""
    flags = (_CONFIG, "-c") if manual.installed() else (_CONFIG,)
    config = None
    rest: list[str] = []
    words = iter(before)
    for word in words:
        if word == _CONFIG or (word in flags and not rest):  # after a command, -c is the command's option
            config = next(words, "")
        elif word.startswith((f"{_CONFIG}=", f"{CONFIG.name}=")):
            config = word.partition("=")[2]
        else:
            rest.append(word)
    return config, rest


def _kind(task: Any, written: str) -> Kind | None:
    """Return the kind of value of an option, `written` as --NAME or NAME. Return None if it is unknown."""
    name = written.removeprefix("--")
    if task and (kind := _wanted(task, f"--{name}")):
        return kind
    return next((each.kind for each in usage.OPTIONS if each.name == name), None)


def _tasks(config: str | None, load: Load) -> Tasks:
    """Return all tasks of the selected config; none if it is invalid."""
    try:
        return load({CONFIG.name: config} if config else {})
    except (InvalidDodoFile, NotosError, OSError):
        return {}


def _wanted(task: Any, word: str) -> Kind | None:
    """Return the kind of path that the option `word` of a task takes as its value."""
    for each in arguments.options(task).options:
        if word == f"--{each.long}" and each.type is not bool:
            shared = usage.option(each.name, each.metavar)
            return shared.kind if shared else _FILES.get(each.metavar, "text")
    return None


def _options(task: Any, first: str) -> Iterator[Candidate]:
    yield "--help", "show help"
    yield _CONFIG, CONFIG.help
    if task:
        for each in arguments.options(task).options:
            yield f"--{each.long}", each.help
    elif first in manual.commands():
        rows = manual.commands()[first].options
        yield from ((part.split()[0], text) for names, text in rows for part in names.split(", "))
    elif not first:
        yield "--version", "versions of Notos, doit and Python"


def _paths(prefix: str, value: str, kind: Kind) -> Iterator[Candidate]:
    """Yield files and folders that begin with `value`, relative to the user's folder; folders end in /."""
    if kind not in ("file", "yaml", "folder"):
        return
    folder, name = os.path.split(value)
    try:
        entries = list(os.scandir(from_caller(folder or ".").expanduser()))
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(".") and not name.startswith("."):
            continue
        path = prefix + os.path.join(folder, entry.name)
        if entry.is_dir():
            yield f"{path}/", ""
        elif kind == "file" or (kind == "yaml" and entry.name.endswith(_YAML)):
            yield path, ""
