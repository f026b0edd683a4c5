"""The command notos: it runs the graph's tasks for the project that contains the current directory.

This is the outermost layer. It imports the graph by name, so that notos/ does not depend on the graph.
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
LEAST = PACKAGE / "skeleton/least.yaml"  # the config for commands that need no project, such as help
WRONG = 3  # exit status: no task ran
WITHOUT_PROJECT = ("help", "new", "completion")


def main() -> int:
    """Run the command notos; return its exit status."""
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
    """Run doit's command in a project whose pyproject.toml names this function as doit's loader.

    doit calls it before it parses its arguments, so the behaviour is that of the command notos.
    """
    utf8.ensure()
    try:
        _caller()
        sys.exit(_graph(sys.argv[1:], "doit"))
    except NotosError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        sys.exit(WRONG)


def _caller() -> Path:
    """Return the current directory. Raises UsageError if it was removed."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise UsageError("the current directory was removed", hint="change to another one: cd DIR") from None


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
    """Return the config that -c, --config or config= names ("" if none), and the other words.

    -c comes before the first task or command, which may have an option -c. The words after -- and the
    command line that ssh runs stay unchanged. Raises UsageError for a missing or repeated config.
    """
    named: list[str] = []
    rest: list[str] = []
    words = list(words)
    while words:
        word = words.pop(0)
        command = next((each for each in rest if not each.startswith("-")), "")
        if word == "--config" or (word == "-c" and not command):
            if not words:
                raise UsageError(f"no file name after {word}", hint="for example notos -c other.yaml build")
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
        raise UsageError(f"more than one config: {', '.join(named)}", hint="name only one")
    if named and not named[0]:
        raise UsageError("the name of the config is empty", hint="for example notos -c other.yaml build")
    return (named or [""])[0], rest


def project(named: str, caller: Path) -> Path:
    """Return the folder of the project: the nearest one with config.yaml at or above the start folder.

    The start folder is that of the config `named`, or `caller` if `named` is empty. If no folder has
    config.yaml, the folder of the config `named` is the project. Raises UsageError if none is found.
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
                f"cannot read {named}: {error.strerror}", hint="check the permissions of its parent folders"
            ) from None
        except OSError:
            pass
        raise UsageError(f"no such file: {named}", hint="usage: notos -c FILE COMMAND")
    raise UsageError(
        f"no {CONFIG} in {caller} or above it",
        hint="create a project with notos new DIR, or name a config with notos -c FILE",
    )


def _is_file(path: Path) -> bool:
    """Return True if `path` is a file; False also if its parent folders cannot be searched."""
    try:
        return path.is_file()
    except PermissionError:
        return False


def _graph(words: Sequence[str], program: str) -> int:
    """Run the graph's command line in the current directory; return its exit status.

    Raises ToolError for an unsupported version of doit.
    """
    sys.path.insert(0, str(home()))
    importlib.import_module("tasks.doit_version").check()
    code: int = importlib.import_module("tasks.command_line").main(words, program)
    return code


if __name__ == "__main__":
    sys.exit(main())
