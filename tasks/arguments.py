"""Arguments of the command line: tasks, options, and the older form of options, NAME=VALUE.

A mistake is found here, before doit parses the words, and reported in one line.
"""

import getopt
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from doit.cmdparse import CmdOption, CmdParse, CmdParseError, TaskParse
from doit.doit_cmd import DoitMain

from notos.errors import UsageError
from notos.structs import dataclass
from tasks import usage
from tasks.usage import CONFIG, OPTIONS, PASSED_ON, PASSED_ON_OPTIONS, Option, command

# Commands of doit that Notos has, by name; tasks/manual.py documents them.
_TAKEN = ("clean", "forget", "info", "list", "run")
COMMANDS = {each.get_name(): each for each in DoitMain.DOIT_CMDS if each.get_name() in _TAKEN}

_VARIABLE = re.compile(r"([A-Za-z_][\w-]*)=(.*)", re.DOTALL)
# Names that other programs use for such tasks.
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
    """A parsed command line: --config and NAME=VALUE settings, all other words, and whether it has --help."""

    variables: Mapping[str, str]
    words: Sequence[str]
    help: bool = False


def parse(words: Sequence[str]) -> Line:
    """Separate --config and NAME=VALUE from other words.

    The options of a task stay among the words; the value of an option may be any text.
    Raises UsageError for a name that is unknown, empty or given twice.
    """
    variables: dict[str, str] = {}
    rest: list[str] = []
    known: Sequence[Option] = OPTIONS
    helped = False
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        match = _VARIABLE.fullmatch(word)
        passed_on = known is PASSED_ON_OPTIONS
        if word == "--" or (passed_on and not word.startswith("-") and not _names(match, known)):
            rest += words[at - 1 :]
            break
        if word == f"--{CONFIG.name}":
            if at == len(words):
                raise UsageError(f"{word} needs a value", hint=f"for example {word} {CONFIG.example}")
            _keep(CONFIG, words[at], word, variables)
            at += 1
        elif word.startswith(f"--{CONFIG.name}="):
            _keep(CONFIG, word.partition("=")[2], f"--{CONFIG.name}", variables)
        elif any(word == f"--{each.name}" for each in known):
            rest += words[at - 1 : at + 1]
            at += 1
        elif word in ("-h", "--help"):
            helped = True
        elif match and not (_takes_value(rest) and not _names(match, known)):
            _take(match[1], match[2], known, variables)
        elif not word:
            raise UsageError("a word of the command line is empty", hint=command("help shows the commands"))
        else:
            rest.append(word)
            if word == PASSED_ON and not is_command(rest[0]):
                known = PASSED_ON_OPTIONS
    return Line(variables, rest, helped)


def is_command(word: str) -> bool:
    """Return True if `word` is a command, and not a word of `notos` for a task."""
    return word in COMMANDS and word not in usage.own_words()


def _names(match: re.Match[str] | None, known: Iterable[Option]) -> bool:
    return match is not None and any(each.name == match[1] for each in known)


def _takes_value(words: Sequence[str]) -> bool:
    """Return True if the last word may be an option that takes the next one as its value."""
    return bool(words) and words[-1].startswith("--") and "=" not in words[-1]


def _take(name: str, value: str, known: Sequence[Option], variables: dict[str, str]) -> None:
    found = [each for each in known if each.name == name]
    if not found:
        raise _unknown_variable(name, value, known)
    _keep(found[0], value, f"{name}=", variables)


def _unknown_variable(name: str, value: str, known: Sequence[Option]) -> UsageError:
    near = nearest(name, [each.name for each in known])
    if near:
        hint = f'did you mean "{near}="?'
    elif name.isupper():
        hint = f"environment variables go before the command: {name}={value} {command('...')}"
    else:
        hint = f"the variables are {', '.join(sorted({f'{each.name}=' for each in known}))}"
    return UsageError(f"unknown variable: {name}=", hint=hint)


def _keep(option: Option, value: str, written: str, variables: dict[str, str]) -> None:
    """Store the value of an option, `written` as --NAME or as NAME= on the command line."""
    if not value:
        blank = "" if written.endswith("=") else " "
        raise UsageError(f"{written} has no value", hint=f"for example {written}{blank}{option.example}")
    if option.name in variables:
        raise UsageError(f"{written} is given twice", hint="leave one out")
    variables[option.name] = value


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the most similar of the `known` words, empty if none is similar."""
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


def selected(tasks: Tasks, words: list[str], start: int = 0, *, given: Iterable[str] = ()) -> list[Any]:
    """Return the tasks that `words` select from `start` on, as doit does: by name, pattern or target.

    In `words`, which doit reads next, words of `notos` for tasks (build) become the tasks' names.
    `given` are the names of options in the form NAME=VALUE.
    Raises UsageError, which quotes the words as the user wrote them.
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
            for each in matching:
                check_options(options(each), [], each.name, given=given)
            found += matching
        elif name in tasks:
            task = tasks[name]
            meta = task.meta or {}
            passes_on = "--" in meta.get("words", "") or name == PASSED_ON
            readers = {each: _readers(each, tasks) for each in {option.name for option in OPTIONS}}
            rest = check_options(
                options(task), words[at:], word, passes_on=passes_on, given=given, readers=readers
            )
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
    """Return the error for a word that is no task, with the most similar task."""
    if match := _VARIABLE.fullmatch(word):
        return _unknown_variable(match[1], match[2], OPTIONS)
    group, colon, _ = word.partition(":")
    if colon and group in tasks:
        names = [name for name in tasks if name.startswith(f"{group}:")]
        hint = f"{group} has {', '.join(names)}" if names else f"{group} has no subtasks"
    elif near := nearest(word, [*tasks, *usage.command_names(), *usage.own_words()]):
        hint = f'did you mean "{near}"?'
    else:
        hint = command("list shows the tasks")
    return UsageError(f"unknown task: {word}", hint=hint)


def check_options(
    parser: CmdParse,
    words: Sequence[str],
    of: str,
    *,
    passes_on: bool = False,
    given: Iterable[str] = (),
    readers: Mapping[str, Sequence[str]] | None = None,
) -> list[str]:
    """Return the words after the options. Raises UsageError for an option that the task `of` lacks.

    `of` is empty for options before the first task. `given` are the names of options in the form NAME=VALUE,
    `readers` the tasks that have an option.
    """
    try:
        found, rest = getopt.getopt(list(words), parser.get_short(), parser.get_long())
    except getopt.GetoptError as error:
        raise _wrong_option(error, parser, of, f"{of} -- ..." if passes_on else "", readers or {}) from None
    seen = set(given)
    shared = {each.name: usage.option(each.name, each.metavar) for each in parser.options}
    for flag, value in found:
        option, _ = parser.get_option(flag)
        if option.type is bool:
            continue
        if option.name in seen:
            raise UsageError(f"{flag} is given twice", hint="leave one out")
        seen.add(option.name)
        if known := shared[option.name]:
            _check_value(known, value, flag)
        try:
            option.str2type(value)
        except CmdParseError:
            wants = "it must be a number" if option.type is int else f"one of {', '.join(option.choices)}"
            raise UsageError(f"invalid value for {flag}: {value}", hint=wants) from None
    for missing in (each for each in shared.values() if each and each.required and each.name not in seen):
        written = f"--{missing.name}"
        example = command(f"{of} {written} {missing.example}")
        raise UsageError(f"missing option: {written} {missing.value}", hint=f"for example {example}")
    return rest


def _check_value(option: Option, value: str, written: str) -> None:
    if not value:
        raise UsageError(f"{written} has no value", hint=f"for example {written} {option.example}")
    if wants := option.wants(value):
        raise UsageError(f"invalid {option.name}: {value}", hint=f"it must be {wants}")


def _readers(name: str, tasks: Tasks) -> list[str]:
    """Return the tasks that have the option `name`, as the user calls them."""
    return [usage.user_word(task.name) for task in tasks.values() if name in _shared(task)]


def _shared(task: Any) -> dict[str, Option]:
    """Return a task's options that have the form NAME=VALUE too, by name."""
    found = (usage.option(each["name"], each.get("metavar", "")) for each in task.params)
    return {each.name: each for each in found if each}


def _wrong_option(
    error: getopt.GetoptError, parser: CmdParse, of: str, passing: str, readers: Mapping[str, Sequence[str]]
) -> UsageError:
    where = command(f"help {of}".rstrip())
    dashes = "--" if f"--{error.opt}" in error.msg or len(error.opt) > 1 else "-"
    flag = f"{dashes}{error.opt}"
    names = [name for each in parser.options for name in (each.long, each.inverse) if name]
    names += ["config", "help"] if of else ["config", "help", "version"]
    if "requires argument" in error.msg:
        return UsageError(f"{flag} needs a value", hint=where)
    shared = [each for each in OPTIONS if error.opt == each.name]
    if "must not have" in error.msg:
        return UsageError(f"{flag} takes no value", hint=where)
    if "unique prefix" in error.msg:
        begun = ", ".join(f"--{name}" for name in names if name.startswith(error.opt))
        return UsageError(f"ambiguous option: {flag}", hint=f"it may be {begun}")
    if not of and shared:
        hint = f"options follow their task: {command(f'TASK {flag} {shared[0].example}')}"
        return UsageError(f"unknown option: {flag}", hint=hint)
    if readers.get(error.opt):
        return UsageError(
            f"unknown option of {of}: {flag}", hint=f"it is for {', '.join(readers[error.opt])}"
        )
    near = nearest(error.opt, names) if dashes == "--" else ""
    if near:
        hint = f'did you mean "--{near}"?'
    elif passing:
        hint = f"arguments for the program follow --: {command(passing)}"
    else:
        hint = f"{where} shows the options"
    return UsageError(f"unknown option{f' of {of}' if of else ''}: {flag}", hint=hint)


def take_variables(
    named: Sequence[Any], tasks: Tasks, given: Mapping[str, str], *, command_name: str = ""
) -> None:
    """Pass options in the form NAME=VALUE to the `named` tasks, except for config.

    Raises UsageError for an option that no named task has, and for an invalid value.
    """
    have = {name: each for task in named for name, each in _shared(task).items()}
    values = {name: value for name, value in given.items() if name != CONFIG.name}
    for name, value in values.items():
        if name not in have:
            readers = _readers(name, tasks)
            who = command_name or " and ".join(usage.user_word(task.name) for task in named)
            raise UsageError(
                f"{who} does not read {name}=", hint=f"it is for {', '.join(readers)}" if readers else ""
            )
        _check_value(have[name], value, f"{name}=")
    for task in named:
        task.cfg_values = values  # doit passes the values for which the task has a parameter
