"""Commands of Exec lines: prefixes, words, several commands in a line (systemd.service(5), COMMAND LINES)."""

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, replace

from notos.units.section import Section
from notos.units.unit_text import Setting
from notos.units.words import WHITESPACE, WordError, first_word

# Where systemd looks for a program without a path (DEFAULT_PATH_COMPAT with merged /usr).
SEARCHED = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin")
_ORDER = "-+!:"
Exists = Callable[[str], bool]


@dataclass(frozen=True)
class Command:
    """A command.

    The flags are - (failure is ignored), + (full privileges), ! (no change of user), !! (no change of user
    without ambient capabilities, which Linux has) and : (no expansion of variables).
    """

    flags: str
    program: str  # an absolute path
    arguments: tuple[str, ...]  # with argv[0]; variables are not expanded
    setting: Setting


class _BadCommandError(ValueError):
    """A command with which systemd refuses the unit."""


def commands(section: Section, key: str, exists: Exists | None, searched: tuple[str, ...]) -> list[Command]:
    """Return the commands of all settings of `key`; `exists` says which paths the machine has.

    `searched` are the folders in which to look for programs.
    """
    found = []
    for setting in section.all(key):
        rest: str | None = setting.value
        while rest:
            command, rest = _command(section, setting, rest)
            if command:
                found.append(_located(section, command, exists, searched))
    return found


def _word(section: Section, setting: Setting, text: str) -> tuple[str | None, str | None]:
    """Return the first word, reading an invalid escape as written, with a note."""
    try:
        return first_word(text, unquote=True, unescape=True)
    except WordError as error:
        try:
            found = first_word(text, unquote=True, unescape=True, relax=True)
        except WordError:
            raise _BadCommandError(f"{text}: {error}") from None
        section.report.ignored(setting, f"{found[0]}: {error}")
        return found


def _command(section: Section, setting: Setting, text: str) -> tuple[Command | None, str | None]:
    """Return the command at the start of `text` and the text after its semicolon.

    No command is returned after a mistake, or for a semicolon.
    """
    try:
        first, rest = _word(section, setting, text)
    except _BadCommandError as error:  # systemd ignores the setting
        section.report.ignored(setting, str(error))
        return None, None
    if first is None or first == ";":
        return None, rest
    name, flags, own_name = _prefixes(first)
    try:
        program = section.expanded(setting, name, fatal="-" not in flags)
        if program is None:
            return None, None
        _check(program)
        arguments: list[str] = [] if own_name else [program]
        while rest:
            if rest[0] == ";" and (len(rest) == 1 or rest[1] in WHITESPACE):
                rest = rest[1:].lstrip(WHITESPACE)
                break
            if rest[:2] == "\\;" and (len(rest) == 2 or rest[2] in WHITESPACE):
                arguments.append(";")
                rest = rest[2:].lstrip(WHITESPACE)
                continue
            word, rest = _word(section, setting, rest)
            if word is None:
                break
            argument = section.expanded(setting, word, fatal="-" not in flags)
            if argument is None:
                return None, None
            arguments.append(argument)
        else:
            rest = None
        if not arguments:
            raise _BadCommandError("has a program without argv[0], which the prefix @ needs")
    except _BadCommandError as error:
        if "-" in flags:
            section.report.ignored(setting, str(error))
        else:
            section.report.error(setting, str(error))
        return None, None
    return Command(flags, _simplified(program), tuple(arguments), setting), rest


def _prefixes(word: str) -> tuple[str, str, bool]:
    """Return a word without prefixes, its flags, and True if @ is one of the prefixes."""
    flags: set[str] = set()
    at, own_name, privileged = 0, False, ""
    while at < len(word):
        char = word[at]
        if char in "-:" and char not in flags:
            flags.add(char)
        elif char == "@" and not own_name:
            own_name = True
        elif (char in "+!" and not privileged) or (char == "!" and privileged == "!"):
            privileged += char
        else:
            break
        at += 1
    # Linux has ambient capabilities, so !! means nothing.
    kept = "".join(each for each in _ORDER if each in flags or (privileged != "!!" and each == privileged))
    return word[at:], kept, own_name


def _check(program: str) -> None:
    """Raise _BadCommandError for a program that systemd refuses."""
    if not program:
        raise _BadCommandError("has an empty program")
    if any(char < " " or char in "\x7f\"'\\" for char in program):
        raise _BadCommandError(f"has special characters in the program: {program}")
    if program.endswith(("/", "/.", "/..")) or program in (".", ".."):
        raise _BadCommandError(f"has a folder as the program: {program}")
    if not program.startswith("/") and "/" in program:
        raise _BadCommandError(f"has a program that is neither an absolute path nor a file name: {program}")


def _simplified(path: str) -> str:
    return posixpath.normpath(path).replace("//", "/") if path.startswith("/") else path


def _located(section: Section, command: Command, exists: Exists | None, searched: tuple[str, ...]) -> Command:
    """Return the command with the absolute path of its program."""
    if command.program.startswith("/"):
        return command
    paths = [f"{folder}/{command.program}" for folder in searched]
    known = [path for path in paths if exists(path)] if exists else paths[-1:]
    if not known and "-" not in command.flags:
        text = f"has the program {command.program}, which is not in {':'.join(searched)}"
        section.report.error(command.setting, text)
    return replace(command, program=known[0] if known else paths[-1])
