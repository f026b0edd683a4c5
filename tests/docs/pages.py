"""The pages of the docs: README.md and docs/, with every block of code and every command in them.

A block is fenced or indented. Its language and its first lines decide how it is read:

    # a/path                         in the first two lines of a fenced block: the content of that file
    yaml with `name`                 a whole config
    yaml without                     lines for a config; all those of a page can stand together in one
    sh, console, or a first line     commands; lines that begin with "$ ", or all lines if none does.
    that a way of ways.py knows      Lines after a "$ " line are what the command prints
    anything else                    a listing: something printed, a table, a picture

A comment just above a block is for the tests:

    <!-- not run: REASON -->               its commands or lines are only looked at
    <!-- output not compared: REASON -->   its commands run; what they print is not compared
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.conftest import ROOT
from tests.docs.ways import way

_FENCE = re.compile(r"^(`{3,}|~{3,})\s*(\w*)\s*$")
_COMMENT = re.compile(r"^<!-- (not run|output not compared): (.+) -->$")
_NAMED = re.compile(r"^# ([\w.-]*[./][\w./-]*\w)$")
_SHELL = ("sh", "console", "bash")
_INLINE = re.compile(r"(?<!`)`(\./doit[^`]*|\./result[^`]*)`(?!`)")


@dataclass(frozen=True)
class Command:
    """A command line, and the lines that it prints according to the page."""

    text: str
    line: int
    output: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """A block of code of a page."""

    page: str  # relative to the project's folder
    line: int
    language: str
    text: str
    not_run: str = ""
    not_compared: str = ""

    @property
    def place(self) -> str:
        """Return the page and the line of the block."""
        return f"{self.page}:{self.line}"

    @property
    def path(self) -> str:
        """Return the path of the file that the block shows; empty for other blocks."""
        for line in self.text.splitlines()[:2] if self.language else ():
            if match := _NAMED.match(line):
                return match[1]
        return ""

    @property
    def is_config(self) -> bool:
        """Return True for a config or lines for a config."""
        return self.language == "yaml" and not self.path.startswith((".github/", ".gitlab"))

    @property
    def is_whole(self) -> bool:
        """Return True for a config that needs no other lines."""
        return self.is_config and "name" in (yaml.safe_load(self.text) or {})

    @property
    def commands(self) -> tuple[Command, ...]:
        """Return the commands of the block, in order; none for other blocks."""
        lines = self.text.splitlines()
        if self.path or self.language not in ("", *_SHELL):
            return ()
        prompted = any(line.startswith("$ ") for line in lines)
        if not prompted and self.language not in _SHELL and not (lines and way(_bare(lines[0]))):
            return ()
        return tuple(_commands(lines, self.line, prompted=prompted))

    @property
    def workflow_commands(self) -> tuple[Command, ...]:
        """Return the commands of a CI system's file."""
        if self.language != "yaml" or self.is_config:
            return ()
        return tuple(Command(text, self.line) for text in _steps(yaml.safe_load(self.text)))

    def check_listing(self) -> None:
        """Raise AssertionError for a listing that looks like a command that no way knows."""
        if self.language or self.commands:
            return
        words = self.text.split(None, 1)
        first = words[0] if words else ""
        assert not re.match(r"\.{0,2}/|\.venv/|build/", first), f"{self.place}: no way to prove: {self.text}"
        assert shutil.which(first) is None, f"{self.place}: no way to prove: {self.text}"


def _bare(line: str) -> str:
    """Return a command line without the comment at its end."""
    return re.sub(r"\s+# .*$", "", line).strip()


def _commands(lines: list[str], start: int, *, prompted: bool) -> Iterator[Command]:
    text, line = "", 0
    output: list[str] = []
    for number, each in enumerate(lines, start):
        if not prompted:
            if bare := "" if each.startswith("#") else _bare(each):
                yield Command(bare, number)
        elif each.startswith("$ "):
            if text:
                yield Command(text, line, tuple(output))
            text, line, output = _bare(each[2:]), number, []
        else:
            output.append(each)
    if text:
        yield Command(text, line, tuple(output))


def _steps(node: object) -> Iterator[str]:
    """Yield the commands of a workflow of GitHub's (run) or GitLab's (before_script, script)."""
    if isinstance(node, list):
        for each in node:
            yield from _steps(each)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "run" and isinstance(value, str):
                yield from (part for line in value.splitlines() for part in line.split(" && "))
            elif key in ("script", "before_script"):
                yield from (part for line in value for part in line.split(" && "))
            else:
                yield from _steps(value)


def pages() -> list[Path]:
    """Return all pages, README.md first."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(path: Path) -> list[Block]:
    """Return the blocks of a page, in order."""
    return list(_blocks(path.relative_to(ROOT).as_posix(), path.read_text().splitlines()))


def inline_commands(path: Path) -> list[Command]:
    """Return the commands in the text of a page, which stand between backquotes."""
    code = {
        number
        for each in blocks(path)
        for number in range(each.line, each.line + len(each.text.splitlines()))
    }
    return [
        Command(_bare(match[1]), number)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if number not in code
        for match in _INLINE.finditer(line)
    ]


def _blocks(page: str, lines: list[str]) -> Iterator[Block]:
    notes: dict[str, str] = {}
    at = 0
    while at < len(lines):
        line = lines[at]
        start = at
        if match := _COMMENT.match(line):
            notes[match[1]] = match[2]
            at += 1
            continue
        if match := _FENCE.match(line):
            end = next(number for number in range(at + 1, len(lines)) if lines[number].startswith(match[1]))
            language, text, first, at = match[2], lines[at + 1 : end], start + 2, end + 1
        elif line.startswith("    ") and (at == 0 or not lines[at - 1].strip()) and not _in_a_list(lines, at):
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            language, text, first, at = "", [each[4:] for each in lines[at:end]], start + 1, end
        else:
            if line.strip():
                notes = {}
            at += 1
            continue
        yield Block(
            page,
            first,
            language,
            "\n".join(text).rstrip() + "\n",
            notes.get("not run", ""),
            notes.get("output not compared", ""),
        )
        notes = {}


def _in_a_list(lines: list[str], at: int) -> bool:
    """Return True if an indented line continues a list item."""
    before = next((line for line in reversed(lines[:at]) if line.strip()), "")
    return bool(re.match(r"\s*([-*]|\d+\.) ", before))
