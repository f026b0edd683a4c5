"""Modes and owners that the words of a command give.

Read are chmod(1), chown(1), chgrp(1), install(1), mkdir(1), and umask of the shell.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from notos.debian.command_words import Value, short_options

_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)")
_CHANGE = re.compile(r"([-+=])([ugo]|[rwxXst]*)")
_AFFECTED = {"u": 0o4700, "g": 0o2070, "o": 0o1007}
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000}
_SHIFT = {"u": 6, "g": 3, "o": 0}
_SPECIAL = 0o6000  # setuid and setgid
_USER, _GROUP = r"[A-Za-z_][A-Za-z0-9_-]*|[0-9]+", r"[A-Za-z_][A-Za-z0-9_-]*|[0-9]+"
# A dot is the old form of the colon (chown(1)). The names of users in Debian have no dots (adduser(8)).
_OWNER = re.compile(rf"({_USER})?(?:([:.])({_GROUP})?)?")
_INSTALL = {
    "--mode": "-m",
    "--owner": "-o",
    "--group": "-g",
    "--directory": "-d",
    "--target-directory": "-t",
    "--suffix": "-S",
}


@dataclass(frozen=True)
class Change:
    """A call of chmod, chown or chgrp. `mode` is the text of the new mode. What stays is ""."""

    paths: tuple[str, ...]
    mode: str = ""
    owner: str = ""
    group: str = ""
    recursive: bool = False


@dataclass(frozen=True)
class Install:
    """A call of install: its arguments, and what their targets get. `folders` is True for install -d."""

    arguments: tuple[str, ...]
    mode: int
    owner: str
    group: str
    folders: bool


def changed(mode: int, text: str, *, folder: bool = False, umask: int = 0o022) -> int | None:
    """Return `mode` after chmod(1) with the mode `text`, octal or symbolic; None if it is invalid.

    A folder keeps setuid and setgid unless `text` names them.
    """
    if re.fullmatch("[0-7]{1,5}", text):
        return int(text, 8) | (mode & _SPECIAL if folder and len(text) < 5 else 0)
    for part in text.split(","):
        clause = _CLAUSE.fullmatch(part)
        if not clause:
            return None
        who, changes = clause.groups()
        affected = 0
        for each in who.replace("a", "ugo") or "ugo":
            affected |= _AFFECTED[each]
        if not who:
            affected &= ~umask
        for operator, letters in _CHANGE.findall(changes):
            bits = _bits(mode, letters, folder=folder) & affected
            if operator == "=":
                kept = _SPECIAL & ~bits if folder and "s" not in letters else 0
                mode = mode & (~affected | kept) | bits
            elif operator == "+":
                mode |= bits
            else:
                mode &= ~bits
    return mode


def _bits(mode: int, letters: str, *, folder: bool) -> int:
    if letters in _SHIFT:
        return (mode >> _SHIFT[letters] & 7) * 0o111
    bits = 0
    for letter in letters:
        bits |= (0o111 if folder or mode & 0o111 else 0) if letter == "X" else _BITS[letter]
    return bits


def umask(text: str, present: int) -> int | None:
    """Return the file mode creation mask after the shell's `umask TEXT`, None if it is invalid."""
    if re.fullmatch("[0-7]{1,4}", text):
        return int(text, 8) & 0o777
    allowed = changed(0o777 & ~present, text, umask=0)
    return None if allowed is None else 0o777 & ~allowed


def change(words: Sequence[Value]) -> Change | None:
    """Return the effect of a call of chmod, chown or chgrp; None if it is not understood."""
    name = (words[0] or "").rpartition("/")[2]
    if name == "chmod":
        return _chmod(words)
    given, rest = short_options(
        words, "", {"--recursive": "-R", "--from": "--from", "--reference": "--reference"}
    )
    if len(rest) < 2 or {"--reference", "--from"} & given.keys():
        return None
    text, *paths = rest
    known = tuple(path for path in paths if path is not None)
    match = _OWNER.fullmatch(text or "")
    if not match or len(known) < len(paths):
        return None
    owner, separator, group = match[1] or "", match[2] or "", match[3] or ""
    if name == "chgrp":
        owner, group = "", "" if separator else owner
    elif separator and not group:
        group = owner  # the login group, which has the user's name in Debian
    if not owner and not group:
        return None
    return Change(known, owner=owner, group=group, recursive="-R" in given)


def _chmod(words: Sequence[Value]) -> Change | None:
    rest: list[Value] = []
    recursive = ended = False
    for word in words[1:]:
        if word == "--":
            ended = True
        elif not ended and word in ("--recursive", "--silent", "--quiet", "--verbose", "--changes"):
            recursive |= word == "--recursive"
        elif not ended and re.fullmatch("-[Rfvc]+", word or ""):
            recursive |= "R" in (word or "")
        else:
            rest.append(word)
    known = [word for word in rest if word is not None]
    if len(known) < len(rest) or len(known) < 2 or any(word.startswith("--") for word in known):
        return None
    mode, *paths = known
    return Change(tuple(paths), mode=mode, recursive=recursive) if changed(0, mode) is not None else None


def install(words: Sequence[Value]) -> Install | None:
    """Return the effect of a call of install; None if it is not understood."""
    given, rest = short_options(words, "mogtS", _INSTALL)
    known = tuple(each for each in rest if each is not None)
    values = {key: value for key, value in given.items() if value is not None}
    if len(known) < len(rest) or len(values) < len(given) or "-t" in values:
        return None
    folders = "-d" in values
    mode = changed(0, values.get("-m", "0755"), folder=folders, umask=0)
    if mode is None:
        return None
    return Install(known, mode, values.get("-o", ""), values.get("-g", ""), folders)


def folder_mode(words: Sequence[Value], mask: int) -> tuple[list[Value], int | None, bool]:
    """Return the paths of a call of mkdir, their mode, None if it is unknown, and True for mkdir -p."""
    given, rest = short_options(words, "m", {"--mode": "-m", "--parents": "-p"})
    text = given.get("-m", "")
    if text is None:
        return rest, None, "-p" in given
    mode = changed(0o777, text, umask=mask) if text else 0o777 & ~mask
    return rest, mode, "-p" in given
