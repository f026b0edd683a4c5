"""The interface of tasks: shared options, and the arguments that each task takes.

The check of the command line, `help` and completion read these declarations. graph.params() declares the
options of a single task.
"""

import os
import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

from notos.structs import dataclass

Kind = Literal["text", "number", "port", "file", "yaml", "folder"]

# A command in a message of Notos, followed by a task or command.
_COMMAND = re.compile(r"(?<![\w./])\./doit (?=[a-z])")

# The command that the user typed: ./doit, doit or notos.
_program = "./doit"


@dataclass(frozen=True)
class Option:
    """An option of several tasks, or an option whose value is a path, a number or a port.

    Its form is `--NAME VALUE` after the task. `NAME=VALUE` anywhere on the line means the same.
    `value` is the placeholder in help, and `example` a real value.
    """

    name: str
    value: str
    help: str
    example: str
    kind: Kind = "text"
    required: bool = False

    def wants(self, given: str) -> str:
        """Return the valid values in words, empty if `given` is valid."""
        number = int(given) if given.isascii() and given.isdigit() else 0
        if self.kind == "number" and not number:
            return "a number from 1"
        if self.kind == "port" and not 0 < number < 65536:
            return "a number from 1 to 65535"
        return ""

    def parameter(self) -> dict[str, Any]:
        """Return it as a parameter of a doit task. Its default is None."""
        return {
            "name": self.name,
            "long": self.name,
            "default": None,
            "type": int if self.kind in ("number", "port") else str,
            "help": self.help,
            "metavar": self.value,
        }


CONFIG = Option(
    "config", "FILE", "the machine's config (default: config.yaml)", "examples/minimal.yaml", "yaml"
)
HOST = Option("host", "NAME", "name or address of the machine (default: 127.0.0.1)", "192.0.2.7")
PORT = Option(
    "port", "NUMBER", "TCP port of its ssh server (default: the one forwarded to 22)", "2222", "port"
)
WITHIN = Option(
    "within", "SECONDS", "timeout for the machine's answer; then it reverts (default: 30)", "60", "number"
)
GENERATION = Option("to", "NUMBER", "the generation to return to (default: the previous one)", "1", "number")
CACHE_FOLDER = Option("to", "DIR", "the folder of the binary cache", "/srv/cache", "folder", required=True)
FRAGMENT = Option(
    "to",
    "FILE",
    "the fragment to write (default: menuconfig.config in the build folder)",
    "mine.config",
    "file",
)
INSTANCE = Option(
    "instance",
    "DIR",
    "the folder with the instance data of this machine (default: none)",
    "web1",
    "folder",
)
KEY = Option(
    "key",
    "FILE",
    "the secret key for signatures (default: ~/.config/notos/cache.secret)",
    "my.secret",
    "file",
)
TESTS = Option("tests", "WORDS", "arguments for pytest (default: all tests)", "tests/boot", "file")

OPTIONS = (CONFIG, HOST, PORT, WITHIN, GENERATION, CACHE_FOLDER, FRAGMENT, KEY, INSTANCE, TESTS)
_DECLARED = {(each.name, each.value): each for each in OPTIONS}

# The task whose arguments are a command of the machine. After the options of the task, any word may contain =
# and begin with -.
PASSED_ON = "ssh"
PASSED_ON_OPTIONS = (CONFIG, HOST, PORT)


def options(*chosen: Option) -> list[dict[str, Any]]:
    """Return the `params` of a task that has these options besides --config, which every task has."""
    return [each.parameter() for each in chosen]


def option(parameter: str, metavar: str) -> Option | None:
    """Return the shared option of a task's parameter; None for a parameter of one task."""
    return _DECLARED.get((parameter, metavar))


def usage(
    *, words: str = "", takes: Literal["", "tasks"] = "", example: str = "", piped: bool = False
) -> dict[str, Any]:
    """Return the `meta` of a task that a user calls by name.

    `words` describes its arguments. `example` follows the task's name in an example. The output of a `piped`
    task may go to a program, so its progress goes to standard error.
    """
    return {"quiet": True, "piped": piped, "words": words, "takes": takes, "example": example}


def from_caller(named: str) -> Path:
    """Return a path relative to the user's folder, since ./doit and notos change to the project's folder."""
    return Path(os.environ.get("NOTOS_CALLER", ""), named)


def paths_from_caller(words: Sequence[str]) -> list[str]:
    """Return arguments for pytest, with the user's existing paths before the options made absolute."""
    before = [*takewhile(lambda word: not word.startswith("-"), words)]
    found = [from_caller(word.partition("::")[0]) for word in before]
    absolute = [
        str(path) + word[len(word.partition("::")[0]) :] if path.exists() else word
        for word, path in zip(before, found, strict=True)
    ]
    return [*absolute, *words[len(before) :]]


def program() -> str:
    """Return the command that the user typed: ./doit, doit or notos."""
    return _program


def called_as(name: str) -> None:
    """Note the command that the user typed."""
    global _program  # noqa: PLW0603 — a process has one command line
    _program = name


# Words of notos for tasks.
NOTOS_WORDS = {"build": "runvm", "run": "boot"}

_COMMANDS = ("clean", "completion", "forget", "help", "info", "list")

# Words that are commands or words of notos, so no task can have one as its name.
RESERVED_WORDS = (*_COMMANDS, "complete", "new", *NOTOS_WORDS)


def command_names() -> tuple[str, ...]:
    """Return the names of the commands that are no tasks; tasks/manual.py documents them."""
    return (*_COMMANDS, "new" if _program == "notos" else "run")


def own_words() -> Mapping[str, str]:
    """Return the words that the user's command has for tasks, besides their names."""
    return NOTOS_WORDS if _program == "notos" else {}


def task_name(word: str) -> str:
    """Return the name of the task for the user's `word`."""
    return own_words().get(word, word)


def user_word(task: str) -> str:
    """Return the user's word for a task."""
    return next((word for word, name in own_words().items() if name == task), task)


def spoken(text: str) -> str:
    """Return a message with the user's command in place of `./doit`."""
    return _COMMAND.sub(f"{_program} ", text)


def command(words: str) -> str:
    """Return the command line that runs `words`."""
    return f"{_program} {words}"
