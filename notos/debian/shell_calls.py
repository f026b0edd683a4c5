"""The commands that a shell script would run, found without running it.

A script is followed as a shell would, with literal values. A value that only the running system knows is
unknown. Where a condition is unknown, all branches are followed, so the result is an upper bound.
"""

import fnmatch
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from notos.debian import modes, script_commands, shell, text_filters, web_modules
from notos.debian.command_words import Value
from notos.debian.script_files import Files, Node
from notos.debian.shell import (
    AndOr,
    Case,
    Command,
    For,
    Function,
    If,
    Opaque,
    Parameter,
    Pipeline,
    Redirected,
    Redirection,
    Sequence,
    Simple,
    Subshell,
    Substitution,
    Text,
    While,
    Word,
)
from notos.debian.shell_values import is_glob, test_result, trimmed
from notos.errors import PackageError

_MOST = 20_000  # commands; a script that runs more is not followed further
_DEEP = 40  # calls of functions and scripts within others
_NESTED = 60  # commands around a call of a function or script that is followed; Python's stack is limited


@dataclass(frozen=True)
class Call:
    """A command with its words, None for each unknown one. `text` is its source, at `line` from 1.

    `certain` is False if an unknown condition decides about the command. `writes` are the files that its
    redirections write, or extend if it `appends`; `document` is the text of its here-document. A command is
    `done` if its effects are among the files of the surroundings. `effects` are the entries that it makes or
    removes, by usr-merged path.
    """

    words: tuple[Value, ...]
    text: str
    line: int
    certain: bool = True
    writes: tuple[Value, ...] = ()
    document: Value = None
    appends: bool = False
    done: bool = False
    effects: tuple[tuple[str, Node], ...] = ()

    @property
    def name(self) -> str:
        """Return the command's name without folders, "" if it is unknown."""
        return (self.words[0] or "").rpartition("/")[2]


@dataclass(frozen=True)
class Surroundings:
    """The surroundings of a script: its arguments, variables, and commands with known results.

    `status` returns the result of a command, None if it is unknown; `output` returns its output. `effect`
    may set variables, as the functions of a sourced library do; it gets Call.certain too. `files` are those
    that the script sees, and have its changes afterwards. `follows` returns True for a call of another script
    to follow.
    """

    arguments: tuple[str, ...] = ()
    variables: Mapping[str, Value] = field(default_factory=dict)
    status: Callable[[tuple[Value, ...]], bool | None] = lambda words: None
    output: Callable[[tuple[Value, ...]], Value] = lambda words: None
    effect: Callable[[tuple[Value, ...], bool], Mapping[str, Value]] = lambda words, certain: {}
    files: Files = field(default_factory=Files)
    follows: Callable[[tuple[Value, ...]], bool] = lambda words: False


def calls(text: str, surroundings: Surroundings) -> list[Call]:
    """Return the commands that the script `text` would run, in order; functions are followed.

    Raises PackageError for a syntax error, and for a script that is nested too deeply.
    """
    run = _Run(surroundings)
    commands = shell.parse(text)
    try:
        run.command(commands)
    except RecursionError:
        raise PackageError("it is nested too deeply") from None
    return run.calls


class _EndError(Exception):
    """The end of a script (exit), a function (return) or a round of a loop (break, continue)."""

    def __init__(self, kind: str, result: bool | None = None, status: int | None = None) -> None:
        self.kind = kind
        self.result = result
        self.status = status


@dataclass
class _Output:
    """Pieces of output. `doubt` are the unknown conditions where the reading begins."""

    doubt: tuple[int, dict[str, bool]]
    pieces: list[Value] = field(default_factory=list)

    @property
    def text(self) -> Value:
        """Return the text, None if a piece is unknown."""
        return None if None in self.pieces else "".join(each or "" for each in self.pieces)


class _Run:
    """The state of a script that is followed."""

    def __init__(self, surroundings: Surroundings) -> None:
        self.calls: list[Call] = []
        self._around = surroundings
        self._variables: dict[str, Value] = dict(surroundings.variables)
        self._arguments: tuple[Value, ...] = surroundings.arguments
        self._name = ""  # $0
        self._status: int | None = 0  # $?, None if it is unknown
        self._functions: dict[str, Command] = {}
        self._uncertain = 0  # unknown conditions around the current command
        # True after a command that may have ended the script, the function, or the round of the loop.
        self._may_have_ended = {"exit": False, "return": False, "loop": False}
        self._depth = 0
        self._nested = 0
        self._left = _MOST
        self._files = surroundings.files
        self._printed: list[_Output] = []  # the output of commands whose output is read
        self._input: list[str] | None = None  # the lines of the standard input, if they are known

    # --- commands: each returns its result, None if that is unknown

    @property
    def _certain(self) -> bool:
        return self._uncertain == 0 and not any(self._may_have_ended.values())

    @property
    def _doubt(self) -> tuple[int, dict[str, bool]]:
        return self._uncertain, dict(self._may_have_ended)

    def _print(self, text: Value) -> None:
        """Add to the output that is read; text below a condition that is unknown since then is unknown."""
        if self._printed:
            output = self._printed[-1]
            output.pieces.append(text if output.doubt == self._doubt else None)

    @contextmanager
    def _within(self, *kinds: str) -> Iterator[None]:
        """Limit what an end of these kinds leaves out to the commands that follow here."""
        before = dict(self._may_have_ended)
        try:
            yield
        finally:
            self._may_have_ended.update({kind: before[kind] for kind in kinds})

    def command(self, node: Command) -> bool | None:
        """Follow a command. An `exit` that certainly runs ends the script."""
        try:
            return self._follow(node)
        except _EndError as end:
            self._status = end.status
            return end.result

    def _follow(self, node: Command) -> bool | None:
        self._left -= 1
        if self._left < 0:
            raise _EndError("exit")
        self._nested += 1
        try:
            result = self._kind(node)
        finally:
            self._nested -= 1
        if result is not False:
            self._status = None if result is None else 0
        elif not self._status:
            self._status = 1
        return result

    @property
    def _is_deep(self) -> bool:
        return self._depth >= _DEEP or self._nested >= _NESTED

    def _kind(self, node: Command) -> bool | None:
        """Follow a command by its kind."""
        match node:
            case Simple():
                return self._simple(node)
            case Sequence(commands):
                result: bool | None = True
                for each in commands:
                    result = self._follow(each)
                return result
            case Pipeline(commands, negated):
                result = self._follow(commands[0]) if len(commands) == 1 else self._pipeline(commands)
                return None if result is None else result != negated
            case AndOr(parts):
                return self._and_or(parts)
            case If(branches):
                return self._if(branches)
            case Case(word, patterns):
                return self._case(self._text(word), patterns)
            case For():
                return self._for(node)
            case While():
                return self._while(node)
            case Redirected():
                return self._redirected(node)
            case Function(name, body):
                self._functions[name] = body
                return True
            case Subshell(body):
                return self._apart(body)

    def _apart(self, node: Command) -> bool | None:
        """Follow a command in a subshell."""
        before, arguments, umask = dict(self._variables), self._arguments, self._files.umask
        try:
            with self._within("exit", "return", "loop"):
                return self.command(node)
        finally:
            self._variables, self._arguments, self._files.umask = before, arguments, umask

    def _captured(self, node: Command) -> tuple[bool | None, Value]:
        """Follow a command in a subshell; return its result and its output."""
        self._printed.append(_Output(self._doubt))
        try:
            result = self._apart(node)
        finally:
            printed = self._printed.pop()
        return result, printed.text

    def _pipeline(self, commands: tuple[Command, ...]) -> bool | None:
        before = self._input
        try:
            for each in commands[:-1]:
                _, text = self._captured(each)
                self._input = None if text is None else text.splitlines()
            return self._apart(commands[-1])
        finally:
            self._input = before

    def _while(self, node: While) -> bool | None:
        with self._within("loop"):
            return self._rounds(node)

    def _rounds(self, node: While) -> bool | None:
        while True:
            result = self._follow(node.condition)
            if result is None:
                self._maybe([node.body], loop=True)
                return None
            if result == node.until:
                return True
            try:
                self._follow(node.body)
            except _EndError as end:
                if end.kind == "break":
                    return True
                if end.kind != "continue":
                    raise

    def _redirected(self, node: Redirected) -> bool | None:
        before, self._input = self._input, self._read(node.redirections)
        writes = tuple(self._written(node.redirections))
        aside = self._prints_aside(node.redirections)
        if aside:
            self._printed.append(_Output(self._doubt))
        result: bool | None = None
        try:
            result = self._follow(node.body)
        finally:
            self._input = before
            if aside:
                printed = self._printed.pop()
                if writes:
                    self._write(node, writes, printed.text)
        return result

    def _write(self, node: Redirected, writes: tuple[Value, ...], text: Value) -> None:
        appends = any(each.operator.endswith(">>") for each in node.redirections)
        start = len(self._files.journal)
        done = self._wrote(writes, text, appends=appends)
        certain = self._certain
        made = tuple(self._files.journal[start:])
        call = Call((":",), "{ … }", node.line, certain, writes, None, appends, done and certain, made)
        self.calls.append(call)

    def _maybe(self, bodies: list[Command], *, loop: bool = False, exhaustive: bool = False) -> None:
        """Follow alternatives of which one runs, or none. Variables on which they disagree are unknown."""
        before = dict(self._variables)
        ends: list[dict[str, Value]] = [] if exhaustive else [before]
        stopped = []
        for body in bodies:
            self._variables = dict(before)
            self._uncertain += 1
            try:
                self._follow(body)
            except _EndError as end:
                stopped.append(end)
                if loop and end.kind in ("break", "continue"):
                    ends.append(self._variables)
            else:
                ends.append(self._variables)
            finally:
                self._uncertain -= 1
        if not ends:  # each alternative ends the script
            self._variables = before
            raise stopped[0]
        for each in stopped:
            # A script that ends with an error is not installed.
            if not (each.kind == "exit" and each.result is False):
                kind = each.kind if each.kind in ("exit", "return") else "loop"
                self._may_have_ended[kind] = True
        self._variables = _joined(ends)

    def _and_or(self, parts: tuple[tuple[str, Command], ...]) -> bool | None:
        result: bool | None = None
        for operator, part in parts:
            wanted = operator != "||"
            if not operator or result is wanted:
                result = self._follow(part)
            elif result is None:
                self._maybe([part])
        return result

    def _if(self, branches: tuple[tuple[Sequence | None, Sequence], ...]) -> bool | None:
        for number, (condition, body) in enumerate(branches):
            result = True if condition is None else self._follow(condition)
            if result:
                return self._follow(body)
            if result is None:
                rest = branches[number + 1 :]
                others: list[Command] = [If(rest)] if rest else []
                self._maybe([body, *others], exhaustive=bool(rest) and rest[-1][0] is None)
                return None
        return True

    def _case(self, value: Value, branches: tuple[tuple[tuple[Word, ...], Sequence], ...]) -> bool | None:
        possible: list[Command] = []
        for patterns, body in branches:
            for pattern in patterns:
                text = self._pattern(pattern)
                if value is None or text is None:
                    possible.append(body)
                elif fnmatch.fnmatchcase(value, text):
                    if not possible:
                        return self._follow(body)
                    self._maybe([*possible, body], exhaustive=True)
                    return None
                else:
                    continue
                break
        if possible:
            self._maybe(possible)
        return None if possible else True

    def _for(self, node: For) -> bool | None:
        with self._within("loop"):
            return self._for_each(node)

    def _for_each(self, node: For) -> bool | None:
        words = self._arguments if node.words is None else self._fields(node.words)
        result: bool | None = True
        for value in words:
            self._variables[node.name] = value
            try:
                if value is None or is_glob(value):
                    self._variables[node.name] = None
                    self._maybe([node.body], loop=True)
                    result = None
                else:
                    result = self._follow(node.body)
            except _EndError as end:
                if end.kind == "break":
                    break
                if end.kind != "continue":
                    raise
        return result

    def _simple(self, node: Simple) -> bool | None:
        words = tuple(self._fields(node.words))
        result = self._assigned(node) if not words else True
        writes = tuple(self._written(node.redirections))
        if not words:
            return result if not writes else self._called(node, (":",), writes)
        name, *arguments = words
        if name not in ("exit", "return"):
            self._status = 1  # of a command that fails
        match name:
            case "exit" | "return" | "break" | "continue":
                raise self._end(name, arguments)
            case "true" | ":":
                return True if not writes else self._called(node, words, writes)
            case "false":
                return False
            case "test" | "[":
                end = arguments.pop() if name == "[" and arguments else "]"
                return test_result(arguments, self._files) if end == "]" else None
            case "[[":
                return None
            case "set":
                if "--" in arguments:
                    self._arguments = tuple(arguments[arguments.index("--") + 1 :])
                return True
            case "shift":
                count = int(arguments[0] or 1) if arguments and (arguments[0] or "").isdigit() else 1
                self._arguments = self._arguments[count:]
                return True
            case "export" | "local" | "readonly" | "declare" | "typeset":
                for each in arguments:
                    if each and "=" in each:
                        self._variables[each.partition("=")[0]] = each.partition("=")[2]
                    elif each is None:
                        self._forget(node)
                return True
            case "unset":
                for each in arguments:
                    self._variables[each or ""] = ""
                return True
            case "umask":
                return self._umask(arguments)
            case "alias":
                return self._alias(arguments)
            case "eval":
                if (commands := self._evaluated(arguments)) is not None:
                    return self._redirected(Redirected(commands, node.redirections, node.line))
                self._forget(node)
            case "read":
                return self._read_line(arguments)
            case "getopts":
                return None
            case str() if name in self._functions:
                return self._function(name, tuple(arguments))
        return self._called(node, words, writes)

    def _alias(self, arguments: list[Value]) -> bool:
        """Define aliases, as functions."""
        for each in arguments:
            name, equal, text = (each or "").partition("=")
            if equal:
                with suppress(PackageError):
                    self._functions[name] = shell.parse(f'{text} "$@"')
        return True

    def _assigned(self, node: Simple) -> bool:
        """Set variables. The result is that of the last command in their values, if it certainly fails."""
        for variable, value in node.assignments:
            self._variables[variable] = self._text(value)
        calls = any(isinstance(part, Substitution) for _, value in node.assignments for part in value)
        return not calls or self._status in (0, None)

    def _end(self, kind: str, arguments: list[Value]) -> _EndError:
        """Return the end that exit, return, break or continue is; by default with the present status."""
        status = self._status
        if arguments:
            status = int(arguments[0] or "") if (arguments[0] or "").isdigit() else None
        return _EndError(kind, None if status is None else status == 0, status)

    def _evaluated(self, arguments: list[Value]) -> Sequence | None:
        """Return the commands that the arguments of eval are, None if these are unknown."""
        known = [each for each in arguments if each is not None]
        if len(known) < len(arguments) or self._is_deep:
            return None
        try:
            return shell.parse(" ".join(known))
        except PackageError:
            return None

    def _called(self, node: Simple, words: tuple[Value, ...], writes: tuple[Value, ...]) -> bool | None:
        document = [self._text(each.target) for each in node.redirections if "<<" in each.operator]
        text = document[0] if document else None
        appends = any(each.operator.endswith(">>") for each in node.redirections)
        certain = self._certain
        lines = self._read(node.redirections)
        given = text if text is not None or lines is None else "".join(f"{each}\n" for each in lines)
        before = None if certain else self._files.state()
        start = len(self._files.journal)
        outcome = web_modules.run(words, self._files) or text_filters.run(words, given, self._files)
        result = None if outcome else script_commands.perform(words, self._files)
        if outcome:
            result, self._status = outcome.status == 0, outcome.status
        printed = outcome.output if outcome else self._around.output(words)
        if printed is None and not outcome:
            printed = "" if words == (":",) else script_commands.printed(words, given, self._files)
        name = (words[0] or "").rpartition("/")[2]
        done = (result is True or outcome is not None) and name not in script_commands.ON_MODES
        if writes:
            done = self._wrote(writes, printed, appends=appends)
        elif not self._prints_aside(node.redirections) and printed != "":
            self._print(printed)
        if before is not None:
            self._files.doubt(before)
        made = tuple(self._files.journal[start:])
        call = Call(words, node.text, node.line, certain, writes, text, appends, done and certain, made)
        self.calls.append(call)
        self._variables.update(self._around.effect(words, certain))
        if result is None and words[0] and self._around.follows(words):
            result = self._included(words)
        if result is None:
            result = self._around.status(words)
        return True if result is None and words[0] in ("echo", "printf") else result

    def _wrote(self, writes: tuple[Value, ...], text: Value, *, appends: bool) -> bool:
        """Write a command's output to files; return True if it is known."""
        known = text is not None and self._certain
        for path in writes:
            if path is not None and path.startswith("/"):
                content = text.encode(errors="surrogateescape") if known and text is not None else None
                self._files.write(path, content, append=appends)
        return known and all(path is not None and path.startswith("/") for path in writes)

    def _read(self, redirections: tuple[Redirection, ...]) -> list[str] | None:
        """Return the lines of a command's input, None if they are unknown."""
        lines = self._input
        for each in redirections:
            if each.operator in ("<<", "<<-"):
                text = self._text(each.target)
                lines = None if text is None else text.splitlines()
            elif each.operator == "<":
                node = self._files.look(self._text(each.target))
                known = node.content if node.kind == "f" else None
                lines = None if known is None else known.decode(errors="surrogateescape").splitlines()
        return lines

    def _umask(self, arguments: list[Value]) -> bool | None:
        """Change the umask or print it. One below an unknown condition may only take rights."""
        present = self._files.umask
        if not arguments:
            self._print(f"{present:04o}\n")
            return True
        mask = modes.umask(arguments[-1] or "", present)
        if mask is None:
            return None
        self._files.umask = mask if self._certain else mask | present
        return True

    def _read_line(self, arguments: list[Value]) -> bool | None:
        names = [each for each in arguments if each and not each.startswith("-")]
        if self._input is None or len(names) < len([each for each in arguments if each != "-r"]):
            for each in names:
                self._variables[each] = None
            return None
        if not self._input:
            return False
        line = self._input.pop(0)
        fields = line.split(None, len(names) - 1) if names else []
        for number, each in enumerate(names):
            self._variables[each] = fields[number].strip() if number < len(fields) else ""
        return True

    def _included(self, words: tuple[Value, ...]) -> bool | None:
        """Follow another script that is sourced or called, if its content is known."""
        sourced = words[0] in (".", "source")
        name = words[1 if sourced else 0] or ""
        paths = [name] if "/" in name else [f"/usr/{folder}/{name}" for folder in ("sbin", "bin")]
        texts = [node.content for node in map(self._files.look, paths) if node.content is not None]
        if not texts or self._is_deep:
            return None
        try:
            commands = shell.parse(texts[0].decode(errors="replace"))
        except PackageError:
            return None
        self.calls[-1] = replace(self.calls[-1], done=True)
        return self._sourced(commands) if sourced else self._program(commands, words)

    def _sourced(self, commands: Sequence) -> bool | None:
        self._depth += 1
        try:
            with self._within("return"):
                return self._follow(commands)
        except _EndError as end:
            if end.kind != "return":
                raise
            self._status = end.status
            return end.result
        finally:
            self._depth -= 1

    def _program(self, commands: Sequence, words: tuple[Value, ...]) -> bool | None:
        """Follow the commands of a process; `words` are its name and its arguments."""
        name, self._name = self._name, words[0] or ""
        functions, self._functions = self._functions, {}
        before, outer, umask = dict(self._variables), self._arguments, self._files.umask
        self._arguments = words[1:]
        self._depth += 1
        try:
            with self._within("exit", "return", "loop"):
                return self.command(commands)
        finally:
            self._depth -= 1
            self._name = name
            self._functions = functions
            self._variables, self._arguments, self._files.umask = before, outer, umask

    def _forget(self, node: Simple) -> None:
        """Make the variables unknown that a declaration with an unknown value sets."""
        for word in node.words[1:]:
            first = next((part for part in word if part != Text("", True)), None)
            if isinstance(first, Text) and "=" in first.text:
                self._variables[first.text.partition("=")[0]] = None

    def _function(self, name: str, arguments: tuple[Value, ...]) -> bool | None:
        if self._is_deep:
            return None
        before, self._arguments = self._arguments, arguments
        self._depth += 1
        try:
            with self._within("return", "loop"):
                return self._follow(self._functions[name])
        except _EndError as end:
            if end.kind != "return":
                raise
            self._status = end.status
            return end.result
        finally:
            self._depth -= 1
            self._arguments = before

    def _written(self, redirections: tuple[Redirection, ...]) -> Iterator[Value]:
        for each in redirections:
            target = self._text(each.target)
            if ">" not in each.operator or (
                each.operator.endswith(">&") and (target or "").strip("0123456789-") == ""
            ):
                continue
            if target is None or not target.startswith("/dev/"):
                yield target

    def _prints_aside(self, redirections: tuple[Redirection, ...]) -> bool:
        """Return True if the standard output of a command goes elsewhere."""
        return any(each.operator.lstrip("1").startswith((">", "&>")) for each in redirections)

    # --- words

    def _fields(self, words: tuple[Word, ...]) -> list[Value]:
        """Return the fields of `words` after expansion; an unknown one is one field."""
        found: list[Value] = []
        for word in words:
            parts = [part for part in word if not (isinstance(part, Text) and part.text == "")]
            if len(parts) == 1 and isinstance(parts[0], Parameter) and parts[0].name in ("@", "*"):
                found += self._arguments
                continue
            value = self._text(word)
            unquoted = any(isinstance(part, Parameter | Substitution) and not part.quoted for part in word)
            quoted = any(isinstance(part, Text) and part.quoted for part in word)
            if value is not None and unquoted and not quoted:
                pieces: list[Value] = self._split(value)
            else:
                pieces = [value]
            for piece in pieces:
                paths = self._files.glob(piece) if piece and is_glob(piece) and not quoted else None
                found += paths or [piece]
        return found

    def _split(self, text: str) -> list[Value]:
        """Return the fields of a text by IFS; an unset and an empty one are the usual one here."""
        separators = self._variables.get("IFS", "")
        if separators is None:
            return [None]
        blank = "".join(each for each in separators if each in " \t\n")
        other = "".join(each for each in separators if each not in blank)
        if not other:
            return [*text.split(blank or None)] if len(blank) == 1 else [*text.split()]
        spaces = f"[{re.escape(blank)}]*" if blank else ""
        found = re.split(f"{spaces}[{re.escape(other)}]{spaces}", text.strip(blank) if blank else text)
        return [*(found[:-1] if found[-1] == "" else found)]

    def _text(self, word: Word) -> Value:
        """Return the value of a word in one piece."""
        parts: list[str] = []
        for part in word:
            value = self._part(part)
            if value is None:
                # All substitutions of the word are followed.
                for rest in word[word.index(part) + 1 :]:
                    if isinstance(rest, Substitution):
                        self._apart(rest.commands)
                return None
            parts.append(value)
        return "".join(parts)

    def _part(self, part: Text | Parameter | Substitution | Opaque) -> Value:
        match part:
            case Text(text):
                return text
            case Parameter():
                return self._parameter(part)
            case Substitution(commands):
                return self._substitution(commands)
        return None

    def _substitution(self, commands: Sequence) -> Value:
        _, text = self._captured(commands)
        return None if text is None else text.rstrip("\n")

    def _parameter(self, part: Parameter) -> Value:
        value: Value
        if part.name in ("@", "*"):
            known = [each for each in self._arguments if each is not None]
            value = " ".join(known) if len(known) == len(self._arguments) else None
        elif part.name == "#":
            value = str(len(self._arguments))
        elif part.name == "0":
            value = self._name
        elif part.name == "?":
            value = None if self._status is None else str(self._status)
        elif part.name.isdigit():
            number = int(part.name) - 1
            value = self._arguments[number] if number < len(self._arguments) else ""
        elif part.name in ("!", "$", "-"):
            value = None
        else:
            value = self._variables.get(part.name, "")
        operation = part.operation
        if operation in (":-", "-", ":=", "="):
            # An unset variable and an empty one are the same here.
            if value == "":
                value = self._text(part.argument)
                if "=" in operation:
                    self._variables[part.name] = value
            return value
        if operation in (":+", "+"):
            return None if value is None else "" if value == "" else self._text(part.argument)
        if operation in ("", ":?", "?") or value is None:
            return value
        if operation in ("#", "##", "%", "%%"):
            pattern = self._pattern(part.argument)
            return None if pattern is None else trimmed(value, operation, pattern)
        return None

    def _pattern(self, word: Word) -> Value:
        """Return a word as a pattern of fnmatch; quoted characters match themselves."""
        text = ""
        for part in word:
            value = self._part(part)
            if value is None:
                return None
            literal = isinstance(part, Text) and part.quoted
            text += re.sub(r"([*?\[])", r"[\1]", value) if literal else value.replace("[^", "[!")
        return text


def _joined(ends: list[dict[str, Value]]) -> dict[str, Value]:
    names = {name for each in ends for name in each}
    found: dict[str, Value] = {}
    for name in names:
        values = {each.get(name, "") for each in ends}
        found[name] = values.pop() if len(values) == 1 else None
    return found
