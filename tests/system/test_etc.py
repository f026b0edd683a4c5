"""/etc, from made-up features: which file goes before which, modes, and what is an error."""

from pathlib import Path

import pytest

from notos.architecture import AMD64
from notos.errors import NotosError, ScriptError
from notos.features.join import join
from notos.features.model import Account, Computed, Copy, EtcFile, Feature, Link, Text
from notos.formats.tree import File, Symlink, Tree
from notos.system import etc
from notos.system.etc import Etc

SYSTEM_PATH = "/nix/store/0-system-path"


def count(system: Tree, more: int) -> str:
    return f"{len(system) + more}\n"


def system() -> Tree:
    """Return a /usr in the form of system-path."""
    tree = Tree()
    for path in ("etc/motd", "etc/acpi/event", "bin/sh"):
        tree.text(path, "of a package")
    tree.text("share/base-passwd/passwd.master", "root:*:0:0:root:/root:/bin/bash\n")
    tree.text("share/base-passwd/group.master", "root:*:0:\n")
    return tree


def build(
    own: Path,
    *files: EtcFile,
    accounts: dict[str, str] | None = None,
    users: tuple[Account, ...] = (),
    programs: tuple[str, ...] = (),
) -> Etc:
    runit = Tree()
    runit.text("1", "")
    usr = system()
    for path in programs:
        usr.text(path, "")
    return etc.build(
        join([Feature(etc=files, accounts=accounts or {}, users=users)]),
        system=usr,
        packages=usr,
        system_path=SYSTEM_PATH,
        opt=Tree(),
        target=AMD64,
        runit=runit,
        runit_path="/nix/store/0-runit",
        own=own,
    )


def text(made: Etc, path: str) -> str:
    entry = made.tree.get(path)
    assert isinstance(entry, File)
    return entry.read().decode()


def test_each_kind_of_content(tmp_path: Path) -> None:
    (tmp_path / "profile").write_text("ours")
    (tmp_path / "theirs").write_text("theirs")
    made = build(
        tmp_path,
        EtcFile(path="plain", content=Text("text")),
        EtcFile(path="profile", content=Copy("profile")),
        EtcFile(path="outside", content=Copy(str(tmp_path / "theirs"))),
        EtcFile(path="counted", content=Computed(count, {"more": 2})),
        EtcFile(path="button", content=Link("/usr/sbin/poweroff")),
    )
    assert [text(made, path) for path in ("plain", "profile", "outside")] == ["text", "ours", "theirs"]
    assert text(made, "counted") == f"{len(system()) + 2}\n"
    assert made.tree.get("button") == Symlink("/usr/sbin/poweroff")


def test_what_goes_before_what(tmp_path: Path) -> None:
    """A feature's file before a package's, but for a link; the config's before all."""
    made = build(tmp_path, EtcFile(path="acpi/event", content=Link("/x")))
    assert made.tree.get("motd") == Symlink(f"{SYSTEM_PATH}/etc/motd")
    assert made.tree.get("acpi/event") == Symlink(f"{SYSTEM_PATH}/etc/acpi/event")
    own = EtcFile(path="motd", content=Text("of a feature"))
    asked = EtcFile(path="motd", content=Text("of the config"), keys=("etc", "motd"))
    assert text(build(tmp_path, own), "motd") == "of a feature"
    for files in ((own, asked), (asked, own)):
        assert text(build(tmp_path, *files), "motd") == "of the config"
    shells = EtcFile(path="shells", content=Text("none"), keys=("etc", "shells"))
    assert text(build(tmp_path, shells), "shells") == "none"
    assert text(build(tmp_path), "shells") == "/bin/sh\n"


def test_modes_that_a_store_object_cannot_hold(tmp_path: Path) -> None:
    made = build(
        tmp_path,
        EtcFile(path="secret", content=Text(""), mode="0600"),  # type: ignore[arg-type]
        EtcFile(path="script", content=Text(""), mode="0755"),  # type: ignore[arg-type]
        EtcFile(path="both", content=Text(""), mode="0700", keys=("etc", "both")),  # type: ignore[arg-type]
    )
    assert made.modes == {"secret": "0600", "both": "0700", "shadow": "0600", "gshadow": "0600"}
    assert isinstance(entry := made.tree.get("script"), File) and entry.executable


def test_accounts_of_features_are_defaults(tmp_path: Path) -> None:
    accounts = {"web.conf": "u web 300\n", "other.conf": "u other 301\n"}
    assert {"web:x:300:300::/:/usr/sbin/nologin", "other:x:301:301::/:/usr/sbin/nologin"} <= set(
        text(build(tmp_path, accounts=accounts), "passwd").splitlines()
    )
    asked = EtcFile(path="sysusers.d/web.conf", content=Text("u web 400\n"), keys=("etc", "x"))
    assert "web:x:400:400:" in text(build(tmp_path, asked, accounts=accounts), "passwd")


@pytest.mark.parametrize("release", ["PRETTY_NAME=Bob's OS\n", "# it's\nX=\"\n", "NAME='a\n", "NAME=\\"])
def test_an_open_quote_in_os_release_is_a_character(tmp_path: Path, release: str) -> None:
    asked = EtcFile(path="os-release", content=Text(f"{release}\nID='my os'\n"), keys=("etc", "os-release"))
    made = build(tmp_path, asked, accounts={"a.conf": 'u a - "%o"\n'})
    assert ":my os:" in text(made, "passwd")


def test_a_list_of_shells_that_is_not_utf_8() -> None:
    tree = Tree()
    tree.file("share/debianutils/shells.d/x", b"# \xe9\n/usr/bin/x\n")
    assert "/usr/bin/x\n" in dict(etc._derived(join([]), tree))["shells"]


def test_numbers_for_containers(tmp_path: Path) -> None:
    """Accounts have subordinate numbers on a machine that can use them; a file of the config is kept."""
    alice = Account("alice", uid=1001, home="/home/alice", keys=("users", "alice"))
    assert "subuid" not in build(tmp_path, users=(alice,)).tree
    made = build(tmp_path, users=(alice,), programs=("bin/newuidmap",))
    assert text(made, "subuid") == text(made, "subgid") == "alice:165536:65536\n"
    own = EtcFile(path="subuid", content=Text("alice:9:9\n"), keys=("etc", "subuid"))
    made = build(tmp_path, own, users=(alice,), programs=("bin/newuidmap",))
    assert text(made, "subuid") == "alice:9:9\n"


def test_files_in_a_wrong_place(tmp_path: Path) -> None:
    with pytest.raises(NotosError, match="/etc/acpi is a folder, with event and others in it") as caught:
        build(tmp_path, EtcFile(path="acpi", content=Text(""), keys=("etc", "acpi")))
    assert caught.value.keys == ("etc", "acpi")
    with pytest.raises(NotosError, match="/etc/motd/x lies below /etc/motd, which is a file"):
        build(tmp_path, EtcFile(path="motd/x", content=Text(""), keys=("etc", "motd/x")))
    with pytest.raises(ScriptError, match="/gone is missing"):
        build(tmp_path, EtcFile(path="gone", content=Copy("gone")))
