"""Accounts of the config, beside those of packages."""

import re

import pytest

from notos.errors import NotosError
from notos.features.model import Account, Group
from notos.formats.tree import Tree
from notos.system.accounts import added, homes, shells, subordinate, with_shells
from notos.system.sysusers import Accounts

BASE = Accounts(
    passwd="root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n",
    group="root:x:0:\nwww-data:x:33:\nsudo:x:27:\nadm:x:4:\n",
    shadow="root:*:::::::\nwww-data:*:::::::\n",
    gshadow="root:!::\nwww-data:!::\nsudo:!::\nadm:!::\n",
)


def system(*paths: str) -> Tree:
    tree = Tree()
    for path in ("bin/sh", *paths):
        tree.text(path, "")
    return tree


def account(name: str, **settings: object) -> Account:
    return Account(name, home=f"/home/{name}", keys=("users", name), **settings)  # type: ignore[arg-type]


def rows(text: str) -> dict[str, list[str]]:
    return {line.split(":")[0]: line.split(":") for line in text.splitlines()}


def test_a_user_has_a_group_and_no_password() -> None:
    made = added(BASE, [account("alice", uid=1000, groups=("sudo",))], [], system("bin/bash"))
    assert rows(made.passwd)["alice"] == ["alice", "x", "1000", "1000", "", "/home/alice", "/bin/bash"]
    assert rows(made.group)["alice"] == ["alice", "x", "1000", ""]
    assert rows(made.group)["sudo"][3] == "alice"
    assert rows(made.shadow)["alice"][1] == "*"
    assert rows(made.gshadow)["sudo"][3] == "alice"
    assert made.passwd.startswith(BASE.passwd)


def test_numbers_follow_from_names() -> None:
    alone = added(BASE, [account("bob"), account("svc", system=True)], [Group("team")], system())
    beside = added(
        BASE,
        [account("alice"), account("bob"), account("svc", system=True)],
        [Group("a"), Group("team")],
        system(),
    )
    for name, numbers in (("bob", range(1000, 60000)), ("svc", range(100, 1000))):
        assert rows(alone.passwd)[name] == rows(beside.passwd)[name]
        assert int(rows(alone.passwd)[name][2]) in numbers
    assert rows(alone.group)["team"] == rows(beside.group)["team"]


def test_a_given_number_is_never_given_to_another() -> None:
    number = int(rows(added(BASE, [account("bob")], [], system()).passwd)["bob"][2])
    made = added(BASE, [account("bob"), account("eve", uid=number)], [], system())
    assert rows(made.passwd)["eve"][2] == str(number)
    assert rows(made.passwd)["bob"][2] != str(number)


def test_root_can_be_changed() -> None:
    root = Account("root", shell="/bin/zsh", password_hash="$6$x", keys=("users", "root"))
    made = added(BASE, [root], [], system("bin/zsh"))
    assert rows(made.passwd)["root"][6] == "/bin/zsh"
    assert rows(made.shadow)["root"][1] == "$6$x"


def test_a_group_of_the_config_is_the_user_s() -> None:
    made = added(BASE, [account("alice", uid=1000)], [Group("alice", 2000)], system())
    assert rows(made.passwd)["alice"][2:4] == ["1000", "2000"]


@pytest.mark.parametrize(
    ("users", "groups", "message", "keys"),
    [
        ([account("www-data")], [], "the user www-data exists already", "users.www-data"),
        ([account("a", uid=33)], [], "the number 33 is that of the user www-data", "users.a.uid"),
        ([account("a", uid=27)], [], "the number 27 is that of the group sudo", "users.a.uid"),
        (
            [account("a", groups=("nope",))],
            [],
            "a is in the group nope, which does not exist",
            "users.a.groups.nope",
        ),
        (
            [account("a", shell="/bin/fish")],
            [],
            "a has the shell /bin/fish, which no package has",
            "users.a.shell",
        ),
        ([], [Group("adm", keys=("groups", "adm"))], "the group adm exists already", "groups.adm"),
        ([], [Group("x", 4, ("groups", "x"))], "the number 4 is that of the group adm", "groups.x.gid"),
    ],
)
def test_a_mistake_is_an_error_at_its_key(
    users: list[Account], groups: list[Group], message: str, keys: str
) -> None:
    with pytest.raises(NotosError) as caught:
        added(BASE, users, groups, system())
    assert re.split("; ", caught.value.message)[0] == message
    assert ".".join(caught.value.keys) == keys


def test_all_mistakes_are_reported() -> None:
    with pytest.raises(NotosError) as caught:
        added(BASE, [account("a", shell="/bin/fish"), account("b", groups=("c",))], [], system())
    assert len(caught.value.parts) == 2


def test_homes_and_shells() -> None:
    users = [account("alice"), Account("svc", home="/nonexistent"), Account("root", shell="/bin/zsh")]
    assert homes(users) == "makeHome alice /home/alice\n"
    assert shells(users) == ["/bin/zsh"]


def test_subordinate_numbers_are_those_of_useradd() -> None:
    users = [
        account("bob", uid=1001),
        account("alice", uid=1000),
        account("last", uid=60000),
        account("far", uid=60001),
        account("svc", system=True),
        account("root"),
    ]
    passwd = added(BASE, users, [], system()).passwd
    assert subordinate(passwd, users) == "bob:165536:65536\nalice:100000:65536\nlast:3866724000:65536\n"
    assert subordinate(passwd, []) == ""


def test_shells_of_packages_that_the_machine_lacks() -> None:
    """PostgreSQL gives its account /bin/bash, as base-passwd gives root."""
    shells_of = {
        "root": "/bin/bash",
        "postgres": "/usr/bin/bash",
        "web": "/usr/sbin/nologin",
        "nobody": "/bin/false",
        "sync": "/bin/sync",
        "git": "/bin/sh",
        "app": "/opt/app/shell",
        "old": "",
    }
    passwd = "".join(f"{name}:x:1:1::/:{shell}\n" for name, shell in shells_of.items())
    changed = {**shells_of, "root": "/bin/sh", "postgres": "/bin/sh"}
    assert {name: row[-1] for name, row in rows(with_shells(passwd, system())).items()} == changed
    assert with_shells(passwd, system("bin/bash")) == passwd
