"""Check for accounts that scripts of the config name, but that nothing creates.

Only certain cases are reported: `user` of a timer, and a literal name after a program that changes the user
(chpst, setuidgid, su, runuser, setpriv) in a script.
"""

import re
import shlex
from collections.abc import Iterator

from notos.errors import ClosureError
from notos.features.model import Features
from notos.formats.tree import Tree
from notos.system.etc import text
from notos.system.own_scripts import own_scripts

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_HINTS = {
    "user": "add it to the config: users: {{{name}: {{system: true}}}}",
    "group": "add it to the config: groups: {{{name}: {{}}}}",
}


class Accounts:
    """The names in passwd(5) and group(5)."""

    def __init__(self, passwd: str, group: str) -> None:
        self._names = {"user": _first_fields(passwd), "group": _first_fields(group)}

    def lacks(self, kind: str, name: str) -> bool:
        """Return True if `name` is a name, not a number or a variable, and no account ("user", "group")."""
        return bool(_NAME.fullmatch(name)) and name not in self._names[kind]


def lacking(features: Features, *, etc: Tree, runit: Tree) -> Iterator[ClosureError]:
    """Yield an error for each account that does not exist.

    `etc` is the tree of /etc, `runit` that of the runit object.
    """
    accounts = Accounts(text(etc, "passwd"), text(etc, "group"))
    for script in own_scripts(features, runit):
        if accounts.lacks("user", script.user):
            keys = (*script.keys[:-1], "user")
            yield _error(".".join(keys), "user", script.user, keys)
        for kind, account in sorted(_switched(script.data.decode(errors="replace"))):
            if accounts.lacks(kind, account):
                yield _error(script.where, kind, account, script.keys)


def _error(where: str, kind: str, name: str, keys: tuple[str, ...]) -> ClosureError:
    message = f"{where} names the {kind} {name}, which nothing creates"
    return ClosureError(message, hint=_HINTS[kind].format(name=name), keys=keys)


def _switched(text: str) -> set[tuple[str, str]]:
    """Return the users and groups to which a shell script changes."""
    found: set[tuple[str, str]] = set()
    for line in text.replace("\\\n", " ").splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        for at, word in enumerate(words):
            rest = words[at + 1 :]
            match word.rpartition("/")[2]:
                case "chpst":
                    found.update(_of_chpst(rest))
                case "setuidgid" | "envuidgid" | "s6-setuidgid":
                    found.update(("user", each.partition(":")[0]) for each in rest[:1])
                case "runuser" | "setpriv" | "sudo":
                    found.update(_of_options(rest))
                case "su" if at == 0 or words[at - 1] == "exec":
                    found.update(("user", each) for each in _of_su(rest))
    return found


def _of_chpst(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the accounts after -u and -U of chpst(8): user[:group[:group…]], with a leading colon numbers."""
    pending = list(words)
    while pending and pending[0].startswith("-"):
        option = pending.pop(0)
        if option[1:2] in tuple("uUbe/nmdopfcrt"):
            value = option[2:] or (pending.pop(0) if pending else "")
            if option[1:2] in ("u", "U") and not value.startswith(":"):
                user, *groups = value.split(":")
                yield "user", user
                yield from (("group", each) for each in groups)


def _of_su(words: list[str]) -> list[str]:
    """Return the user of su(1), the first word that is no option and no option's value."""
    pending = list(words)
    while pending and pending[0].startswith("-"):
        if pending.pop(0) in ("-c", "--command", "-s", "--shell", "-g", "-G", "-w"):
            pending = pending[1:]
    return pending[:1]


def _of_options(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the accounts in the options of runuser(1), setpriv(1) and sudo(8) before the command."""
    kinds = {"-u": "user", "--user": "user", "--reuid": "user", "-g": "group", "--regid": "group"}
    pending = list(words)
    while pending and pending[0].startswith("-"):
        option, equals, value = pending.pop(0).partition("=")
        if option in kinds:
            yield kinds[option], value if equals else (pending.pop(0) if pending else "")


def _first_fields(text: str) -> frozenset[str]:
    return frozenset(line.partition(":")[0] for line in text.splitlines())
