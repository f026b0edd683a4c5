"""Completion: the scripts for bash, zsh and fish, and the candidates that they ask for at each TAB.

The scripts call the hidden command `complete` with the words before the cursor, the last one maybe empty.
It prints a candidate a line, with a tab and a description; no space follows one that ends in = or /.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from doit.exceptions import InvalidDodoFile

from notos.errors import NotosError, UsageError
from notos.home import own
from tasks import arguments, command_line, manual, usage
from tasks.usage import Kind, Variable, command, from_caller

SHELLS = ("bash", "zsh", "fish")
_YAML = (".yaml", ".yml")
_FILES: Mapping[str, Kind] = {"FILE": "file", "DIR": "folder"}

Candidate = tuple[str, str]


def script(words: Sequence[str]) -> int:
    """Print the script for the shell that `words` name. Raises UsageError."""
    if len(words) != 1 or words[0] not in SHELLS:
        wrong = f"no completion for {' '.join(words)}" if words else "completion wants the name of a shell"
        raise UsageError(wrong, hint=command(f"completion {' | '.join(SHELLS)}"))
    print(Path(own(f"scripts/completion/{words[0]}")).read_text(), end="")
    return 0


def complete(words: Sequence[str]) -> int:
    """Print the candidates for the last of `words`."""
    *before, current = words or [""]
    for word, text in sorted(set(_candidates(list(before), current))):
        if word.startswith(current):
            print(f"{word}\t{' '.join(text.split())}")
    return 0


def _candidates(before: list[str], current: str) -> Iterator[Candidate]:
    if manual.installed():
        if before and before[-1] in ("-c", "--config"):
            yield from _paths("", current, "yaml")
            return
        for at, word in enumerate(before[:-1]):
            if word in ("-c", "--config"):
                before[at : at + 2] = [f"config={before[at + 1]}"]
    name, equals, value = current.partition("=")
    known = [each for each in usage.VARIABLES if each.name == name] if equals else []
    tasks = _tasks(before)
    named = [usage.task_name(word) for word in before if usage.task_name(word) in tasks]
    task = tasks[named[-1]] if named else None
    first = next((word for word in before if not word.startswith("-") and "=" not in word), "")
    read = usage.variables(task.meta) if task else ()
    if known:
        chosen = next((each for each in read if each.name == name), known[0])
        yield from _paths(f"{name}=", value, chosen.kind)
    elif task and (kind := _wanted(task, before[-1])):
        yield from _paths("", current, kind)
    elif current.startswith("-"):
        yield from _options(task, first)
    elif first == "completion":
        yield from ((each, "") for each in SHELLS)
    elif first == "new" and manual.installed():
        yield from _paths("", current, "folder")
    elif task and task.name == usage.PASSED_ON:
        yield from _variables(read, before)
    elif task and task.pos_arg and task.meta.get("takes") != "tasks":
        yield from _variables(read, before)
        yield from _paths("", current, "file")
    else:
        yield from ((each.name, each.doc or "") for each in tasks.values())
        yield from ((word, tasks[name].doc) for word, name in usage.own_words().items() if name in tasks)
        if first in ("", "help"):
            yield from ((each, what.doc) for each, what in manual.commands().items())
        yield from _variables(read, before)


def _tasks(before: Iterable[str]) -> Mapping[str, Any]:
    """All tasks of the config that is named; none of a broken one."""
    variables = dict(word.split("=", 1) for word in before if word.startswith("config="))
    try:
        return command_line.load(variables)
    except (InvalidDodoFile, NotosError, OSError):
        return {}


def _wanted(task: Any, word: str) -> Kind | None:
    """The kind of path that the option `word` of a task takes as its value."""
    for each in arguments.options(task).options:
        if word == f"--{each.long}" and each.type is not bool:
            return _FILES.get(each.metavar, "text")
    return None


def _options(task: Any, first: str) -> Iterator[Candidate]:
    yield "--help", "show help"
    if task:
        for each in arguments.options(task).options:
            yield f"--{each.long}", each.help
    elif first in manual.commands():
        rows = manual.commands()[first].options
        yield from ((part.split()[0], text) for names, text in rows for part in names.split(", "))
    elif not first:
        yield "--version", "versions of Notos, doit and Python"
        if manual.installed():
            yield "--config", "the config"


def _variables(read: Iterable[Variable], before: Iterable[str]) -> Iterator[Candidate]:
    given = {word.partition("=")[0] for word in before if "=" in word}
    for each in (usage.CONFIG, *read):
        if each.name not in given:
            yield f"{each.name}=", each.help


def _paths(prefix: str, value: str, kind: Kind) -> Iterator[Candidate]:
    """Files and folders that begin with `value`, seen from the user's folder; folders end in /."""
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
