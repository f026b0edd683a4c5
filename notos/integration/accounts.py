"""Accounts from literal calls in maintainer scripts and from units, as a sysusers.d file.

Read are adduser, addgroup, useradd, groupadd, usermod and gpasswd, and User= and Group= of systemd's units
(systemd.exec(5)). A package's own sysusers.d file wins: an account that it declares is left out here. Homes
that adduser(8) would create are a tmpfiles.d file.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from notos.debian.command_words import options
from notos.debian.maintainer_scripts import ScriptCall
from notos.formats.tree import File, Tree
from notos.integration.model import Context

COMMANDS = ("adduser", "addgroup", "useradd", "groupadd", "usermod", "gpasswd")
# The last files by name: all others win.
SYSUSERS = "usr/lib/sysusers.d/zz-maintainer-scripts.conf"
# After folders of scripts and packages: adduser(8) keeps a folder that exists, and scripts change it later.
HOMES = "usr/lib/tmpfiles.d/zz-user-homes.conf"

# Names and numbers that notos.system.sysusers accepts.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,30}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")
_NO_NUMBERS = (65535, 2**32 - 1)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
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
_USERADD_SHORT = ("-u", "-g", "-G", "-d", "-s", "-c", "-b", "-e", "-f", "-K", "-p", "-R", "-k", "-l")
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
    # A change of an account counts, whichever package makes the account.
    for each in sorted(context.calls(*COMMANDS), key=lambda each: each.call.name == "usermod"):
        _read(each, found)
    for _, unit in sorted(context.units.items()):
        _add_unit(unit.decode(errors="replace"), found)
    present = set(declared(tree, context))
    lines = list(_lines(found, present, set(_declared_numbers(tree, context))))
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
    """Return True for a call of COMMANDS that is done, if its account is one of created()."""
    return _read(each, _Accounts())


def changes(each: ScriptCall) -> str:
    """Return the user whose home, shell, description or group a usermod changes; "" for other calls."""
    if each.call.name != "usermod":
        return ""
    given, names = _short(each, _USERADD_SHORT)
    return names[0] or "" if len(names) == 1 and {"-c", "-d", "-g", "-s"} & given.keys() else ""


def created(calls: Iterable[ScriptCall], packages: Tree) -> frozenset[str]:
    """Return the users that the calls create and that no file of `packages` declares."""
    found = _Accounts()
    for each in calls:
        _read(each, found)
    return frozenset(found.users) - {name for name, _ in _declared(packages, ())}


def _lines(found: _Accounts, present: set[str], numbers: set[str]) -> Iterator[str]:
    """Yield the lines of sysusers.d. `present` is declared(); `numbers` are those of its groups."""
    groups = {user.group: "-" for user in found.users.values() if user.group and not user.group.isdigit()}
    groups |= found.groups
    numbers = numbers | set(groups.values())
    users = {name: found.users[name] for name in sorted(found.users) if name not in present}
    for name, user in users.items():
        if user.group.isdigit() and user.group not in numbers:  # the user's own group has the number
            groups[name] = user.group
            users[name] = replace(user, group="")
    groups = {name: groups[name] for name in sorted(groups) if f"group {name}" not in present}
    for name, number in groups.items():
        yield f"g {name} {number}"
    for name, user in users.items():
        number = f"{user.number}:{user.group}" if user.group not in ("", name) else user.number
        gecos = re.sub(r'[\\":]', "", user.gecos).replace("%", "%%")
        yield f'u {name} {number} "{gecos}" {user.home} {user.shell}'
    own_groups = {name for name, user in users.items() if user.group in ("", name)}
    for name, group in sorted(found.members):
        has_group = group in groups or group in own_groups or f"group {group}" in present
        if has_group and (name in users or name in present):
            yield f"m {name} {group}"


def declared(tree: Tree, context: Context) -> Iterator[str]:
    """Yield the accounts of base-passwd and sysusers.d files: "NAME" of a user, "group NAME" of a group."""
    return (name for name, _ in _declared(tree, context.accounts.values()))


def _declared_numbers(tree: Tree, context: Context) -> Iterator[str]:
    """Yield the numbers of the groups of base-passwd and sysusers.d files, as far as lines give them."""
    for name, number in _declared(tree, context.accounts.values()):
        if name.startswith("group ") and number.isdigit():
            yield number


def _declared(tree: Tree, texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the names as of declared(), and the number of each or "-".

    `texts` are those of further sysusers.d files.
    """
    for file, prefix in (("passwd", ""), ("group", "group ")):
        master = tree.get(f"usr/share/base-passwd/{file}.master")
        if isinstance(master, File):
            rows = (line.split(":") for line in master.read().decode().splitlines())
            yield from ((prefix + row[0], row[2]) for row in rows if len(row) > 2)
    all_texts = list(texts)
    for path, entry in tree.items():
        if path.startswith(("usr/lib/sysusers.d/", "etc/sysusers.d/")) and isinstance(entry, File):
            all_texts.append(entry.read().decode(errors="replace"))
    for line in (line for text in all_texts for line in text.splitlines()):
        kind, name, number, *_ = (*line.split(), *("-",) * 3)
        if kind.rstrip("!-") == "u":
            user, colon, group = number.partition(":")
            yield name, user
            if not colon or group == name:  # else the group is another line's
                yield f"group {name}", user
        elif kind == "g":
            yield f"group {name}", number


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
    own_number = ""  # of the user's own group
    if "--group" in known and group.isdigit():
        group, own_number = "", group
    user = User(
        name,
        number=known.get("--uid", "-"),
        group=group,
        gecos=known.get("--gecos", known.get("--comment", "")).rstrip(","),
        home=known.get("--home", "/nonexistent"),
        shell=known.get("--shell", _NOLOGIN),
        makes_home="--no-create-home" not in known,
    )
    return _user(found, user) and (not own_number or _group(found, names, own_number))


def _addgroup(each: ScriptCall, found: _Accounts) -> bool:
    given, names = options(each.call.words, _ADDUSER_VALUES)
    if len(names) == 2:
        return _member(found, names[0], names[1])
    number = given.get("--gid", "-")
    return number is not None and _group(found, names, number)


def _useradd(each: ScriptCall, found: _Accounts) -> bool:
    adds = each.call.name == "useradd"
    given, names = _short(each, _USERADD_SHORT)
    if None in given.values() or len(names) != 1 or not _is_name(names[0]):
        return False
    known = {key: value for key, value in given.items() if value is not None}
    (name,) = names
    assert name is not None
    supplementary = [group for group in known.get("-G", "").split(",") if group]
    if not all(map(_is_name, supplementary)):
        return False
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
    if not _user(_Accounts(), changed):
        return False
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
    """Add a user; return False for one that sysusers.d(5) cannot have."""
    paths = (user.home, user.shell)
    if not all(re.fullmatch(r"""/[^\s:"'\\%\x00-\x1f\x7f-\x9f]*|-""", each) for each in paths):
        return False
    if any(".." in each.split("/") for each in paths) or _CONTROL.search(user.gecos):
        return False
    has_group = not user.group or _is_name(user.group) or _is_number(user.group)
    if not has_group or not (user.number == "-" or _is_number(user.number)):
        return False
    found.users.setdefault(user.name, user)
    return True


def _group(found: _Accounts, names: list[str | None], number: str) -> bool:
    if len(names) != 1 or not names[0] or not _is_name(names[0]):
        return False
    if number != "-" and not _is_number(number):
        return False
    found.groups.setdefault(names[0], number)
    return True


def _member(found: _Accounts, user: str | None, group: str | None) -> bool:
    if not user or not group or not _is_name(user) or not _is_name(group):
        return False
    found.members.add((user, group))
    return True


def _is_number(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text)) and int(text) < 2**32 and int(text) not in _NO_NUMBERS


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
