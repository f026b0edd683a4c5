"""Accounts from sysusers.d(5) files, created at build time, in place of maintainer scripts.

Lines u, u!, g and m are supported; r is ignored. An account without a given number gets one derived from its
name, so that adding or removing other accounts does not change the owner of existing files.
"""

import hashlib
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from notos.errors import NotosError

_LOWEST, _HIGHEST = 100, 999  # Debian policy 9.2.2: system accounts that are allocated dynamically


@dataclass(frozen=True)
class Accounts:
    """The texts of /etc/passwd, group, shadow and gshadow."""

    passwd: str
    group: str
    shadow: str
    gshadow: str


@dataclass(frozen=True)
class _Line:
    kind: str
    name: str
    number: str
    gecos: str
    home: str
    shell: str
    where: str
    locked: bool  # u!


@dataclass
class _Table:
    """The accounts that were created so far."""

    users: dict[str, list[str]] = field(default_factory=dict)  # fields of passwd(5)
    groups: dict[str, list[str]] = field(default_factory=dict)  # fields of group(5)
    locked: set[str] = field(default_factory=set)  # users who cannot log in at all

    def gid(self, group: str, line: _Line) -> str:
        if group not in self.groups:
            raise _problem(line, f"there is no group {group}", "name one that a `g` line makes")
        return self.groups[group][2]

    def free(self, wanted: str, line: _Line) -> str:
        """Return `wanted` (raises NotosError if it is taken), or for "-" a free number by the name."""
        table = self.groups if line.kind == "g" else self.users
        taken = {row[2]: name for name, row in table.items()}
        if wanted != "-":
            if not wanted.isdigit():
                raise _problem(line, f"{wanted} is not a number", "only numbers, or -, are understood")
            if wanted in taken:
                raise _problem(line, f"number {wanted} is taken by {taken[wanted]}", "choose another")
            return wanted
        used = {row[2] for row in (*self.users.values(), *self.groups.values())}
        count = _HIGHEST - _LOWEST + 1
        first = int.from_bytes(hashlib.sha256(line.name.encode()).digest()[:8])
        for number in (_LOWEST + (first + step) % count for step in range(count)):
            if str(number) not in used:
                return str(number)
        raise _problem(line, "no number is left", "give one")

    def add_group(self, name: str, number: str) -> None:
        self.groups[name] = [name, "x", number, ""]

    def add_member(self, user: str, group: str, line: _Line) -> None:
        self.gid(group, line)
        members = [each for each in self.groups[group][3].split(",") if each]
        self.groups[group][3] = ",".join(sorted({*members, user}))


def accounts(files: Mapping[str, str], *, passwd: str, group: str) -> Accounts:
    """Return the accounts of `passwd` and `group` (texts as in passwd(5)) and of the sysusers.d `files`.

    `files` are texts by file name; a line for an existing account changes nothing. No account has a
    password: it is "*", with which sshd accepts keys, or "!*" for `u!`, with which it does not. Raises
    NotosError with file and line for an unsupported line.
    """
    table = _Table()
    for row in _rows(group, 4):
        table.groups[row[0]] = [row[0], "x", *row[2:]]
    for row in _rows(passwd, 7):
        table.users[row[0]] = [row[0], "x", *row[2:]]
    lines = [line for name in sorted(files) for line in _parse(name, files[name])]
    for line in sorted(lines, key=lambda each: (each.kind, each.number == "-", each.name)):
        if line.kind == "g" and line.name not in table.groups:
            table.add_group(line.name, table.free(line.number, line))
    for line in sorted(lines, key=lambda each: (each.number == "-", each.name)):
        if line.kind == "u" and line.name not in table.users:
            _add_user(table, line)
    for line in lines:
        if line.kind == "m":
            if line.name not in table.users:
                raise _problem(line, f"there is no user {line.name}", "name one that a `u` line makes")
            table.add_member(line.name, line.number, line)
    return _texts(table)


def _add_user(table: _Table, line: _Line) -> None:
    number, colon, group = line.number.partition(":")
    if colon:
        gid = group if group.isdigit() else table.gid(group, line)
        uid = table.free(number, line)
    elif line.name in table.groups:
        gid = table.groups[line.name][2]
        uid = table.free(number if number != "-" else _if_free(table, gid), line)
    else:
        uid = gid = table.free(number, line)
        table.add_group(line.name, gid)
    home = line.home if line.home != "-" else "/"
    shell = line.shell if line.shell != "-" else "/usr/sbin/nologin"
    gecos = line.gecos if line.gecos != "-" else ""
    table.users[line.name] = [line.name, "x", uid, gid, gecos, home, shell]
    if line.locked:
        table.locked.add(line.name)


def _if_free(table: _Table, gid: str) -> str:
    """Return `gid` if no user has this number, else "-"."""
    return "-" if any(row[2] == gid for row in table.users.values()) else gid


def _texts(table: _Table) -> Accounts:
    # An empty date of the last change turns password ageing off (shadow(5)).
    return Accounts(
        passwd="".join(":".join(row) + "\n" for row in table.users.values()),
        group="".join(":".join(row) + "\n" for row in table.groups.values()),
        shadow="".join(f"{name}:{'!*' if name in table.locked else '*'}:::::::\n" for name in table.users),
        gshadow="".join(f"{name}:!::{row[3]}\n" for name, row in table.groups.items()),
    )


def mistakes(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Yield the number, from 1, of each invalid line of a sysusers.d file, and the reason.

    References to other files (a line's group) are checked by accounts().
    """
    for number, raw in enumerate(text.splitlines(), 1):
        try:
            line = _parsed(raw, "")
            if line is not None:
                _check_fields(raw, line)
        except NotosError as error:
            yield number, f"{error.message.removeprefix(': ')}; {error.hint}"


def _check_fields(raw: str, line: _Line) -> None:
    """Raise NotosError for fields that are certainly wrong, such as a description without quotes."""
    if len(shlex.split(raw)) > 6 or any(not each.startswith(("/", "-")) for each in (line.home, line.shell)):
        example = f'{line.kind} {line.name} - "A description" /home/{line.name} /bin/sh'
        raise _problem(line, "the fields do not match sysusers.d(5)", f"write {example}")
    if line.kind != "r" and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}", line.name):
        raise _problem(line, f"{line.name} is not a valid account name", "write letters, digits, _ and -")


def _parse(name: str, text: str) -> list[_Line]:
    lines = (_parsed(raw, f"sysusers.d/{name}:{number}") for number, raw in enumerate(text.splitlines(), 1))
    return [line for line in lines if line is not None]


def _parsed(raw: str, where: str) -> _Line | None:
    """Return the parsed line; None for a blank line or a comment."""
    try:
        words = shlex.split(raw, comments=raw.lstrip().startswith("#"))
    except ValueError as error:
        raise NotosError(f"{where}: {error}", hint="correct the line") from error
    if not words:
        return None
    kind, account, *rest = [*words, *["-"] * (6 - len(words))]
    number, gecos, home, shell = rest[:4]
    locked = kind.endswith("!")
    line = _Line(kind.rstrip("!"), account, number, gecos, home, shell, where, locked)
    if line.kind not in ("u", "g", "m", "r"):
        raise _problem(line, f"a line of type {kind} is not understood", "use u, g or m")
    if any("%" in word for word in words[1:]):
        raise _problem(line, "specifiers are not understood", "write the value itself")
    return line


def _rows(text: str, count: int) -> list[list[str]]:
    rows = [line.split(":") for line in text.splitlines() if line]
    if any(len(row) != count for row in rows):
        raise NotosError("the files of base-passwd do not match passwd(5)", hint="run `./doit lock`")
    return rows


def _problem(line: _Line, message: str, hint: str) -> NotosError:
    file = line.where.rpartition(":")[0]
    return NotosError(f"{line.where}: {message}", hint=hint, keys=("etc", file))
