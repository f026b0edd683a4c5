"""Check for accounts that scripts of the config name, but that nothing creates.

Only certain cases are reported: `user` of a timer, and a literal name after a command that changes the user
(chpst, setuidgid, su, runuser, setpriv, sudo) in a shell script. An account that a script of the config
creates or looks up is never reported.
"""

import getopt
import re
from collections.abc import Iterator

from notos.debian.shell_calls import Call, Surroundings, calls
from notos.errors import ClosureError, PackageError
from notos.features.model import Features
from notos.formats.tree import Tree
from notos.system.etc import text
from notos.system.own_scripts import own_scripts

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SHELL = re.compile(r"#!\s*\S*/(?:env )?(?:ba|da|a)?sh\b")
# Commands that create an account, or that return whether it exists.
_CREATING = ("adduser", "useradd", "addgroup", "groupadd", "id", "getent")
# Commands that start another one: short options as for getopt(3), and the number of words before it.
_STARTERS = {
    "exec": ("cla:", 0),
    "command": ("p", 0),
    "chpst": ("vP012u:U:b:e:/:n:l:L:m:d:o:p:f:c:r:t:", 0),
    "env": ("iu:C:", 0),
    "ionice": ("tc:n:", 0),
    "nice": ("n:", 0),
    "nohup": ("", 0),
    "setsid": ("cfw", 0),
    "timeout": ("fpvk:s:", 1),
    "setuidgid": ("", 1),
    "s6-setuidgid": ("", 1),
    "envuidgid": ("", 1),
}
_UNKNOWN = "\0"  # in place of an unknown word
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
    scripts = {each: _calls(each.data.decode(errors="replace")) for each in own_scripts(features, runit)}
    created = {
        word
        for found in scripts.values()
        for call in found
        if call.name in _CREATING
        for word in call.words[1:]
    }
    for script, found in scripts.items():
        if accounts.lacks("user", script.user) and script.user not in created:
            keys = (*script.keys[:-1], "user")
            yield _error(".".join(keys), "user", script.user, keys)
        switched = {each for call in found for each in _switched(call)}
        for kind, account in sorted(switched):
            if accounts.lacks(kind, account) and account not in created:
                yield _error(script.where, kind, account, script.keys)


def _error(where: str, kind: str, name: str, keys: tuple[str, ...]) -> ClosureError:
    message = f"{where} names the {kind} {name}, which nothing creates"
    return ClosureError(message, hint=_HINTS[kind].format(name=name), keys=keys)


def _calls(text: str) -> list[Call]:
    """Return the commands of a script; none if it is not a shell script."""
    if text.startswith("#!") and not _SHELL.match(text):
        return []
    try:
        return calls(text, Surroundings())
    except PackageError:
        return []


def _switched(call: Call) -> Iterator[tuple[str, str]]:
    """Yield the users and groups to which a command changes, as far as its source has their names."""
    literal = re.sub(r"\$\{[^}]*\}", "", call.text)  # the environment may have another value
    words = [_UNKNOWN if each is None else each for each in call.words]
    for name, rest in _started(words):
        found: Iterator[tuple[str, str]] = iter(())
        match name:
            case "chpst":
                found = _of_chpst(rest)
            case "setuidgid" | "envuidgid" | "s6-setuidgid":
                found = (("user", each.partition(":")[0]) for each in rest[:1])
            case "runuser" | "setpriv" | "sudo":
                found = _of_options(rest)
            case "su":
                found = (("user", each) for each in _of_su(rest))
        yield from ((kind, account) for kind, account in found if account in literal)


def _started(words: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield name and further words of a command, and of those that it starts, one through the other."""
    while words:
        name, rest = words[0].rpartition("/")[2], words[1:]
        yield name, rest
        options, count = _STARTERS.get(name, (None, 0))
        if options is None:
            return
        try:
            _, words = getopt.getopt(rest, options)
        except getopt.GetoptError:
            return
        words = words[count:]
        while words and re.match("[A-Za-z_][A-Za-z0-9_]*=", words[0]):  # of env
            words = words[1:]


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
