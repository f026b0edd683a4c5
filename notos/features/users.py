"""The accounts in the config: users with their home folders, keys and rights, and groups."""

import re
from collections.abc import Iterator

from notos.config.model import FileMode, Machine, Package, PackageName
from notos.config.reader import Checks
from notos.config.yaml_source import Node, Problem, key_place, place_of
from notos.features import files
from notos.features.model import Account, EtcFile, Feature, Group, Text

KEYS = ("users", "groups")

_ROOT = "root"
_OF_ROOT = ("authorized_keys", "password_hash", "shell")  # what the config can say about root
_FIXED_OF_ROOT = {"uid": None, "home": None, "groups": (), "sudo": False, "system": False}
_NO_HOME = "/nonexistent"  # Debian policy 9.2.3
_NOLOGIN = "/usr/sbin/nologin"
_WRITABLE = ("/home/", "/srv/", "/var/")  # and not /root, which only root can enter
_SUDO = Package(name=PackageName("sudo"), closure="depends")
_SUDOERS = "sudoers.d/notos"
# Words that sudoers(5) reads as an alias, as all accounts or as the beginning of another kind of line.
_NO_SUDOER = "[A-Z][A-Z0-9_]*|Defaults|(?:User|Runas|Host|Cmnd|Cmd)_Alias"


def feature(machine: Machine) -> Feature:
    """Return the accounts, their keys, and sudo with its rules if an account may use it."""
    rules = [
        f"{name} ALL=(ALL:ALL) {'' if user.password_hash else 'NOPASSWD: '}ALL\n"
        for name, user in machine.users.items()
        if user.sudo
    ]
    etc = [
        EtcFile(
            path=f"ssh/authorized_keys.d/{name}",
            content=Text("".join(f"{key}\n" for key in user.authorized_keys)),
        )
        for name, user in machine.users.items()
        if user.authorized_keys and name != _ROOT
    ]
    if rules:
        etc.append(EtcFile(path=_SUDOERS, content=Text("".join(rules)), mode=FileMode("0440")))
    has_homes = any(
        user.home != _NO_HOME and not user.system for name, user in machine.users.items() if name != _ROOT
    )
    return Feature(
        keep=("skel",) if has_homes else (),
        packages=(_SUDO,) if rules else (),
        etc=tuple(etc),
        users=tuple(_account(machine, name) for name in machine.users),
        groups=tuple(Group(name, group.gid, ("groups", name)) for name, group in machine.groups.items()),
    )


def _account(machine: Machine, name: str) -> Account:
    user = next(each for key, each in machine.users.items() if key == name)
    home = "" if name == _ROOT else _NO_HOME if user.system else f"/home/{name}"
    return Account(
        name=name,
        uid=user.uid,
        description=user.description or "",
        groups=(*user.groups, *(("sudo",) if user.sudo else ())),
        shell=user.shell or (_NOLOGIN if user.system else ""),
        home=user.home or home,
        password_hash=user.password_hash or "",
        system=user.system,
        keys=("users", name),
    )


# Mistakes ---------------------------------------------------------------------------------------------


def _problems(machine: Machine, node: Node) -> Iterator[Problem]:
    yield from _numbers(machine, node)
    for name, user in machine.users.items():
        if name == _ROOT:
            for key, default in _FIXED_OF_ROOT.items():
                if getattr(user, key) != default:
                    message = f"users.root.{key} is fixed; root can have {', '.join(_OF_ROOT)}"
                    yield Problem(message, place_of(node, "users", name, key))
        if user.home is not None and not user.home.startswith(_WRITABLE):
            folders = ", ".join(each.rstrip("/") for each in _WRITABLE)
            message = f"users.{name}.home must be below a writable folder: {folders}"
            yield Problem(message, place_of(node, "users", name, "home"))
        if user.description is not None and ":" in user.description:
            message = f"a colon separates the fields of /etc/passwd; leave it out of users.{name}.description"
            yield Problem(message, place_of(node, "users", name, "description"))
        if user.authorized_keys and machine.ssh.server == "none":
            message = f"users.{name}.authorized_keys needs an ssh server; set ssh.server"
            yield Problem(message, place_of(node, "users", name, "authorized_keys"))
        if user.sudo and re.fullmatch(_NO_SUDOER, name):
            message = f"users.{name}.sudo: {name} is a word of sudoers(5); choose a name in small letters"
            yield Problem(message, place_of(node, "users", name, "sudo"))
    yield from _homes(machine, node)
    yield from _written_twice(machine, node)


def _homes(machine: Machine, node: Node) -> Iterator[Problem]:
    """Yield homes where no file can be, and those in the home of another account, which is closed."""
    homes = {
        name: home
        for name in machine.users
        if name != _ROOT and (home := files.merged(_account(machine, name).home)) != _NO_HOME
    }
    for name, home in homes.items():
        place = place_of(node, "users", name, "home")
        if home.startswith(_WRITABLE) and (reason := files.refused(home).partition(";")[0]):
            yield Problem(f"users.{name}.home: {home} cannot be a home folder: {reason}", place)
        earlier = True
        for other, outer in homes.items():
            if other == name:
                earlier = False
            # Of two with one home, the second is reported.
            if other == name or not f"{home}/".startswith(f"{outer}/") or (home == outer and not earlier):
                continue
            what = "is" if home == outer else "lies in"
            message = f"users.{name}.home: {home} {what} the home folder of {other}; choose another"
            yield Problem(message, place)


def _written_twice(machine: Machine, node: Node) -> Iterator[Problem]:
    """Yield files of `etc` and `files` that would replace the keys and the rule of `users`."""
    kept = [
        (f"ssh/authorized_keys.d/{name}", f"users.{name}.authorized_keys has the keys of {name} too")
        for name, user in machine.users.items()
        if user.authorized_keys
    ]
    if machine.ssh.authorized_keys:
        kept.append(("ssh/authorized_keys.d/root", "ssh.authorized_keys has the keys of root too"))
    if name := next((name for name, user in machine.users.items() if user.sudo), None):
        kept.append((_SUDOERS, f"users.{name}.sudo writes this file; put your rules in another file"))
    for path, why in kept:
        for keys in files.writing(machine, f"/etc/{path}"):
            advice = "" if path == _SUDOERS else "; leave one out"
            yield Problem(f"{'.'.join(keys)}: {why}{advice}", key_place(node, *keys))


def _numbers(machine: Machine, node: Node) -> Iterator[Problem]:
    """Yield numbers that two users or two groups have."""
    for key, numbers in (
        ("users", [(name, "uid", user.uid) for name, user in machine.users.items()]),
        ("groups", [(name, "gid", group.gid) for name, group in machine.groups.items()]),
    ):
        taken: dict[int, str] = {}
        for name, field, number in numbers:
            if number is not None and taken.setdefault(number, name) != name:
                message = f"{key}.{name}.{field}: {number} is the number of {taken[number]}; choose another"
                yield Problem(message, place_of(node, key, name, field))


CHECKS: Checks = {Machine: _problems}
