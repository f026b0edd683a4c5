"""Differences between two systems, and the services that they stop and start."""

import pytest

from notos.formats.tree import Tree
from notos.live import changes
from notos.live.changes import Delta, System

HASHES = "a" * 32, "b" * 32
PASSWD = "root:x:0:0:root:/root:/bin/sh\n"


def system(
    at: int = 0,
    *,
    etc: dict[str, str] | None = None,
    services: dict[str, dict[str, str]] | None = None,
    boot: dict[str, str] | None = None,
    links: dict[str, str] | None = None,
    permissions: str = "",
    packages: str = "",
    state: dict[str, str] | None = None,
    files: dict[str, str] | None = None,
) -> System:
    toplevel, runit = Tree(), Tree()
    for path, text in {"passwd": PASSWD, **(etc or {})}.items():
        toplevel.text(f"etc/{path}", text)
    toplevel.text("permissions", permissions)
    if packages:
        toplevel.text("packages", packages)
    for path, target in (links or {}).items():
        toplevel.symlink(path, target)
    runit.directory("services")
    for name, texts in (services or {}).items():
        for path, text in texts.items():
            runit.text(f"services/{name}/{path}", text, executable=path == "run")
    for name, text in (boot or {}).items():
        runit.text(f"boot/{name}", text)
    placed = Tree()
    for path, text in (files or {}).items():
        placed.text(path, text)
    return System(f"/nix/store/{HASHES[at]}-toplevel", toplevel, runit, state or {}, placed)


def between(old: System, new: System, **replaced: list[str]) -> changes.Changes:
    return changes.between(old, new, replaced)


def test_nothing() -> None:
    one = system(etc={"motd": "a"}, services={"web": {"run": "x"}})
    found = between(one, one)
    assert (list(found.lines()), list(found.steps()), found.stop, found.start) == ([], [], [], [])


def test_files_in_etc_with_their_modes() -> None:
    old = system(etc={"a": "1", "b": "1", "c": "1", "d e": "1"}, permissions='chmod 0600 "$etc"/c\n')
    new = system(
        etc={"b": "2", "c": "1", "d e": "1", "f": "1"}, permissions='chmod 0640 "$etc"/c "$etc"/\'d e\'\n'
    )
    found = between(old, new)
    assert found.etc == Delta(["f"], ["a"], ["b", "c", "d e"])
    assert dict(found.lines()) == {"/etc": "added f; removed a; changed b, c, d e"}


def test_links_differ_only_by_their_path_inside_an_object() -> None:
    """A package's files in /etc are links into /usr, whose store path changes with every package."""
    one, two = (
        system(
            links={
                "etc/ssl/conf": f"/nix/store/{each}-system-path/etc/ssl/conf",
                "sw": f"/nix/store/{each}-system-path",
            }
        )
        for each in HASHES
    )
    found = between(one, two)
    assert not found.etc
    assert dict(found.lines()) == {"/usr": "different files of the same packages"}


def test_accounts_and_packages() -> None:
    old = system(packages="a 1\nb 1\n")
    new = system(
        etc={"passwd": PASSWD + "web:x:9:9::/:/bin/sh\n", "group": "web:x:9:\n"}, packages="b 2\nc 1\n"
    )
    assert dict(between(old, new).lines()) == {
        "accounts": "added group web, user web",
        "packages": "added c 1; removed a; changed b 1 to 2",
    }
    # A toplevel of an earlier Notos has no list of packages.
    assert not between(system(), new).packages


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ({"run": "x"}, {"run": "x"}, None),
        ({"run": "x"}, {"run": "y"}, "its files"),
        ({"run": "x"}, {"run": "x", "finish": "y"}, "its files"),
        ({"run": "x", "reads": "motd\n"}, {"run": "x", "reads": "motd\n"}, "/etc/motd"),
        ({"run": "x", "reads": "w/*\nm?td\n"}, {"run": "x", "reads": "w/*\nm?td\n"}, "/etc/motd"),
        ({"run": "x", "reads": "passwd\nother/*\n"}, {"run": "x", "reads": "passwd\nother/*\n"}, None),
    ],
)
def test_a_changed_service_restarts(old: dict[str, str], new: dict[str, str], why: str | None) -> None:
    found = between(
        system(etc={"motd": "a"}, services={"web": old, "gone": old}),
        system(etc={"motd": "b"}, services={"web": new, "new": new}),
    )
    assert found.restarted == ({"web": why} if why else {})
    assert found.stop == (["gone", "web"] if why else ["gone"])
    assert found.start == (["new", "web"] if why else ["new"])


def test_a_service_with_a_changed_program_restarts() -> None:
    one = system(services={"web": {"run": "x"}, "other": {"run": "x"}})
    found = between(one, one, web=["/usr/lib/libx.so.1", "/usr/sbin/web"], other=[])
    assert found.restarted == {"web": "/usr/lib/libx.so.1, /usr/sbin/web"}


@pytest.mark.parametrize(
    ("reads", "why"),
    [
        ("/opt/app/*", "/opt/app/app.py"),
        ("/opt/app/*.html\n/usr/local/*", "/usr/local/bin/new"),
        ("/var/www/*", "/var/www/index.html"),
        ("/etc/motd", "/etc/motd"),
        ("opt/app/*\n/opt/app/data", ""),
    ],
)
def test_a_service_that_reads_files_anywhere(reads: str, why: str) -> None:
    services = {"web": {"run": "x", "reads": f"{reads}\n"}}
    old = system(
        etc={"motd": "a"},
        services=services,
        state={"/var/www/index.html": "f 0644 1"},
        files={"opt/app/app.py": "a", "opt/app/data": "a", "opt/app/__pycache__/app.pyc": "a"},
    )
    new = system(
        etc={"motd": "b"},
        services=services,
        state={"/var/www/index.html": "f 0644 2"},
        files={
            "opt/app/app.py": "b",
            "opt/app/data": "a",
            "opt/app/__pycache__/app.pyc": "b",
            "usr/local/bin/new": "a",
        },
    )
    found = between(old, new)
    assert found.restarted.get("web", "").split(", ")[-1] == why
    assert dict(found.lines())["/opt"] == "changed app/app.py"


def test_changes_that_need_a_boot() -> None:
    old = system(
        boot={"10-hostname": "a", "20-network": "a", "40-ssh-keys": "k"}, links={"init": "/nix/store/x"}
    )
    new = system(
        boot={"10-hostname": "b", "20-network": "b", "40-ssh-keys": "k"},
        etc={"ssh/authorized_keys.d/root": "key"},
        links={"init": "/nix/store/y", "kernel-modules": "/nix/store/m"},
    )
    found = between(old, new)
    assert list(found.again) == ["10-hostname", "40-ssh-keys"]
    assert list(found.at_boot) == ["boot/20-network", "kernel modules", "stage 2"]


@pytest.mark.parametrize(
    ("path", "again"),
    [
        ("hosts", ["10-hostname"]),
        ("hostname", ["10-hostname"]),
        ("resolv.conf", ["11-resolv-conf"]),
        ("motd", []),
    ],
)
def test_files_with_words_of_the_instance_data_are_written_again(path: str, again: list[str]) -> None:
    """A switch replaces a file of /etc that differs, and the boot has written into it."""
    boot = {"10-hostname": "a", "11-resolv-conf": "a", "20-network": "a"}
    assert between(system(boot=boot, etc={path: "a"}), system(boot=boot, etc={path: "b"})).again == again


def test_many_names_are_shortened() -> None:
    assert changes.shortened([str(each) for each in range(12)]) == "0, 1, 2, 3, 4, 5, 6, 7 and 4 more"
