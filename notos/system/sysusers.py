"""Accounts from sysusers.d(5) files, created at build time, in place of systemd-sysusers.

The result is that of systemd 257; tests/system/test_sysusers.py compares the two. The exceptions are:

- A number that is given automatically follows from the account's name, so that adding or removing other
  accounts does not change the owner of existing files. It is no number that another line gives.
- A path as a number (`u web /usr/bin/web`) gives an automatic number: root owns all files of an image.
- The password of an account is "*", with which sshd accepts keys, or "!*" for `u!`. systemd writes "!*" for
  both.
- Specifiers that only the booted machine can resolve (%H, %m, …) are errors.
- A line that systemd skips with an error is an error of the build. So is a member of a group that is not
  created (`u web -:nogroup` and `m alice web`), which systemd ignores.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from notos import errors
from notos.errors import NotosError
from notos.system.conf_words import ANY_RELEASE, LATE, LineError, expanded, lines, simplified, words

_AUTOMATIC = ((100, 999),)  # Debian policy 9.2.2: system accounts that are allocated dynamically
_NOLOGIN = "/usr/sbin/nologin"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,30}")
_NO_NUMBERS = (65535, 2**32 - 1)


@dataclass(frozen=True)
class Accounts:
    """The texts of /etc/passwd, group, shadow and gshadow."""

    passwd: str
    group: str
    shadow: str
    gshadow: str


@dataclass(frozen=True)
class _Line:
    kind: str  # u, g, m or r
    name: str = ""
    number: int | None = None
    group: str = ""  # of a user: the number or name after the colon; of a member: the group
    ranges: tuple[tuple[int, int], ...] = ()
    gecos: str = ""
    home: str = ""
    shell: str = ""
    locked: bool = False  # u!
    where: str = ""


@dataclass
class _Table:
    """The accounts that were created so far, and the numbers that may be given automatically."""

    ranges: tuple[tuple[int, int], ...]
    reserved: set[int]  # numbers in lines
    users: dict[str, list[str]] = field(default_factory=dict)  # fields of passwd(5)
    groups: dict[str, list[str]] = field(default_factory=dict)  # fields of group(5)
    locked: set[str] = field(default_factory=set)
    new_groups: set[str] = field(default_factory=set)

    def user_is_free(self, number: int, name: str, *, with_group: bool) -> bool:
        """Return True if no user has `number` and, `with_group`, no group of another name has it."""
        if any(row[2] == str(number) for row in self.users.values()):
            return False
        return not with_group or self._only(self.groups, number, name)

    def group_is_free(self, number: int, name: str, *, with_user: bool) -> bool:
        """Return True if no group has `number` and, `with_user`, no user of another name has it."""
        if any(row[2] == str(number) for row in self.groups.values()):
            return False
        return not with_user or self._only(self.users, number, name)

    @staticmethod
    def _only(table: dict[str, list[str]], number: int, name: str) -> bool:
        return all(row[2] != str(number) or row[0] == name for row in table.values())

    def automatic(self, line: _Line) -> int:
        """Return a free number that follows from the name. Raises NotosError if none is left."""
        used = {row[2] for row in (*self.users.values(), *self.groups.values())}
        count = sum(high - low + 1 for low, high in self.ranges)
        first = int.from_bytes(hashlib.sha256(line.name.encode()).digest()[:8])
        for step in range(count):
            at = (first + step) % count
            for low, high in self.ranges:
                if at <= high - low:
                    number = low + at
                    break
                at -= high - low + 1
            if str(number) not in used and number not in self.reserved:
                return number
        raise _problem(line, "no number is left", "give one")


def accounts(
    files: Mapping[str, str], *, passwd: str, group: str, release: Mapping[str, str] | None = None
) -> Accounts:
    """Return the accounts of `passwd` and `group` (texts as in passwd(5)) and of the sysusers.d `files`.

    `files` are texts by file name, `release` has the fields of os-release(5). A line for an existing account
    changes nothing; of two lines for one account the first counts. Raises NotosError with file and line for
    invalid lines.
    """
    found, problems = [], []
    for name in sorted(files):
        for number, text in lines(files[name]):
            where = f"sysusers.d/{name}:{number}"
            try:
                found.append(replace(_parsed(text, release or {}), where=where))
            except LineError as error:
                problems.append(_problem(_Line("", where=where), str(error), "correct the line"))
    errors.raise_all(problems)
    users, groups = _declared(found)
    given = {line.number for line in (*users.values(), *groups.values()) if line.number is not None}
    ranges = tuple(each for line in found for each in line.ranges)
    table = _Table(ranges or _AUTOMATIC, given)
    for row in _rows(group, 4):
        table.groups[row[0]] = [row[0], "x", *row[2:]]
    for row in _rows(passwd, 7):
        table.users[row[0]] = [row[0], "x", *row[2:]]
    known = len(table.users), len(table.groups)
    for line in groups.values():
        problems += _tried(_add_group, table, line)
    for line in users.values():
        problems += _tried(_add_user, table, line)
    errors.raise_all(problems)
    for line in found:
        if line.kind == "m" and line.group not in table.groups:  # u NAME -:GROUP makes no group NAME
            problems.append(_no_group(line))
    errors.raise_all(problems)
    for line in found:
        if line.kind == "m":
            members = [each for each in table.groups[line.group][3].split(",") if each]
            table.groups[line.group][3] = ",".join(sorted({*members, line.name}))
    return _texts(table, *known)


def _declared(found: list[_Line]) -> tuple[dict[str, _Line], dict[str, _Line]]:
    """Return the lines of users and groups by name, with those that `m` lines imply."""
    users: dict[str, _Line] = {}
    groups: dict[str, _Line] = {}
    for line in found:
        if line.kind in "ug":
            (users if line.kind == "u" else groups).setdefault(line.name, line)
    for line in found:
        if line.kind == "m":
            users.setdefault(line.name, _Line("u", line.name, where=line.where))
            if line.group not in users:
                groups.setdefault(line.group, _Line("g", line.group, where=line.where))
    return users, groups


def _tried(add: Callable[[_Table, _Line], object], table: _Table, line: _Line) -> Iterator[NotosError]:
    try:
        add(table, line)
    except NotosError as error:
        yield error


def _add_group(table: _Table, line: _Line) -> int:
    """Create the group `line.name` if it does not exist, and return its number."""
    if line.name in table.groups:
        return int(table.groups[line.name][2])
    number = line.number
    if number is not None and not table.group_is_free(number, line.name, with_user=line.kind == "u"):
        number = None
    if number is None:
        number = table.automatic(line)
    table.groups[line.name] = [line.name, "x", str(number), ""]
    table.new_groups.add(line.name)
    return number


def _add_user(table: _Table, line: _Line) -> None:
    """Create the user `line.name` if it does not exist, with its group. Raises NotosError."""
    strict = bool(line.group)
    if line.group.isdigit():
        gid = int(line.group)
        if table.group_is_free(gid, line.name, with_user=False) and line.name not in table.groups:
            raise _problem(line, f"no group has the number {gid}", f"create one: g NAME {gid}")
        if line.name in table.groups:
            gid = int(table.groups[line.name][2])
    elif line.group:
        if line.group not in table.groups:
            raise _no_group(line)
        gid = int(table.groups[line.group][2])
    else:
        strict = line.name in table.new_groups
        gid = _add_group(table, line)
    if line.name in table.users:
        return
    number = line.number
    if number is not None and not table.user_is_free(number, line.name, with_group=not strict):
        number = None
    if number is None and table.user_is_free(gid, line.name, with_group=True):
        number = gid
    if number is None:
        number = table.automatic(line)
    shell = line.shell or _NOLOGIN
    table.users[line.name] = [line.name, "x", str(number), str(gid), line.gecos, line.home or "/", shell]
    if line.locked:
        table.locked.add(line.name)


def _texts(table: _Table, users: int, groups: int) -> Accounts:
    """Return the files; after the first `users` and `groups`, rows are in the order of their names."""
    names = list(table.users)
    people = [table.users[name] for name in (*names[:users], *sorted(names[users:]))]
    names = list(table.groups)
    teams = [table.groups[name] for name in (*names[:groups], *sorted(names[groups:]))]
    # An empty date of the last change turns password ageing off; an account that expired on day 1 is
    # locked (shadow(5)).
    password = {name: "!*::::::1:" if name in table.locked else "*:::::::" for name in table.users}
    return Accounts(
        passwd="".join(":".join(row) + "\n" for row in people),
        group="".join(":".join(row) + "\n" for row in teams),
        shadow="".join(f"{row[0]}:{password[row[0]]}\n" for row in people),
        gshadow="".join(f"{row[0]}:!::{row[3]}\n" for row in teams),
    )


def mistakes(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Yield the number, from 1, of each invalid line of a sysusers.d file, and the reason.

    References to other files (a line's group) are checked by accounts().
    """
    for number, raw in lines(text):
        try:
            _parsed(raw, ANY_RELEASE)
        except LineError as error:
            yield number, str(error)


def _parsed(text: str, release: Mapping[str, str]) -> _Line:
    """Return the line `text`. Raises LineError for one that systemd-sysusers refuses."""
    found, rest = words(text, 6, escapes=False)
    if len(found) < 2 or not found[0]:
        raise LineError('a line of sysusers.d needs a type and a name; write u NAME - "A description"')
    action, *fields = [*found, *[""] * (6 - len(found))]
    kind, locked = action[0], action[1:] == "!"
    if kind not in "ugmr" or action[1:] not in ("", "!"):
        raise LineError(f"a line of type {action} is not understood; use u, g or m")
    name, number, gecos, home, shell = (_expanded(each, release) for each in fields)
    example = f'{kind} {name or "NAME"} - "A description" /home/{name or "NAME"} /bin/sh'
    mismatch = LineError(f"the fields do not match sysusers.d(5); write {example}")
    if rest or not _are_plain(gecos, home, shell) or (kind != "u" and (gecos or home or shell)):
        raise mismatch
    home, shell = simplified(home), simplified(shell)
    if any(each and (not each.startswith("/") or ".." in each.split("/")) for each in (home, shell)):
        raise mismatch
    if locked and kind != "u":
        raise LineError(f"a line of type {kind} does not take !; write {kind}")
    if kind == "r":
        if name or not number:
            raise LineError("a range has no name; write r - 500-900")
        return _Line(kind, ranges=(_range(number),))
    if not _NAME.fullmatch(name):
        raise LineError(f"{name or '-'} is not a valid account name; write letters, digits, _ and -")
    if kind == "m":
        if not _NAME.fullmatch(number):
            raise LineError(f"{number or '-'} is not a valid group name; write m {name} GROUP")
        return _Line(kind, name, group=number)
    line = _Line(kind, name, gecos=gecos, home=home, shell=shell, locked=locked)
    if number.startswith("/") or not number:
        return line
    user, colon, group = number.partition(":") if kind == "u" else (number, "", "")
    if colon and not group.isdigit() and not _NAME.fullmatch(group):
        raise LineError(f"{group} is not a valid group name; write UID:GROUP")
    if group.isdigit():
        _number(group)
    return replace(line, number=None if colon and user == "-" else _number(user), group=group)


def _expanded(text: str, release: Mapping[str, str]) -> str:
    """Return a field with its specifiers resolved, "" for "-"."""
    if text in ("", "-"):
        return ""
    out = expanded(text, release, accounts=True)
    if LATE in out:
        late = out[out.index(LATE) + 1]
        raise LineError(
            f"specifiers of the booted machine (%{late}) have no value here; write the value itself"
        )
    return out


def _are_plain(*fields: str) -> bool:
    """Return True if the fields are UTF-8 without colons and control characters."""
    return not any(re.search(r"[:\x00-\x1f\x7f-\x9f\ud800-\udfff]", each) for each in fields)


def _number(text: str) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,9}", text) or int(text) >= 2**32 or int(text) in _NO_NUMBERS:
        raise LineError(f"{text} is not a number of an account; write a number, UID:GROUP or -")
    return int(text)


def _range(text: str) -> tuple[int, int]:
    low, dash, high = text.partition("-")
    first = _number(low)
    last = _number(high) if dash else first
    if last < first:
        raise LineError(f"{text} is not a range; write LOWEST-HIGHEST")
    return first, last


def _rows(text: str, count: int) -> list[list[str]]:
    rows = [line.split(":") for line in text.splitlines() if line]
    if any(len(row) != count for row in rows):
        raise NotosError("the files of base-passwd do not match passwd(5)", hint="run `./doit lock`")
    return rows


def _no_group(line: _Line) -> NotosError:
    return _problem(line, f"there is no group {line.group}", "name one that a `g` line makes")


def _problem(line: _Line, message: str, hint: str) -> NotosError:
    file = line.where.rpartition(":")[0]
    return NotosError(f"{line.where}: {message}", hint=hint, keys=("etc", file))
