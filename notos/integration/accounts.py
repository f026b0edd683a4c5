"""Accounts from literal calls in maintainer scripts and from units, as a sysusers.d file.

Read are adduser, addgroup, useradd, groupadd, usermod and gpasswd, and User= and Group= of systemd's units
(systemd.exec(5)). A package's own sysusers.d file wins: an account that it declares is left out here. Homes
that adduser(8) would create are a tmpfiles.d file.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from notos.debian.maintainer_scripts import ScriptCall, options
from notos.formats.tree import File, Tree
from notos.integration.model import Context

COMMANDS = ("adduser", "addgroup", "useradd", "groupadd", "usermod", "gpasswd")
# The last files by name: all others win.
SYSUSERS = "usr/lib/sysusers.d/zz-maintainer-scripts.conf"
# After folders of scripts and packages: adduser(8) keeps a folder that exists, and scripts change it later.
HOMES = "usr/lib/tmpfiles.d/zz-user-homes.conf"

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}")
_NO_HOME = ("", "-", "/", "/nonexistent", "/dev/null", "/root")
_NOLOGIN = "/usr/sbin/nologin"
_ADDUSER_VALUES = (
    "--home",
    "--shell",
    "--gecos",
    "--comment",
    "--uid",
    "--gid",
    "--firstuid",
    "--lastuid",
    "--firstgid",
    "--lastgid",
    "--ingroup",
    "--conf",
    "--add_extra_groups",
)
_USERADD_VALUES = {
    "--uid": "-u",
    "--gid": "-g",
    "--groups": "-G",
    "--home-dir": "-d",
    "--home": "-d",
    "--shell": "-s",
    "--comment": "-c",
    "--add": "-a",
    "--base-dir": "-b",
    "--expiredate": "-e",
    "--inactive": "-f",
    "--key": "-K",
    "--password": "-p",
    "--root": "-R",
    "--skel": "-k",
}
_UNIT_USER = re.compile(r"^(?:User|SocketUser)[ \t]*=[ \t]*(\S+)[ \t]*$", re.MULTILINE)
_UNIT_GROUP = re.compile(r"^(?:Group|SocketGroup)[ \t]*=[ \t]*(\S+)[ \t]*$", re.MULTILINE)
_BASIC = ("root", "nobody", "nogroup")  # of every system


@dataclass(frozen=True)
class User:
    """A user; `group` is the name or number of the primary group, "" for one of the user's name."""

    name: str
    number: str = "-"
    group: str = ""
    gecos: str = ""
    home: str = "/nonexistent"
    shell: str = _NOLOGIN
    makes_home: bool = False


@dataclass
class _Accounts:
    users: dict[str, User] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)  # numbers by name
    members: set[tuple[str, str]] = field(default_factory=set)  # user, group


def apply(tree: Tree, context: Context) -> None:
    """Add the accounts and homes of all packages to `tree`, as files of sysusers.d and tmpfiles.d."""
    found = _Accounts()
    for each in context.calls(*COMMANDS):
        _read(each, found)
    for _, unit in sorted(context.units.items()):
        _add_unit(unit.decode(errors="replace"), found)
    present = set(declared(tree, context))
    lines = list(_lines(found, present))
    if lines:
        tree.replace(SYSUSERS, File("".join(f"{line}\n" for line in lines).encode()))
    homes = [
        f"d {user.home} 0755 {user.name} {user.group or user.name}\n"
        for _, user in sorted(found.users.items())
        if user.makes_home and user.name not in present and user.home not in _NO_HOME
    ]
    if homes:
        tree.replace(HOMES, File("".join(homes).encode()))


def understood(each: ScriptCall) -> bool:
    """Return True for a call of COMMANDS that is done."""
    return _read(each, _Accounts())


def _lines(found: _Accounts, present: set[str]) -> Iterator[str]:
    groups = found.groups | {
        user.group: "-" for user in found.users.values() if user.group and not user.group.isdigit()
    }
    groups = {name: groups[name] for name in sorted(groups) if f"group {name}" not in present}
    users = {name: found.users[name] for name in sorted(found.users) if name not in present}
    for name, number in groups.items():
        yield f"g {name} {number}"
    for name, user in users.items():
        number = f"{user.number}:{user.group}" if user.group not in ("", name) else user.number
        gecos = re.sub(r'[\\":]', "", user.gecos).replace("%", "%%")
        yield f'u {name} {number} "{gecos}" {user.home} {user.shell}'
    for name, group in sorted(found.members):
        has_group = group in groups or group in users or f"group {group}" in present
        if has_group and (name in users or name in present):
            yield f"m {name} {group}"


def declared(tree: Tree, context: Context) -> Iterator[str]:
    """Yield the accounts of base-passwd and sysusers.d files: "NAME" of a user, "group NAME" of a group."""
    for file, prefix in (("passwd", ""), ("group", "group ")):
        master = tree.get(f"usr/share/base-passwd/{file}.master")
        if isinstance(master, File):
            yield from (prefix + line.partition(":")[0] for line in master.read().decode().splitlines())
    texts = list(context.accounts.values())
    for path, entry in tree.items():
        if path.startswith(("usr/lib/sysusers.d/", "etc/sysusers.d/")) and isinstance(entry, File):
            texts.append(entry.read().decode(errors="replace"))
    for line in (line for text in texts for line in text.splitlines()):
        words = line.split()
        if len(words) > 1 and words[0].rstrip("!-") == "u":
            yield from (words[1], f"group {words[1]}")
        elif len(words) > 1 and words[0] == "g":
            yield f"group {words[1]}"


# --- calls


def _read(each: ScriptCall, found: _Accounts) -> bool:
    """Add the accounts of a call; return False if it is not understood."""
    match each.call.name:
        case "adduser":
            return _adduser(each, found)
        case "addgroup":
            return _addgroup(each, found)
        case "useradd" | "usermod":
            return _useradd(each, found)
        case "groupadd":
            given, names = _short(each, ("-g", "-K", "-p", "-R", "-P", "-U"))
            number = given.get("-g", "-")
            return number is not None and _group(found, names, number)
        case "gpasswd":
            given, names = _short(each, ("-a", "-d", "-A", "-M", "-R", "-Q"))
            user = given.get("-a")
            return bool(user) and len(names) == 1 and _member(found, user, names[0])
    return False


def _adduser(each: ScriptCall, found: _Accounts) -> bool:
    given, names = options(each.call.words, _ADDUSER_VALUES)
    if None in given.values():
        return False
    known = {key: value for key, value in given.items() if value is not None}
    if len(names) == 2:
        return _member(found, names[0], names[1])
    if len(names) != 1 or not _is_name(names[0]):
        return False
    (name,) = names
    assert name is not None
    if "--system" not in known:
        if "--group" in known:
            return _group(found, names, known.get("--gid", "-"))
        return False  # a person's account
    group = known.get("--ingroup") or known.get("--gid") or ("" if "--group" in known else "nogroup")
    user = User(
        name,
        number=known.get("--uid", "-"),
        group=group,
        gecos=known.get("--gecos", known.get("--comment", "")).rstrip(","),
        home=known.get("--home", "/nonexistent"),
        shell=known.get("--shell", _NOLOGIN),
        makes_home="--no-create-home" not in known,
    )
    return _user(found, user)


def _addgroup(each: ScriptCall, found: _Accounts) -> bool:
    given, names = options(each.call.words, _ADDUSER_VALUES)
    if len(names) == 2:
        return _member(found, names[0], names[1])
    number = given.get("--gid", "-")
    return number is not None and _group(found, names, number)


def _useradd(each: ScriptCall, found: _Accounts) -> bool:
    values = ("-u", "-g", "-G", "-d", "-s", "-c", "-b", "-e", "-f", "-K", "-p", "-R", "-k", "-l")
    adds = each.call.name == "useradd"
    given, names = _short(each, values)
    if None in given.values() or len(names) != 1 or not _is_name(names[0]):
        return False
    known = {key: value for key, value in given.items() if value is not None}
    (name,) = names
    assert name is not None
    supplementary = [group for group in known.get("-G", "").split(",") if group]
    found.members.update((name, group) for group in supplementary)
    if adds:
        user = User(
            name,
            number=known.get("-u", "-"),
            group=known.get("-g", ""),
            gecos=known.get("-c", ""),
            home=known.get("-d", f"/home/{name}"),
            shell=known.get("-s", "/bin/sh"),
            makes_home="-m" in known or "--create-home" in known,
        )
        return _user(found, user)
    present = found.users.get(name, User(name))
    changed = replace(
        present,
        group=known.get("-g", present.group),
        gecos=known.get("-c", present.gecos),
        home=known.get("-d", present.home),
        shell=known.get("-s", present.shell),
    )
    if name in found.users:
        found.users[name] = changed
    return not {"-l", "-u", "-p", "-L", "-U"} & known.keys()


def _short(each: ScriptCall, with_value: tuple[str, ...]) -> tuple[dict[str, str | None], list[str | None]]:
    """Return options by their short names, and other arguments; joined ones such as -aG are taken apart."""
    words: list[str | None] = [each.call.words[0]]
    for word in each.call.words[1:]:
        if word and re.fullmatch(r"-[A-Za-z]{2,}", word):
            words += (f"-{letter}" for letter in word[1:])
        elif word and word.startswith("--"):
            name, equal, value = word.partition("=")
            words += [_USERADD_VALUES.get(name, name), *([value] if equal else [])]
        else:
            words.append(word)
    if each.call.name == "usermod":
        words = [word for word in words if word not in ("-a", "--append")]
    return options(tuple(words), with_value)


def _user(found: _Accounts, user: User) -> bool:
    if not all(re.fullmatch(r"/[^\s:]*|-", each) for each in (user.home, user.shell)):
        return False
    found.users.setdefault(user.name, user)
    return True


def _group(found: _Accounts, names: list[str | None], number: str) -> bool:
    if len(names) != 1 or not names[0] or not _is_name(names[0]):
        return False
    found.groups.setdefault(names[0], number)
    return True


def _member(found: _Accounts, user: str | None, group: str | None) -> bool:
    if not user or not group or not _is_name(user) or not _is_name(group):
        return False
    found.members.add((user, group))
    return True


def _is_name(text: str | None) -> bool:
    return text is not None and _NAME.fullmatch(text) is not None


# --- units


def _add_unit(text: str, found: _Accounts) -> None:
    """Add the accounts that a unit names, unless a script creates them."""
    groups = [each for each in _UNIT_GROUP.findall(text) if _is_name(each) and each not in _BASIC]
    for name in _UNIT_USER.findall(text):
        if _is_name(name) and name not in _BASIC:
            group = groups[0] if len(groups) == 1 else ""
            found.users.setdefault(name, User(name, group=group))
    for name in groups:
        found.groups.setdefault(name, "-")
