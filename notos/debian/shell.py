"""A parser of shell scripts: text into a syntax tree, without running anything.

It reads the language of sh (POSIX.1-2017, Shell Command Language, 2.10) and the parts of bash that maintainer
scripts use. Arithmetic and [[ ]] are opaque. shell_calls.py finds the commands that a script would run.
"""

import re
from dataclasses import dataclass
from typing import NoReturn

from notos.errors import PackageError

_OPERATORS = ("&&", "||", ";;&", ";;", ";&", "|&", ";", "&", "|", "(", ")", "\n")
_REDIRECTION = re.compile(r"([0-9]*)(&>>|&>|<<<|<<-|<<|<>|<&|>>|>&|>\||<|>)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[[^]\n]*\])?\+?=")
_CLOSING = ("then", "else", "elif", "fi", "do", "done", "esac", "}")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!-]")
_OPERATION = re.compile(r":?[-=?+]|##?|%%?|//?|\^\^?|,,?|:|@|\[")


@dataclass(frozen=True)
class Text:
    """Literal characters; an unquoted one may be a glob."""

    text: str
    quoted: bool


@dataclass(frozen=True)
class Parameter:
    """`$name` or `${name operation argument}`."""

    name: str
    operation: str
    argument: "Word"
    quoted: bool


@dataclass(frozen=True)
class Substitution:
    """`$(commands)` or backquotes."""

    commands: "Sequence"
    quoted: bool


@dataclass(frozen=True)
class Opaque:
    """A part with an unknown value: arithmetic, arrays, process substitution."""


Word = tuple[Text | Parameter | Substitution | Opaque, ...]


@dataclass(frozen=True)
class Redirection:
    """A redirection; `target` is a file or a descriptor, or the text of a here-document."""

    operator: str
    target: Word


@dataclass(frozen=True)
class Simple:
    """A simple command at `line`, from 1; `text` is its source."""

    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]
    redirections: tuple[Redirection, ...]
    line: int
    text: str


@dataclass(frozen=True)
class Pipeline:
    """Commands that are connected by pipes."""

    commands: tuple["Command", ...]
    negated: bool


@dataclass(frozen=True)
class AndOr:
    """Pipelines with the operator before each: "" for the first, then && or ||."""

    parts: tuple[tuple[str, "Command"], ...]


@dataclass(frozen=True)
class Sequence:
    """Commands, one after the other."""

    commands: tuple["Command", ...]


@dataclass(frozen=True)
class If:
    """Conditions with their bodies; the condition of `else` is None."""

    branches: tuple[tuple["Sequence | None", Sequence], ...]


@dataclass(frozen=True)
class Case:
    """A word, and for each branch its patterns and its body."""

    word: Word
    branches: tuple[tuple[tuple[Word, ...], Sequence], ...]


@dataclass(frozen=True)
class For:
    """A loop over words; without `in` over the positional parameters (None)."""

    name: str
    words: tuple[Word, ...] | None
    body: Sequence


@dataclass(frozen=True)
class While:
    """A while loop, or an until loop."""

    condition: Sequence
    body: Sequence
    until: bool = False


@dataclass(frozen=True)
class Function:
    """The definition of a function."""

    name: str
    body: "Command"


@dataclass(frozen=True)
class Subshell:
    """Commands in a process of their own, whose variables are lost."""

    body: Sequence


@dataclass(frozen=True)
class Redirected:
    """A compound command with redirections, at `line`, from 1."""

    body: "Command"
    redirections: tuple[Redirection, ...]
    line: int


Command = Simple | Pipeline | AndOr | Sequence | If | Case | For | While | Function | Subshell | Redirected


def parse(text: str) -> Sequence:
    """Return the commands of a script.

    Raises PackageError with the line of a syntax error, and for a script that is nested too deeply.
    """
    parser = _Parser(text)
    try:
        commands = parser.sequence()
    except RecursionError:
        parser.fail("it is nested too deeply")
    if parser.at < len(text):
        parser.fail(f"unexpected {text[parser.at : parser.at + 10]!r}")
    return commands


class _Parser:
    """A position in a text, and the end of the here-documents that begin after the current line."""

    def __init__(self, text: str, line: int = 1) -> None:
        self.text = text
        self.at = 0
        self._first = line
        self._resume = 0

    def fail(self, message: str) -> NoReturn:
        raise PackageError(f"line {self._line()}: {message}")

    # --- commands

    def sequence(self) -> Sequence:
        """Return the commands up to the end, a closing word or `)`."""
        found: list[Command] = []
        while True:
            self._skip_lines()
            operator = self._operator()
            if self.at >= len(self.text) or operator in (")", ";;", ";&", ";;&") or self._word_is(*_CLOSING):
                return Sequence(tuple(found))
            if operator and operator != "(":
                self.fail(f"unexpected {operator!r}")
            found.append(self._and_or())
            self._skip_blanks()
            if self._operator() in (";", "&"):
                self.at += 1

    def _and_or(self) -> Command:
        parts = [("", self._pipeline())]
        while (operator := self._operator()) in ("&&", "||"):
            self.at += 2
            self._skip_lines()
            parts.append((operator, self._pipeline()))
        return parts[0][1] if len(parts) == 1 else AndOr(tuple(parts))

    def _pipeline(self) -> Command:
        negated = False
        self._skip_blanks()
        while self._word_is("!"):
            self.at += 1
            negated = not negated
            self._skip_blanks()
        commands = [self._command()]
        while (operator := self._operator()) in ("|", "|&"):
            self.at += len(operator)
            self._skip_lines()
            commands.append(self._command())
        return commands[0] if len(commands) == 1 and not negated else Pipeline(tuple(commands), negated)

    def _command(self) -> Command:
        self._skip_blanks()
        compound = self._compound()
        if compound is None:
            return self._simple()
        line = self._line()
        redirections = []
        while (redirection := self._redirection()) is not None:
            redirections.append(redirection)
        self._skip_blanks()
        return Redirected(compound, tuple(redirections), line) if redirections else compound

    def _compound(self) -> Command | None:
        if self.text.startswith("((", self.at):
            self._skip_arithmetic()
            return Sequence(())
        if self.text.startswith("(", self.at):
            self.at += 1
            body = self.sequence()
            self._expect(")")
            return Subshell(body)
        for word, read in (
            ("{", self._group),
            ("if", self._if),
            ("case", self._case),
            ("for", self._for),
            ("select", self._for),
            ("while", self._while),
            ("until", self._until),
            ("[[", self._condition),
            ("function", self._function),
        ):
            if self._word_is(word):
                self.at += len(word)
                return read()
        match = re.compile(r"([^\s\"'$`\\<>&|;(){}#=]+)[ \t]*\([ \t]*\)").match(self.text, self.at)
        if match:
            self.at = match.end()
            self._skip_lines()
            return Function(match[1], self._command())
        return None

    def _group(self) -> Command:
        body = self.sequence()
        self._expect("}")
        return body

    def _if(self) -> Command:
        branches: list[tuple[Sequence | None, Sequence]] = []
        while True:
            condition = self.sequence()
            self._expect("then")
            branches.append((condition, self.sequence()))
            if self._word_is("elif"):
                self.at += 4
                continue
            if self._word_is("else"):
                self.at += 4
                branches.append((None, self.sequence()))
            self._expect("fi")
            return If(tuple(branches))

    def _case(self) -> Command:
        word = self._needed_word()
        self._skip_lines()
        self._expect("in")
        branches: list[tuple[tuple[Word, ...], Sequence]] = []
        while True:
            self._skip_lines()
            if self._word_is("esac"):
                self.at += 4
                return Case(word, tuple(branches))
            if self.text.startswith("(", self.at):
                self.at += 1
            patterns = [self._needed_word()]
            while self._operator() == "|":
                self.at += 1
                patterns.append(self._needed_word())
            self._expect(")")
            branches.append((tuple(patterns), self.sequence()))
            if (operator := self._operator()).startswith(";"):
                self.at += len(operator)

    def _for(self) -> Command:
        self._skip_blanks()
        if self.text.startswith("((", self.at):
            self._skip_arithmetic()
            name, words = "", None
        else:
            match = _NAME.match(self.text, self.at)
            if not match:
                self.fail("for without a name")
            name, self.at = match[0], match.end()
            words = None
            self._skip_lines()
            if self._word_is("in"):
                self.at += 2
                found = []
                while (word := self._word()) is not None:
                    found.append(word)
                words = tuple(found)
        self._skip_blanks()
        if self._operator() == ";":
            self.at += 1
        self._skip_lines()
        return For(name, words, self._do())

    def _while(self) -> Command:
        condition = self.sequence()
        return While(condition, self._do())

    def _until(self) -> Command:
        condition = self.sequence()
        return While(condition, self._do(), until=True)

    def _do(self) -> Sequence:
        self._skip_lines()
        if self._word_is("{"):  # bash
            self.at += 1
            body = self.sequence()
            self._expect("}")
            return body
        self._expect("do")
        body = self.sequence()
        self._expect("done")
        return body

    def _function(self) -> Command:
        word = self._needed_word()
        self._skip_blanks()
        match = re.compile(r"\([ \t]*\)").match(self.text, self.at)
        self.at = match.end() if match else self.at
        self._skip_lines()
        name = "".join(part.text for part in word if isinstance(part, Text))
        return Function(name, self._command())

    def _condition(self) -> Command:
        end = re.compile(r"\s\]\](?=[\s;&|)]|$)").search(self.text, self.at)
        if not end:
            self.fail("[[ without ]]")
        line, text = self._line(), self.text[self.at : end.start()]
        self.at = end.end()
        return Simple((), ((Text("[[", False),), (Opaque(),)), (), line, f"[[{text} ]]")

    def _simple(self) -> Simple:
        assignments: list[tuple[str, Word]] = []
        words: list[Word] = []
        redirections: list[Redirection] = []
        start, line = self.at, self._line()
        end = start
        while True:
            self._skip_blanks()
            if (redirection := self._redirection()) is not None:
                redirections.append(redirection)
            elif not words and (match := _ASSIGNMENT.match(self.text, self.at)):
                self.at = match.end()
                appended = match[0].endswith("+=") or "[" in match[0]
                if self.text.startswith("(", self.at):
                    self.at += 1
                    while self._word() is not None or self._operator() == "\n":
                        self._skip_lines()
                    self._expect(")")
                    appended = True
                value = self._word_here() or ()
                assignments.append((match[1], (Opaque(),) if appended else value))
            elif (word := self._word()) is not None:
                words.append(word)
            else:
                break
            end = self.at
        if end == start:
            self.fail(f"a command is missing before {self.text[self.at : self.at + 10]!r}")
        text = " ".join(self.text[start:end].replace("\\\n", " ").split())
        return Simple(tuple(assignments), tuple(words), tuple(redirections), line, text)

    def _redirection(self) -> Redirection | None:
        self._skip_blanks()
        match = _REDIRECTION.match(self.text, self.at)
        if not match or self.text.startswith(("<(", ">("), self.at):
            return None
        self.at = match.end()
        if match[2] not in ("<<", "<<-"):
            return Redirection(match[0], self._needed_word())
        self._skip_blanks()
        start = self.at
        self._needed_word()
        source = self.text[start : self.at]
        plain = re.sub(r"[\"'\\]", "", source)
        return Redirection(match[0], self._document(plain, literal=source != plain, tabs=match[2] == "<<-"))

    # --- words

    def _word(self) -> Word | None:
        """Return the next word of the line, None before an operator."""
        self._skip_blanks()
        return self._word_here()

    def _needed_word(self) -> Word:
        word = self._word()
        if word is None:
            self.fail("a word is missing")
        return word

    def _word_here(self) -> Word | None:
        """Return the word that starts here, None if none does."""
        parts: list[Text | Parameter | Substitution | Opaque] = []
        start = self.at
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in " \t\n;&|()":
                break
            if char in "<>":
                if not self.text.startswith(("<(", ">("), self.at) or self.at != start:
                    break
                self.at += 2
                self.sequence()
                self._expect(")")
                parts.append(Opaque())
            elif char == "'":
                end = self._find("'", self.at + 1)
                parts.append(Text(self.text[self.at + 1 : end], True))
                self.at = end + 1
            elif char == '"':
                self.at += 1
                parts += self._until_quote('"')
            elif char == "\\":
                escaped = self.text[self.at + 1 : self.at + 2]
                if escaped != "\n":
                    parts.append(Text(escaped, True))
                self.at += 2
            elif char in "$`":
                parts.append(self._expansion(quoted=False))
            else:
                end = self.at
                while end < len(self.text) and self.text[end] not in " \t\n;&|()<>'\"\\$`":
                    end += 1
                parts.append(Text(self.text[self.at : end], False))
                self.at = end
        return tuple(parts) if self.at > start else None

    def _until_quote(self, end: str) -> list[Text | Parameter | Substitution | Opaque]:
        """Return the parts up to the character `end`, which is read too; "" is the end of the text."""
        parts: list[Text | Parameter | Substitution | Opaque] = [Text("", True)]
        special = "$`\\" + end  # in a here-document, a quote is none of these (POSIX.1-2017, 2.7.4)
        plain = ""
        while True:
            if self.at >= len(self.text):
                if end:
                    self.fail(f"a closing {end} is missing")
                break
            char = self.text[self.at]
            if char == end:
                self.at += 1
                break
            if char == "\\":
                escaped = self.text[self.at + 1 : self.at + 2]
                plain += "" if escaped == "\n" else escaped if escaped in special else f"\\{escaped}"
                self.at += 2
            elif char in "$`":
                parts.append(Text(plain, True))
                plain = ""
                parts.append(self._expansion(quoted=True))
            else:
                plain += char
                self.at += 1
        parts.append(Text(plain, True))
        return parts

    def _expansion(self, *, quoted: bool) -> Text | Parameter | Substitution | Opaque:
        text = self.text
        if text[self.at] == "`":
            end = self.at + 1
            while end < len(text) and text[end] != "`":
                end += 2 if text[end] == "\\" else 1
            inner = re.sub(r"\\([$`\\])", r"\1", text[self.at + 1 : end])
            parser = _Parser(inner, self._line())
            commands = parser.sequence()
            if end >= len(text) or parser.at < len(inner):
                self.fail("invalid command in backquotes")
            self.at = end + 1
            return Substitution(commands, quoted)
        if text.startswith("$((", self.at):
            self.at += 1
            self._skip_arithmetic()
            return Opaque()
        if text.startswith("$(", self.at):
            self.at += 2
            commands = self.sequence()
            self._expect(")")
            return Substitution(commands, quoted)
        if text.startswith("${", self.at):
            return self._braced(quoted)
        if text.startswith("$'", self.at) and not quoted:
            end = self.at + 2
            while end < len(text) and text[end] != "'":
                end += 2 if text[end] == "\\" else 1
            self.at = end + 1
            return Opaque()
        match = _PARAMETER.match(text, self.at + 1)
        name = (match[0][0] if match[0][0].isdigit() else match[0]) if match else ""
        self.at += 1 + len(name)
        if text.startswith("\\\n", self.at):
            return Opaque()  # the name may go on in the next line
        return Parameter(name, "", (), quoted) if name else Text("$", True)

    def _braced(self, quoted: bool) -> Parameter | Opaque:
        self.at += 2
        length = self.text.startswith("#", self.at) and not self.text.startswith("#}", self.at)
        indirect = self.text.startswith("!", self.at) and not self.text.startswith("!}", self.at)
        self.at += length or indirect
        match = _PARAMETER.match(self.text, self.at)
        if not match:
            self.fail("invalid ${")
        self.at = match.end()
        operation = _OPERATION.match(self.text, self.at)
        self.at = operation.end() if operation else self.at
        argument: list[Text | Parameter | Substitution | Opaque] = []
        while not self.text.startswith("}", self.at):
            if self.at >= len(self.text):
                self.fail("a closing } is missing")
            char = self.text[self.at]
            if char == "'" and not quoted:
                end = self._find("'", self.at + 1)
                argument.append(Text(self.text[self.at + 1 : end], True))
                self.at = end + 1
            elif char == '"':
                self.at += 1
                argument += self._until_quote('"')
            elif char == "\\":
                escaped = self.text[self.at + 1 : self.at + 2]
                kept = quoted and escaped not in '$`"\\}\n'  # within quotes, only these are special
                if escaped != "\n":
                    argument.append(Text(f"\\{escaped}" if kept else escaped, True))
                self.at += 2
            elif char in "$`":
                argument.append(self._expansion(quoted=quoted))
            else:
                argument.append(Text(char, False))
                self.at += 1
        self.at += 1
        if length or indirect:
            return Opaque()
        return Parameter(match[0], operation[0] if operation else "", tuple(argument), quoted)

    def _skip_arithmetic(self) -> None:
        """Skip `((…))` from its first parenthesis."""
        depth = 0
        while self.at < len(self.text):
            depth += {"(": 1, ")": -1}.get(self.text[self.at], 0)
            self.at += 1
            if depth == 0:
                return
        self.fail("a closing )) is missing")

    # --- characters

    def _skip_blanks(self) -> None:
        """Skip blanks, continued lines and a comment."""
        while self.at < len(self.text):
            if self.text[self.at] in " \t\r":
                self.at += 1
            elif self.text.startswith("\\\n", self.at):
                self.at += 2
            elif self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return

    def _skip_lines(self) -> None:
        """Skip blanks and ends of lines, with the here-documents after them."""
        self._skip_blanks()
        while self.text.startswith("\n", self.at):
            self.at = max(self.at + 1, self._resume)
            self._skip_blanks()

    def _document(self, delimiter: str, *, literal: bool, tabs: bool) -> Word:
        """Return the text of a here-document, which starts after the current line or the one before it."""
        match = re.compile(r"(?<!\\)\n").search(self.text, self.at)
        start = max(match.end() if match else len(self.text), self._resume)
        lines: list[str] = []
        at = start
        joined, first = "", 0  # lines that backslashes join, and the number of the first
        while at < len(self.text):
            line, newline, _ = self.text[at:].partition("\n")
            at += len(line) + len(newline)
            line = line.lstrip("\t") if tabs else line
            if joined + line == delimiter:
                del lines[first:]
                break
            if not literal and (len(line) - len(line.rstrip("\\"))) % 2 == 1:
                joined += line[:-1]
            else:
                joined, first = "", len(lines) + 1
            lines.append(line + "\n")
        self._resume = at
        text = "".join(lines)
        if literal:
            return (Text(text, True),)
        return tuple(_Parser(text, self.text.count("\n", 0, start) + self._first)._until_quote(""))

    def _operator(self) -> str:
        """Return the operator here, "" if there is none."""
        self._skip_blanks()
        return next((each for each in _OPERATORS if self.text.startswith(each, self.at)), "")

    def _word_is(self, *words: str) -> bool:
        """Return True if one of `words` stands here as an unquoted word."""
        for each in words:
            if self.text.startswith(each, self.at):
                after = self.text[self.at + len(each) : self.at + len(each) + 1]
                if after in ("", *" \t\r\n;&|()<>") or self.text.startswith("\\\n", self.at + len(each)):
                    return True
        return False

    def _expect(self, token: str) -> None:
        self._skip_lines()
        if not (self.text.startswith(token, self.at) and (token == ")" or self._word_is(token))):
            self.fail(f"{token} is missing")
        self.at += len(token)

    def _find(self, char: str, start: int) -> int:
        end = self.text.find(char, start)
        if end < 0:
            self.fail(f"a closing {char} is missing")
        return end

    def _line(self) -> int:
        return self._first + self.text.count("\n", 0, self.at)
