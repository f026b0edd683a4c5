"""Declarations of how tasks are used: shared options, and the words that each task takes.

The check of the command line, `help` and completion read these declarations. Options of one task are declared
by graph.params().
"""

import os
import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

from notos.structs import dataclass

Kind = Literal["text", "number", "port", "file", "yaml", "folder"]

# A command in a message of ours, followed by a task or command.
_COMMAND = re.compile(r"(?<![\w./])\./doit (?=[a-z])")

# The words by which the user calls us: ./doit, doit or notos.
_program = "./doit"


@dataclass(frozen=True)
class Option:
    """An option that several tasks share, or whose value is a path, a number or a port.

    It is written `--NAME VALUE` after its task. `NAME=VALUE`, anywhere on the line, means the same.
    `value` stands for its value in help, `example` is a real one.
    """

    name: str
    value: str
    help: str
    example: str
    kind: Kind = "text"
    required: bool = False

    def wants(self, given: str) -> str:
        """Return what a value has to be, empty if `given` is valid."""
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
    "within", "SECONDS", "time for the machine to answer before it reverts (default: 30)", "60", "number"
)
GENERATION = Option("to", "NUMBER", "the generation to return to (default: the one before)", "1", "number")
CACHE_FOLDER = Option("to", "DIR", "the folder of the binary cache", "/srv/cache", "folder", required=True)
FRAGMENT = Option(
    "to",
    "FILE",
    "the fragment to write (default: menuconfig.config in the build folder)",
    "mine.config",
    "file",
)
KEY = Option(
    "key", "FILE", "the secret key to sign with (default: ~/.config/notos/cache.secret)", "my.secret", "file"
)
TESTS = Option("tests", "WORDS", "words for pytest (default: all tests)", "tests/boot", "file")

OPTIONS = (CONFIG, HOST, PORT, WITHIN, GENERATION, CACHE_FOLDER, FRAGMENT, KEY, TESTS)
_DECLARED = {(each.name, each.value): each for each in OPTIONS}

# The task whose words are the command of another program. From the first word that is none of its options
# they may have = and - in them.
PASSED_ON = "ssh"
PASSED_ON_OPTIONS = (CONFIG, HOST, PORT)


def options(*chosen: Option) -> list[dict[str, Any]]:
    """Return the `params` of a task that has these options besides --config, which every task has."""
    return [each.parameter() for each in chosen]


def option(parameter: str, metavar: str) -> Option | None:
    """Return the option that was declared for a task's parameter, None for a parameter of another kind."""
    return _DECLARED.get((parameter, metavar))


def usage(
    *, words: str = "", takes: Literal["", "tasks"] = "", example: str = "", piped: bool = False
) -> dict[str, Any]:
    """Return the `meta` of a task that a user calls for its output.

    `words` stands for its positional words, which are names of tasks if it takes them. `example` is what
    follows the task's name in an example. What a `piped` task prints may go to a program, so progress goes to
    standard error.
    """
    return {"quiet": True, "piped": piped, "words": words, "takes": takes, "example": example}


def from_caller(named: str) -> Path:
    """Return a path that the user named; ./doit and notos change to the project's folder."""
    return Path(os.environ.get("NOTOS_CALLER", ""), named)


def paths_from_caller(words: Sequence[str]) -> list[str]:
    """Return words for pytest: before its options, paths that exist for the user are absolute."""
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
    global _program  # noqa: PLW0603 — a process is called once
    _program = name


# Words of notos for tasks.
NOTOS_WORDS = {"build": "runvm", "run": "boot"}

# Words that are commands or words of notos, so no task can have one as its name.
RESERVED_WORDS = ("clean", "complete", "completion", "forget", "help", "info", "list", "new", *NOTOS_WORDS)


def own_words() -> Mapping[str, str]:
    """Return the words of the program that the user called for tasks, besides the tasks' names."""
    return NOTOS_WORDS if _program == "notos" else {}


def task_name(word: str) -> str:
    """Return the task that the user means by `word`."""
    return own_words().get(word, word)


def user_word(task: str) -> str:
    """Return the word by which the user names a task."""
    return next((word for word, name in own_words().items() if name == task), task)


def spoken(text: str) -> str:
    """Return a message with the commands in it, `./doit` in the sources, as the user calls them."""
    return _COMMAND.sub(f"{_program} ", text)


def command(words: str) -> str:
    """Return what the user types to run `words`."""
    return f"{_program} {words}"
