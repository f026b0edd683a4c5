"""The arguments of the command line: variables, tasks and options, and what is wrong with them.

A mistake is found here, before doit meets it, and reported in one line.
"""

import getopt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from doit.cmdparse import CmdOption, CmdParse, CmdParseError, TaskParse
from doit.doit_cmd import DoitMain

from notos.errors import UsageError
from tasks import usage
from tasks.usage import PASSED_ON, PASSED_ON_VARIABLES, VARIABLES, Variable, command

# The commands of doit that we have, by name; tasks/manual.py documents them.
_TAKEN = ("clean", "forget", "info", "list", "run")
COMMANDS = {each.get_name(): each for each in DoitMain.DOIT_CMDS if each.get_name() in _TAKEN}

_VARIABLE = re.compile(r"([A-Za-z_][\w-]*)=(.*)", re.DOTALL)
# What others call our tasks.
_SYNONYMS = {
    **dict.fromkeys(("build", "make", "image"), "runvm"),
    **dict.fromkeys(("run", "start", "qemu"), "boot"),
    **dict.fromkeys(("login", "shell"), "ssh"),
    **dict.fromkeys(("update", "upgrade"), "lock"),
    **dict.fromkeys(("deploy", "apply"), "switch"),
    **dict.fromkeys(("lint", "format"), "check"),
    "status": "why",
    "undo": "rollback",
}

Tasks = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """A command line: its variables, all other words, and whether --help is one of them."""

    variables: Mapping[str, str]
    words: Sequence[str]
    help: bool = False


def parse(words: Sequence[str]) -> Line:
    """Tell variables from other words. Raises UsageError for one that is unknown, empty or given twice."""
    variables: dict[str, str] = {}
    rest: list[str] = []
    known: Sequence[Variable] = VARIABLES
    helped = False
    for at, word in enumerate(words):
        match = _VARIABLE.fullmatch(word)
        passed_on = known is PASSED_ON_VARIABLES
        if word == "--" or (passed_on and not word.startswith("-") and not _names(match, known)):
            rest += words[at:]
            break
        if word in ("-h", "--help"):
            helped = True
        elif match:
            _take(match[1], match[2], known, variables)
        elif not word:
            raise UsageError("a word of the command line is empty", hint=command("help shows the commands"))
        else:
            rest.append(word)
            if word == PASSED_ON and not is_command(rest[0]):
                known = PASSED_ON_VARIABLES
    return Line(variables, rest, helped)


def is_command(word: str) -> bool:
    """Return True if `word` is a command, and not a word of the program's own for a task."""
    return word in COMMANDS and word not in usage.own_words()


def _names(match: re.Match[str] | None, known: Iterable[Variable]) -> bool:
    return match is not None and any(each.name == match[1] for each in known)


def _take(name: str, value: str, known: Sequence[Variable], variables: dict[str, str]) -> None:
    found = [each for each in known if each.name == name]
    if not found:
        near = nearest(name, [each.name for each in known])
        if near:
            hint = f'did you mean "{near}="?'
        elif name.isupper():
            hint = f"variables of the environment go first: {name}={value} {command('...')}"
        else:
            hint = f"the variables are {', '.join(sorted({f'{each.name}=' for each in known}))}"
        raise UsageError(f"unknown variable: {name}=", hint=hint)
    if not value:
        raise UsageError(f"{name}= has no value", hint=f"for example {name}={found[0].example}")
    if name in variables:
        raise UsageError(f"{name}= is given twice", hint="leave one out")
    variables[name] = value


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the one of `known` that `word` seems to mean, empty if none does."""
    import difflib

    names = list(dict.fromkeys(known))
    if word in _SYNONYMS and _SYNONYMS[word] in names:
        return _SYNONYMS[word]
    begun = [each for each in names if each.startswith(word)]
    if len(begun) == 1:
        return begun[0]
    close = difflib.get_close_matches(word, names, 1)
    if close:
        return close[0]
    parts = {part: each for each in names for part in re.split(r"[-_:]", each)}
    close = difflib.get_close_matches(word, parts, 1, 0.8)
    return parts[close[0]] if close else ""


def options(task: Any) -> CmdParse:
    """Return the parser of a task's options."""
    return TaskParse([CmdOption(each) for each in task.params])


def selected(tasks: Tasks, words: list[str], start: int = 0) -> list[Any]:
    """Return the tasks that `words` name from `start` on, as doit does: by name, pattern or target.

    The program's own words for tasks (build) become the tasks' names in `words`, which doit reads next.
    Raises UsageError, with the words as they were.
    """
    targets = {target: task for task in tasks.values() for target in task.targets}
    found = []
    at = start
    while at < len(words):
        word = words[at]
        words[at] = name = usage.task_name(word)
        at += 1
        if "*" in word:
            matching = [task for name, task in tasks.items() if fnmatchcase(name, word)]
            if not matching:
                raise UsageError(f"no task matches {word}", hint=command("list --all shows the tasks"))
            found += matching
        elif name in tasks:
            task = tasks[name]
            meta = task.meta or {}
            passes_on = "--" in meta.get("words", "") or name == PASSED_ON
            rest = check_options(options(task), words[at:], word, passes_on=passes_on)
            at = len(words) - len(rest)
            found.append(task)
            if task.pos_arg:
                if meta.get("takes") == "tasks":
                    selected(tasks, words, at)
                break
        elif word in targets:
            found.append(targets[word])
        else:
            raise unknown_task(word, tasks)
    return found


def unknown_task(word: str, tasks: Tasks) -> UsageError:
    """Return the error for a word that is no task, with the one that it seems to mean."""
    from tasks import manual

    group, colon, _ = word.partition(":")
    if colon and group in tasks:
        names = [name for name in tasks if name.startswith(f"{group}:")]
        hint = f"{group} has {', '.join(names)}" if names else f"{group} has no parts"
    elif near := nearest(word, [*tasks, *manual.commands(), *usage.own_words()]):
        hint = f'did you mean "{near}"?'
    else:
        hint = command("list shows the tasks")
    return UsageError(f"unknown task: {word}", hint=hint)


def check_options(parser: CmdParse, words: Sequence[str], of: str, *, passes_on: bool = False) -> list[str]:
    """Return what follows the options among `words`. Raises UsageError for one that the task `of` lacks.

    `of` is empty for the options that stand before all tasks.
    """
    try:
        found, rest = getopt.getopt(list(words), parser.get_short(), parser.get_long())
    except getopt.GetoptError as error:
        raise _wrong_option(error, parser, of, f"{of} -- ..." if passes_on else "") from None
    for flag, value in found:
        option, _ = parser.get_option(flag)
        try:
            if option.type is not bool:
                option.str2type(value)
        except CmdParseError:
            wants = "it wants a number" if option.type is int else f"one of {', '.join(option.choices)}"
            raise UsageError(f"invalid value for {flag}: {value}", hint=wants) from None
    return rest


def _wrong_option(error: getopt.GetoptError, parser: CmdParse, of: str, passing: str) -> UsageError:
    where = command(f"help {of}".rstrip())
    dashes = "--" if f"--{error.opt}" in error.msg or len(error.opt) > 1 else "-"
    flag = f"{dashes}{error.opt}"
    names = [name for each in parser.options for name in (each.long, each.inverse) if name]
    names += ["help"] if of else ["help", "version"]
    if "requires argument" in error.msg:
        return UsageError(f"{flag} wants a value", hint=where)
    if "must not have" in error.msg:
        return UsageError(f"{flag} takes no value", hint=where)
    if "unique prefix" in error.msg:
        begun = ", ".join(f"--{name}" for name in names if name.startswith(error.opt))
        return UsageError(f"ambiguous option: {flag}", hint=f"it may be {begun}")
    near = nearest(error.opt, names) if dashes == "--" else ""
    if near:
        hint = f'did you mean "--{near}"?'
    elif passing:
        hint = f"words for the program that it runs follow --: {command(passing)}"
    else:
        hint = f"{where} shows the options"
    return UsageError(f"unknown option{f' of {of}' if of else ''}: {flag}", hint=hint)


def check_variables(
    named: Sequence[Any], tasks: Tasks, given: Mapping[str, str], *, command_name: str = ""
) -> None:
    """Raise UsageError for a variable that no named task reads, and for a value that is none."""
    read = {each.name: each for task in named for each in usage.variables(task.meta)}
    for name, value in given.items():
        if name == usage.CONFIG.name:
            continue
        if name not in read:
            readers = [
                usage.user_word(task.name)
                for task in tasks.values()
                if any(v.name == name for v in usage.variables(task.meta))
            ]
            who = command_name or " and ".join(usage.user_word(task.name) for task in named)
            raise UsageError(
                f"{who} does not read {name}=", hint=f"it is for {', '.join(readers)}" if readers else ""
            )
        if wants := read[name].wants(value):
            raise UsageError(f"invalid {name}: {value}", hint=f"it wants {wants}")
