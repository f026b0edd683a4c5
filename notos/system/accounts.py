"""The accounts of the config, added to those of packages and sysusers.d files; and their home folders.

An account without a given number gets one that follows from its name, so that adding or removing others does
not change the owner of files on a drive.
"""

import hashlib
import shlex
from collections.abc import Iterable, Iterator, Sequence

from notos import errors
from notos.errors import NotosError
from notos.features.model import Account, Group
from notos.formats.tree import Tree
from notos.system.sysusers import Accounts

_USERS = range(1000, 60000)  # Debian policy 9.2.2
_SYSTEM = range(100, 1000)
_NO_HOME = "/nonexistent"
# useradd(8): SUB_UID_MIN and SUB_UID_COUNT of login.defs(5).
_SUBORDINATE, _COUNT = 100_000, 65_536
_NO_SHELL = ("nologin", "false", "sync")  # programs in place of a shell; without them nobody logs in either


def added(accounts: Accounts, users: Sequence[Account], groups: Sequence[Group], system: Tree) -> Accounts:
    """Return `accounts` with the users and groups of the config.

    `system` is the tree of /usr, which must have the shells. Raises NotosError with all mistakes: a name or a
    number that is taken, a group or a shell that does not exist.
    """
    if not users and not groups:
        return accounts
    table = _Table(accounts)
    errors.raise_all([*table.add_groups(groups), *table.add_users(users, system)])
    return table.accounts()


def with_shells(passwd: str, system: Tree) -> str:
    """Return the text of passwd with /bin/sh in place of shells that the machine lacks.

    In Debian bash is essential, so packages give it to their accounts without depending on it.
    """
    rows = [line.split(":") for line in passwd.splitlines()]
    for row in rows:
        if row[-1] and row[-1].rpartition("/")[2] not in _NO_SHELL and not _has(system, row[-1]):
            row[-1] = "/bin/sh"
    return "".join(":".join(row) + "\n" for row in rows)


def homes(users: Iterable[Account]) -> str:
    """Return a shell fragment that creates missing home folders; "" if there are none to create."""
    made = [each for each in users if each.home not in ("", _NO_HOME)]
    return "".join(f"makeHome {each.name} {shlex.quote(each.home)}\n" for each in made)


def shells(users: Iterable[Account]) -> list[str]:
    """Return the shells that accounts of the config have, without duplicates."""
    return list(dict.fromkeys(each.shell for each in users if each.shell))


def subordinate(passwd: str, users: Iterable[Account]) -> str:
    """Return subuid(5), which is subgid(5) too: the numbers that users may map in their containers.

    As with useradd, each account of a person (1000 to 60000) has 65536 of them. The range follows from the
    account's number alone, as with UNSAFE_SUB_UID_DETERMINISTIC_MAP of login.defs(5), so that adding or
    removing others does not change the owner of files on a drive. `passwd` is the text of /etc/passwd.
    """
    numbers = {name: int(row[2]) for name, row in _rows(passwd).items()}
    ranges = {
        each.name: _SUBORDINATE + (numbers[each.name] - _USERS.start) * _COUNT
        for each in users
        if not each.system and numbers[each.name] in range(_USERS.start, _USERS.stop + 1)
    }
    return "".join(f"{name}:{first}:{_COUNT}\n" for name, first in ranges.items())


class _Table:
    """Rows of the four files, by account."""

    def __init__(self, accounts: Accounts) -> None:
        self.passwd = _rows(accounts.passwd)
        self.group = _rows(accounts.group)
        self.shadow = _rows(accounts.shadow)
        self.gshadow = _rows(accounts.gshadow)
        self._existing = {*self.passwd}
        self._reserved: set[int] = set()

    def accounts(self) -> Accounts:
        """Return the texts of the files."""
        files = (self.passwd, self.group, self.shadow, self.gshadow)
        return Accounts(*("".join(":".join(row) + "\n" for row in rows.values()) for rows in files))

    def add_groups(self, groups: Sequence[Group]) -> Iterator[NotosError]:
        """Add groups; yield the mistakes. Given numbers come first."""
        self._reserved = {each.gid for each in groups if each.gid is not None}
        for each in sorted(groups, key=lambda group: (group.gid is None, group.name)):
            if each.name in self.group:
                yield _taken(f"the group {each.name} exists already", each.keys)
                continue
            owner = self._owner(self.group, each.gid)
            if owner:
                yield _taken(f"the number {each.gid} is that of the group {owner}", (*each.keys, "gid"))
                continue
            self._add_group(each.name, each.gid or self._free(each.name, _USERS))

    def add_users(self, users: Sequence[Account], system: Tree) -> Iterator[NotosError]:
        """Add users; yield the mistakes."""
        default = "/bin/bash" if "bin/bash" in system else "/bin/sh"
        self._reserved |= {each.uid for each in users if each.uid is not None}
        for each in sorted(users, key=lambda user: (user.uid is None, user.name)):
            if each.shell and not _has(system, each.shell):
                yield NotosError(
                    f"{each.name} has the shell {each.shell}, which no package has",
                    hint="add the package that has it to system.packages",
                    keys=(*each.keys, "shell"),
                )
            if each.name == "root":
                self._change_root(each)
                continue
            if each.name in self._existing:
                yield _taken(f"the user {each.name} exists already", each.keys)
                continue
            if owner := self._owner(self.passwd, each.uid):
                yield _taken(f"the number {each.uid} is that of the user {owner}", (*each.keys, "uid"))
                continue
            yield from self._add_user(each, default)
        for each in users:
            for name in each.groups:
                if name not in self.group:
                    hint = f"add groups: {{{name}: {{}}}}, or the package that has it"
                    message = f"{each.name} is in the group {name}, which does not exist"
                    yield NotosError(message, hint=hint, keys=(*each.keys, "groups", name))
                elif each.name in self.passwd:
                    self._add_member(name, each.name)

    def _add_user(self, user: Account, shell: str) -> Iterator[NotosError]:
        number = user.uid
        if user.name in self.group:  # a group of the config, or of a package
            gid = self.group[user.name][2]
            number = number or self._free(user.name, _SYSTEM if user.system else _USERS)
        else:
            number = number or self._free(user.name, _SYSTEM if user.system else _USERS)
            if owner := self._owner(self.group, number):
                yield _taken(f"the number {number} is that of the group {owner}", (*user.keys, "uid"))
                return
            self._add_group(user.name, number)
            gid = str(number)
        row = [user.name, "x", str(number), gid, user.description, user.home, user.shell or shell]
        self.passwd[user.name] = row
        # An empty date of the last change turns password ageing off (shadow(5)). With "*" sshd accepts keys.
        self.shadow[user.name] = [user.name, user.password_hash or "*", *[""] * 7]

    def _change_root(self, user: Account) -> None:
        if user.shell:
            self.passwd["root"][-1] = user.shell
        if user.password_hash:
            self.shadow["root"][1] = user.password_hash

    def _add_group(self, name: str, number: int) -> None:
        self.group[name] = [name, "x", str(number), ""]
        self.gshadow[name] = [name, "!", "", ""]

    def _add_member(self, group: str, user: str) -> None:
        for rows in (self.group, self.gshadow):
            members = [each for each in rows[group][3].split(",") if each]
            rows[group][3] = ",".join(sorted({*members, user}))

    def _free(self, name: str, numbers: range) -> int:
        """Return a number that no account has and no other is given: the first from a hash of the name on."""
        used = {int(row[2]) for rows in (self.passwd, self.group) for row in rows.values()} | self._reserved
        first = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
        found = (numbers[(first + step) % len(numbers)] for step in range(len(numbers)))
        return next(each for each in found if each not in used)

    @staticmethod
    def _owner(rows: dict[str, list[str]], number: int | None) -> str:
        return next((name for name, row in rows.items() if row[2] == str(number)), "")


def _rows(text: str) -> dict[str, list[str]]:
    return {row[0]: row for row in (line.split(":") for line in text.splitlines())}


def _taken(message: str, keys: tuple[str, ...]) -> NotosError:
    return NotosError(message, hint="choose another", keys=keys)


def _has(system: Tree, path: str) -> bool:
    """Return True if `system`, the tree of /usr, has an entry at an absolute path; True for other folders."""
    merged = path.removeprefix("/usr").removeprefix("/")
    return not path.startswith(("/usr/", "/bin/", "/sbin/")) or merged in system
