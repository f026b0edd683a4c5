"""The command notos: the graph's tasks, for the project around the current directory; `new` makes a project.

It is the outermost layer, and hands over to the graph by name: nothing of notos/ depends on the graph.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import NoReturn

from notos.errors import NotosError, UsageError
from notos.home import PACKAGE, home
from notos.host import utf8

CONFIG = "config.yaml"
LEAST = PACKAGE / "skeleton/least.yaml"  # the config where the help of a task is all that is wanted
WRONG = 3  # exit status: nothing ran
WITHOUT_PROJECT = ("help", "new", "completion")


def main() -> int:
    """Be the command notos; return the exit status."""
    utf8.ensure()
    try:
        return _run(sys.argv[1:])
    except NotosError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return WRONG
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        return 130


def doit() -> NoReturn:
    """Be doit's command in a project whose pyproject.toml names this as doit's loader.

    doit calls it before it looks at its words, so all that the user meets is as with notos.
    """
    utf8.ensure()
    try:
        _caller()
        sys.exit(_graph(sys.argv[1:], "doit"))
    except NotosError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        sys.exit(WRONG)


def _caller() -> Path:
    """Return the current folder. Raises UsageError where it was removed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise UsageError("the current folder was removed", hint="change to another one with cd") from None


def _run(words: Sequence[str]) -> int:
    caller = _caller()
    os.environ["NOTOS_CALLER"] = str(caller)
    if cache := os.environ.get("NOTOS_CACHE"):
        os.environ["NOTOS_CACHE"] = str(caller / cache)
    if words[:1] == ["complete"]:
        with suppress(UsageError):
            os.chdir(project("", caller))
        return _graph(words, "notos")
    named, rest = config(words)
    first = next((word for word in rest if not word.startswith("-")), "")
    if rest[:1] == ["new"]:
        return _graph(rest, "notos")
    try:
        os.chdir(project(named, caller))
    except UsageError:
        if named or (first and first not in WITHOUT_PROJECT and not {"-h", "--help"} & set(rest)):
            raise
        named = str(LEAST)
    if not rest:
        rest = ["help"]
    return _graph([*(["--config", named] if named else []), *rest], "notos")


def config(words: Sequence[str]) -> tuple[str, list[str]]:
    """Take the config that -c, --config or config= names from `words`; return it and the rest.

    -c stands before the first task or command, for it may be an option of that. The words after -- and the
    command that ssh runs are left alone. Raises UsageError.
    """
    named: list[str] = []
    rest: list[str] = []
    words = list(words)
    while words:
        word = words.pop(0)
        command = next((each for each in rest if not each.startswith("-")), "")
        if word == "--config" or (word == "-c" and not command):
            if not words:
                raise UsageError(f"{word} wants a file", hint="for example notos -c other.yaml build")
            named.append(words.pop(0))
        elif word.startswith(("--config=", "config=")):
            named.append(word.partition("=")[2])
        elif word == "--" or (command == "ssh" and not word.startswith(("-", "host=", "port="))):
            rest += [word, *words]
            break
        else:
            rest.append(word)
            if command == "ssh" and word in ("--host", "--port"):
                rest += words[:1]
                del words[:1]
    if len(named) > 1:
        raise UsageError("two configs are named", hint="leave one out")
    if named and not named[0]:
        raise UsageError("the config has no name", hint="for example notos -c other.yaml build")
    return (named or [""])[0], rest


def project(named: str, caller: Path) -> Path:
    """Return the folder of the project: with config.yaml, the nearest above the config `named`, or `caller`.

    A config without config.yaml above it is a project of its own. Raises UsageError where none is found.
    """
    start = (caller / named).parent if named else caller
    for folder in (start, *start.parents):
        if _is_file(folder / CONFIG):
            return folder
    if named:
        try:
            if S_ISREG((caller / named).stat().st_mode):
                return start
        except PermissionError as error:
            raise UsageError(
                f"cannot read {named}: {error.strerror}", hint="check who may search the folders above it"
            ) from None
        except OSError:
            pass
        raise UsageError(f"no file {named}", hint="notos -c FILE wants a config")
    raise UsageError(
        f"no {CONFIG} in {caller} or above it",
        hint="notos new DIR makes a project, notos -c FILE names a config",
    )


def _is_file(path: Path) -> bool:
    """Return True for a file; False too where the folders above it cannot be searched."""
    try:
        return path.is_file()
    except PermissionError:
        return False


def _graph(words: Sequence[str], program: str) -> int:
    """Run the graph's command line in the current directory. Raises ToolError for another doit's version."""
    sys.path.insert(0, str(home()))
    importlib.import_module("tasks.doit_version").check()
    code: int = importlib.import_module("tasks.command_line").main(words, program)
    return code


if __name__ == "__main__":
    sys.exit(main())
