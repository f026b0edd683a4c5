"""The accounts in the config: users with their home folders, keys and rights, and groups."""

from collections.abc import Iterator

from notos.config.model import FileMode, Machine, Package, PackageName
from notos.config.reader import Checks
from notos.config.yaml_source import Node, Problem, key_place, place_of
from notos.features.model import Account, EtcFile, Feature, Group, Text

KEYS = ("users", "groups")

_ROOT = "root"
_OF_ROOT = ("authorized_keys", "password_hash", "shell")  # what the config can say about root
_FIXED_OF_ROOT = {"uid": None, "home": None, "groups": (), "sudo": False, "system": False}
_NO_HOME = "/nonexistent"  # Debian policy 9.2.3
_NOLOGIN = "/usr/sbin/nologin"
_WRITABLE = ("/home/", "/root/", "/srv/", "/var/")
_SUDO = Package(name=PackageName("sudo"), closure="depends")
_SUDOERS = "sudoers.d/notos"


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
        if f"ssh/authorized_keys.d/{name}" in machine.etc and user.authorized_keys:
            place = key_place(node, "etc", f"ssh/authorized_keys.d/{name}")
            yield Problem(f"users.{name}.authorized_keys has the keys of {name} too; leave one out", place)


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
