"""The command line of ./doit, doit and notos: help, completion, and the commands of doit."""

import contextlib
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from doit import doit_cmd, loader
from doit.cmd_base import NamespaceTaskLoader
from doit.cmdparse import CmdParse
from doit.exceptions import InvalidCommand, InvalidDodoFile, InvalidTask
from doit.plugin import PluginDict

from notos.errors import NotosError, UsageError
from tasks import arguments, output, usage
from tasks.arguments import COMMANDS, Tasks
from tasks.usage import command

BUILD = "runvm"  # the default task
WRONG = 3  # exit status: nothing ran


def main(words: Sequence[str], program: str) -> int:
    """Run the command line `program` with `words` and return the exit status. Raises no NotosError."""
    output.prepare()
    usage.called_as(program)
    try:
        code = _run(words)
    except (NotosError, InvalidDodoFile, InvalidCommand, InvalidTask) as error:
        _say(f"ERROR: {usage.spoken(str(error))}\n")
        code = WRONG
    except BrokenPipeError:
        if output.is_read():
            raise
        code = output.UNREAD
    except OSError as error:
        if error.filename or error.errno not in output.CANNOT_WRITE:
            raise
        _say(f"ERROR: cannot write the output: {error.strerror}\n")
        code = WRONG
    except KeyboardInterrupt:
        _say("\ninterrupted\n")
        code = 128 + signal.SIGINT
    except SystemExit as end:
        if isinstance(end.code, str):
            _say(f"{end.code}\n")
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return output.finish(code)


def _say(text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        sys.stderr.write(text)


def _run(given: Sequence[str]) -> int:
    if given[:1] == ["complete"]:  # its words are unfinished
        from tasks import completion

        return completion.complete(given[1:], load)
    if given[:1] == ["new"] and usage.program() == "notos" and not {"-h", "--help"} & set(given):
        from notos import skeleton

        return skeleton.main(given[1:])
    line = arguments.parse(given)
    words = list(line.words)
    if "--version" in words[:1] or words[:1] == ["-V"]:
        print(_version())
        return 0
    name = words[0] if words else ""
    if line.help or name == "help":
        from tasks import manual

        topics = [each for each in words if not each.startswith("-")]
        # A word after a task may be the value of an option.
        topics = topics[1:] if topics[:1] == ["help"] else topics[:1]
        return manual.show(topics, partial(load, line.variables))
    if name == "completion":
        from tasks import completion

        return completion.script(words[1:])
    return _doit(words, line.variables)


def _version() -> str:
    import platform

    import doit

    import notos

    version = ".".join(map(str, doit.__version__))
    return f"Notos {notos.__version__} (doit {version}, Python {platform.python_version()})"


def _doit(words: list[str], variables: Mapping[str, str]) -> int:
    """Run a command of doit, by default `run`."""
    commands = PluginDict(COMMANDS)
    # The graph needs no plugins of doit, and the search for them in all packages takes 10 ms.
    PluginDict._from_entry_points = lambda *_: {}
    name = words.pop(0) if words and arguments.is_command(words[0]) else "run"
    graph = Graph(variables)
    made = COMMANDS[name](task_loader=graph, config={}, bin_name=usage.program(), cmds=commands, opt_vals={})
    if any(each.startswith("-") for each in words):
        _hide_options(name, made.cmdparser)
    arguments.check_options(made.cmdparser, words, "" if name == "run" else name)
    try:
        return int(made.parse_execute(words) or 0)
    except InvalidCommand as error:
        raise UsageError(_one_line(error), hint=command(f"help {name}")) from None


def _hide_options(name: str, parser: CmdParse) -> None:
    """Remove the flags of undocumented options of the command `name`; their defaults stay."""
    from tasks import manual

    documented = manual.flags(name)
    for each in parser.options:
        each.short = each.short if f"-{each.short}" in documented else ""
        each.long = each.long if f"--{each.long}" in documented else ""
        each.inverse = each.inverse if f"--{each.inverse}" in documented else ""


def _one_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")


class Graph(NamespaceTaskLoader):  # type: ignore[misc]  # doit has no types
    """A loader of dodo.py that checks the tasks and options of the command line."""

    cmd_options = ()

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__()
        self._variables = variables

    def setup(self, opt_values: Mapping[str, Any]) -> None:
        """Load the graph of the config in the variables. Raises InvalidDodoFile."""
        doit_cmd._CMDLINE_VARS = {
            name: value for name, value in self._variables.items() if name == usage.CONFIG.name
        }
        with _explained():
            import dodo

        self.namespace = vars(dodo)

    def tasks(self) -> list[Any]:
        """Return all tasks of the loaded graph. doit's load_tasks would first parse dodo.py as text."""
        made: list[Any] = loader.generate_tasks("story", self.namespace["task_story"]())
        return made

    def load_tasks(self, cmd: Any, pos_args: list[str]) -> list[Any]:
        """Return all tasks, and put into `pos_args` the names that doit reads next. Raises UsageError."""
        with _explained():
            made = self.tasks()
        name = cmd.get_name()
        tasks = {each.name: each for each in made}
        if name == "run":
            named = arguments.selected(tasks, pos_args, given=self._variables) or [tasks[BUILD]]
            arguments.take_variables(named, tasks, self._variables)
            return made
        for at, word in enumerate(pos_args):
            pos_args[at] = usage.task_name(word)
            if not any(fnmatchcase(each, pos_args[at]) for each in tasks):
                raise arguments.unknown_task(word, tasks)
        if name == "info" and len(pos_args) != 1:
            raise UsageError("info needs the name of one task", hint=f"for example {command('info runvm')}")
        arguments.take_variables([], tasks, self._variables, command_name=name)
        return made


def load(variables: Mapping[str, str]) -> Tasks:
    """Return all tasks by name, for help and completion. Raises InvalidDodoFile for a broken config."""
    graph = Graph(variables)
    graph.setup({})
    with _explained():
        return {each.name: each for each in graph.tasks()}


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Show the config's line for an error of a module or a task that is being loaded."""
    try:
        yield
    except NotosError as error:
        from tasks.graph import broken

        raise broken(error) from None
