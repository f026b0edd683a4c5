"""Help: a front page of one screen, and a page for each task and command."""

import shutil
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from doit.cmdparse import CmdParse

from notos.structs import dataclass
from tasks import arguments, usage
from tasks.arguments import Tasks
from tasks.usage import CONFIG, command, program

_INTRODUCTION = """\
Notos makes tiny immutable operating systems for virtual machines, from Debian
packages. One config.yaml becomes a kernel, an initrd, a read-only squashfs,
and runvm.sh, the script that boots them in QEMU.
"""
_CHECKOUT = (
    (
        "Two commands",
        (
            ("runvm", "build the machine of config.yaml"),
            ("./result", "boot it on this terminal; ctrl-a x quits"),
        ),
    ),
    (
        "While it runs, in another terminal",
        (
            ("ssh ['COMMAND']", "log in as root, or run a command"),
            ("switch", "switch the running machine to the current build, in 2 s"),
            ("rollback", "return it to the previous generation"),
        ),
    ),
    (
        "Every day",
        (
            ("why", "the tasks that would run, and why"),
            ("lock", "upgrade the packages"),
            ("test", "run the tests"),
            ("clean [-n]", "remove built files (-n: only list them)"),
        ),
    ),
    (
        "More",
        (
            ("list", "all tasks, in the order of a build"),
            ("help TASK", "options and an example of a task, like TASK --help"),
            ("completion SHELL", "a completion script for bash, zsh or fish"),
            ("--version", "versions of Notos, doit and Python"),
        ),
    ),
)
_INSTALLED = (
    (
        "Start",
        (
            ("new DIR", "make a project: a config, a service, a test, CI"),
            ("build", "build the machine of config.yaml"),
            ("run", "build it and boot it on this terminal; ctrl-a x quits"),
            ("test", "boot it in the project's tests"),
        ),
    ),
    _CHECKOUT[1],
    ("Every day", tuple(each for each in _CHECKOUT[2][1] if each[0] != "test")),
    _CHECKOUT[3],
)


@dataclass(frozen=True)
class Command:
    """The help of a command that is no task. `options` are rows of an option's names and its description."""

    doc: str
    words: str = ""
    options: tuple[tuple[str, str], ...] = ()
    example: str = ""


COMMANDS = {
    "list": Command(
        "list the tasks, in the order of a build",
        "[TASK ...]",
        (
            ("--all", "subtasks too (kernel:build)"),
            ("-q, --quiet", "names only"),
            ("-s, --status", "U if up to date, R if it would run"),
            ("--deps", "the files that each task reads"),
        ),
        "list --all --status",
    ),
    "run": Command(
        "run tasks; the word run is optional",
        "[TASK | TARGET ...]",
        (
            ("-a, --always-execute", "run the tasks and their dependencies, up to date or not"),
            ("-c, --continue", "continue after a failure with independent tasks"),
            ("-s, --single", "run only these tasks, without their dependencies"),
            ("-o, --output-file FILE", "write the lines of the tasks to a file"),
        ),
        "run -a squashfs",
    ),
    "info": Command(
        "show the dependencies and targets of a task",
        "TASK",
        (("--no-status", "without the reasons for a run"),),
        "info squashfs",
    ),
    "clean": Command(
        "remove built files, but not downloads, the lock and the machine's drive",
        "[TASK ...]",
        (
            ("-n, --dry-run", "only list the files"),
            ("-c, --clean-dep", "the tasks' dependencies too"),
        ),
        "clean -n",
    ),
    "forget": Command(
        "forget the success of tasks, so that they run again",
        "[TASK ...]",
        (("-a, --all", "all tasks"), ("-s, --follow-sub", "the tasks' dependencies too")),
        "forget squashfs",
    ),
    "help": Command(
        "show this help, or the help of a task or command", "[TASK | COMMAND]", (), "help switch"
    ),
    "completion": Command(
        "print a script that completes commands, tasks, options and configs",
        "bash | zsh | fish",
        (),
        "completion bash >~/.local/share/bash-completion/completions/doit",
    ),
}
_CONFIG_ROW = (f"--{CONFIG.name} {CONFIG.value}", CONFIG.help)
NEW = Command(
    "make a project: config.yaml, a service, a test, .gitignore, a CI workflow", "DIR", (), "new web"
)


def show(topics: Sequence[str], load: Callable[[], Tasks]) -> int:
    """Print the help of `topics`, by default the front page. `load()` returns the tasks of the config.

    Raises UsageError for an unknown topic.
    """
    if not topics:
        print(front())
        return 0
    print("\n\n".join(page(each, load) for each in topics))
    return 0


def installed() -> bool:
    """Return True if the user calls the command notos, which has other words for some tasks."""
    return program() == "notos"


def commands() -> dict[str, Command]:
    """Return the commands of the program that the user calls."""
    if not installed():
        return COMMANDS
    return {"new": NEW, **{name: each for name, each in COMMANDS.items() if name != "run"}}


def flags(name: str) -> set[str]:
    """Return the flags of the command `name`, for example -a and --all."""
    return {part.split()[0] for names, _ in COMMANDS[name].options for part in names.split(", ")}


def front() -> str:
    """Return the front page, at most 40 lines of 80 columns."""
    blocks = [_INTRODUCTION]
    for title, rows in _INSTALLED if installed() else _CHECKOUT:
        lines = [(words if words == "./result" else command(words), text) for words, text in rows]
        blocks.append(f"{title}\n{_table(lines, 25)}\n")
    if installed():
        chosen = [("-c, --config FILE", "the config; config.yaml of this folder or the nearest above")]
        blocks.append(f"Option\n{_table(chosen, 25)}\n")
        blocks.append("The README of a new project says more.")
    else:
        chosen = [("--config FILE", "another machine; for example examples/minimal.yaml")]
        blocks.append(f"Option\n{_table(chosen, 25)}\n")
        blocks.append("Documentation: README.md and docs/; docs/configuration.md has every key.")
    return "\n".join(blocks)


def page(topic: str, load: Callable[[], Tasks]) -> str:
    """Return the help of a task or command. Raises UsageError."""
    if topic in commands():
        found = commands()[topic]
        rows = [*found.options, _CONFIG_ROW] if topic in arguments.COMMANDS else []
        blocks = [
            f"{command(topic)}: {found.doc}",
            _usage(topic, bool(rows), found.words),
            _section("Options", rows),
            f"Example\n  {command(found.example)}" if found.example else "",
        ]
        return "\n\n".join(filter(None, blocks))
    name = usage.task_name(topic)
    tasks = load()
    if name not in tasks:
        raise arguments.unknown_task(topic, tasks)
    return _task_page(topic, tasks[name], tasks)


def _task_page(topic: str, task: Any, tasks: Mapping[str, Any]) -> str:
    meta = task.meta or {}
    parts = [(each.name, each.doc or "") for each in tasks.values() if each.subtask_of == task.name]
    options = [*option_rows(arguments.options(task)), _CONFIG_ROW]
    example = meta.get("example", "")
    blocks = [
        f"{command(topic)}: {task.doc}",
        _paragraph(meta.get("more", "")),
        _usage(topic, True, meta.get("words", "")),
        _section("Parts", parts),
        _section("Options", options),
        _section("Makes", [(target, "") for target in task.targets]),
        f"Example\n  {command(f'{topic} {example}'.rstrip())}",
    ]
    return "\n\n".join(filter(None, blocks))


def option_rows(parser: CmdParse) -> list[tuple[str, str]]:
    """Return a row for each option of a task: its spelling, and its description with the default."""
    rows = []
    for each in parser.options:
        flags = f"--{each.long}" if each.type is bool else f"--{each.long} {each.metavar}"
        default = "" if each.type is bool or each.default in ("", None) else f" (default: {each.default})"
        rows.append((flags, f"{each.help}{default}"))
    return rows


def _usage(topic: str, options: bool, words: str) -> str:
    parts = (command(topic), "[OPTIONS]" if options else "", words)
    return f"  {' '.join(filter(None, parts))}"


def _section(title: str, rows: Sequence[tuple[str, str]]) -> str:
    return f"{title}\n{_table(rows)}" if rows else ""


def _table(rows: Sequence[tuple[str, str]], width: int = 0) -> str:
    """Return rows as two columns, with the second column wrapped."""
    width = width or max(len(left) for left, _ in rows) + 2
    lines = []
    for left, right in rows:
        head = f"  {left:<{width}}"
        wrapped = textwrap.wrap(right, _columns() - len(head)) or [""]
        lines.append(f"{head}{wrapped[0]}".rstrip())
        lines += [" " * (width + 2) + each for each in wrapped[1:]]
    return "\n".join(lines)


def _paragraph(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), _columns())


def _columns() -> int:
    return max(40, min(100, shutil.get_terminal_size().columns))
