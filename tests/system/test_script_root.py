"""The root folder of a script, and the changes that are found in it."""

import json
import os
import stat
from pathlib import Path

import pytest

from notos.architecture import AMD64
from notos.errors import NotosError
from notos.formats.tree import Directory, Entry, File, Symlink, Tree
from notos.integration import permissions
from notos.system import script_changes, script_root
from notos.system.script_changes import Changes
from notos.system.script_root import Root
from notos.system.state import Member
from notos.toolchain.fixed_clock import EPOCH
from tests.elf_builder import elf

KEYS = ("system", "scripts", "x")


@pytest.fixture
def root() -> Root:
    system, opt, tools = Tree(), Tree(), Tree()
    system.file("bin/tool", b"tool", executable=True)
    system.text("share/a/b", "b")
    system.text("share/a/c", "c")
    system.text("etc/secret", "secret")
    system.text("etc/plain", "plain")
    system.text(permissions.ETC.removeprefix("usr/"), json.dumps({"secret": ["0640", "root", "shadow"]}))
    system.symlink("lib/link", "../share/a")
    opt.text("app/file", "app")
    tools.file("usr/bin/cc", b"cc", executable=True)
    tools.file("usr/bin/tool", b"another", executable=True)
    tools.text("usr/share/tools/x", "x")
    tools.text("usr/lib/link/below", "x")  # below a link of the machine
    members = [
        Member("/var/lib/db", Directory(), "0750", "db", "db"),
        Member("/var/lib/db/file", File(b"db"), "0600", "db", "db"),
    ]
    return script_root.build(system, opt, members, tools=tools)


def laid_out(root: Root, folder: Path, *, backwards: bool = False) -> Path:
    folder.mkdir()
    script_root.lay_out(root, folder, backwards=backwards)
    return folder


def mode(path: Path) -> str:
    return f"{stat.S_IMODE(path.stat().st_mode):04o}"


@pytest.mark.parametrize("backwards", [False, True])
def test_the_machine_and_the_tools_are_there(root: Root, tmp_path: Path, backwards: bool) -> None:
    os.umask(0o077)
    folder = laid_out(root, tmp_path / "root", backwards=backwards)
    os.umask(0o022)
    assert (folder / "usr/bin/tool").read_bytes() == b"tool"
    assert (folder / "bin/cc").read_bytes() == b"cc"
    assert (folder / "opt/app/file").read_text() == "app"
    assert (folder / "usr/lib/link").readlink() == Path("../share/a")
    assert [mode(folder / path) for path in ("usr/bin/tool", "usr/share/a/b", "usr/share/a")] == [
        *("0755", "0644", "0755")
    ]
    assert [mode(folder / path) for path in ("etc/secret", "var/lib/db", "var/lib/db/file", "root")] == [
        *("0640", "0750", "0600", "0700")
    ]
    assert {os.lstat(path).st_mtime for path in folder.rglob("*")} == {EPOCH}
    assert (folder / "etc/passwd").read_text().startswith("root:x:0:0:")
    assert script_changes.find(root, folder, KEYS) == Changes()


def test_changes_are_found(root: Root, tmp_path: Path) -> None:
    folder = laid_out(root, tmp_path / "root")
    (folder / "usr/share/a/b").write_text("B")  # as long as before
    (folder / "usr/share/a/c").unlink()
    (folder / "usr/share/tools/x").unlink()  # of the tools only
    (folder / "usr/share/tools/new").write_text("new")
    (folder / "usr/bin/tool").chmod(0o555)  # nothing in the store
    (folder / "usr/lib/link").unlink()
    (folder / "usr/lib/link").mkdir()
    (folder / "etc/secret").write_text("another")
    (folder / "etc/plain").chmod(0o600)
    (folder / "var/lib/db/file").write_text("other")
    (folder / "var/lib/empty").mkdir(mode=0o700)
    (folder / "var/tmp/x").write_text("not kept")
    (folder / "root/.profile").write_text("")
    (folder / "opt/app/file").unlink()
    (folder / "opt/app").rmdir()
    found = script_changes.find(root, folder, KEYS)
    assert {(each.path, each.mode, each.owner, each.group) for each in found.members} == {
        ("/etc/plain", "0600", "root", "root"),
        ("/etc/secret", "0640", "root", "shadow"),
        ("/root/.profile", "0644", "root", "root"),
        ("/usr/lib/link", "0755", "root", "root"),
        ("/usr/share/a/b", "0644", "root", "root"),
        ("/usr/share/tools/new", "0644", "root", "root"),
        ("/var/lib/db/file", "0600", "db", "db"),
        ("/var/lib/empty", "0700", "root", "root"),
    }
    assert found.removed == ("/opt/app", "/usr/lib/link", "/usr/share/a/c")
    assert {each.path for each in found.below("etc")} == {"/etc/plain", "/etc/secret"}
    again = script_changes.read(script_changes.build(found), KEYS)
    assert script_changes.differences(found, again) == []
    assert again.removed == found.removed


def test_unreadable_files_are_found(root: Root, tmp_path: Path) -> None:
    """As an ordinary user, whose script is root only in its namespace."""
    folder = laid_out(root, tmp_path / "root")
    (folder / "var/a").mkdir()
    (folder / "var/a/b").write_text("b")
    (folder / "var/a/b").chmod(0)
    (folder / "var/a").chmod(0)
    found = {each.path: each.mode for each in script_changes.find(root, folder, KEYS).members}
    assert found == {"/var/a": "0000", "/var/a/b": "0000"}
    assert os.stat(folder / "var/a").st_mode & 0o700


def test_what_cannot_be_kept_is_named_at_once(root: Root, tmp_path: Path) -> None:
    folder = laid_out(root, tmp_path / "root")
    (folder / "new").mkdir()
    (folder / "new/below").write_text("")
    (folder / "boot/x").write_text("")
    (folder / "etc/group").write_text("")
    (folder / "usr/bin/tool").chmod(0o4755)
    (folder / "etc/s").write_text("")
    (folder / "etc/s").chmod(0o2755)
    (folder / "usr/share/a/b").chmod(0o600)
    (folder / "usr/share/closed").mkdir(mode=0o700)
    (folder / "usr/etc").mkdir()
    os.mkfifo(folder / "var/pipe")
    with pytest.raises(NotosError) as raised:
        script_changes.find(root, folder, KEYS)
    said = {each.message: each for each in raised.value.parts}
    assert set(said) == {
        "system.scripts.x changed paths that are not kept: /boot/x, /new, /usr/etc",
        "system.scripts.x changed the accounts: /etc/group",
        "system.scripts.x made a device, a socket or a pipe: /var/pipe",
        "system.scripts.x made files that not everyone can read: /usr/share/a/b, /usr/share/closed",
        "system.scripts.x made setuid or setgid programs: /etc/s, /usr/bin/tool",
    }
    assert all(each.keys == KEYS and each.hint for each in said.values())


def test_later_scripts_see_earlier_changes() -> None:
    system = Tree()
    system.text("share/a/b", "b")
    system.text("share/c", "c")
    members = [Member("/usr/share/a", File(b"now a file"), "0644"), Member("/etc/x", File(b"x"), "0600")]
    root = script_root.build(system, Tree(), members, removed=["/usr/share/a", "/usr/share/c"])
    entry = root.tree.get("usr/share/a")
    assert isinstance(entry, File)
    assert entry.read() == b"now a file"
    assert "usr/share/c" not in root.tree
    assert root.mode("etc/x") == "0600"


def test_packaged_state_that_earlier_scripts_changed() -> None:
    state = [
        Member("/var/lib/p/f", File(b"f"), "0640"),
        Member("/var/lib/p/g", File(b"g"), "0644"),
        Member("/var/lib/q", Directory(), "0700"),
        Member("/var/lib/q/h", File(b"h"), "0644"),
    ]
    members = [
        Member("/var/lib/p/f", Directory(), "0755"),
        Member("/var/lib/p/f/in", File(b"in"), "0644"),
        Member("/var/lib/q", File(b"now a file"), "0644"),
    ]
    removed = ["/var/lib/p/f", "/var/lib/p/g", "/var/lib/q"]
    root = script_root.build(Tree(), Tree(), members, state=state, removed=removed)
    found = {path: root.mode(path) for path, _ in root.tree.items() if path.startswith("var/lib/")}
    assert found == {
        "var/lib/p": "0755",
        "var/lib/p/f": "0755",
        "var/lib/p/f/in": "0644",
        "var/lib/q": "0644",
    }


def test_changes_of_several_scripts() -> None:
    one = Changes(
        (
            Member("/srv/a", Directory(), "0755"),
            Member("/srv/a/b", File(b"b"), "0644"),
            Member("/srv/ab", File(b"ab"), "0644"),
            Member("/srv/c", File(b"1"), "0644"),
            Member("/srv/d", File(b"d"), "0644"),
        ),
        ("/srv/e",),
    )
    two = Changes(
        (
            Member("/srv/c", File(b"2"), "0600"),
            Member("/srv/d", Directory(), "0755"),
            Member("/srv/d/e", File(b"e"), "0644"),
        ),
        ("/srv/a", "/srv/d"),
    )
    both = script_changes.combined([one, two])
    assert [(each.path, each.mode) for each in both.members] == [
        ("/srv/ab", "0644"),
        ("/srv/c", "0600"),
        ("/srv/d", "0755"),
        ("/srv/d/e", "0644"),
    ]
    assert both.removed == ("/srv/e", "/srv/a", "/srv/d")


def test_differences_of_two_runs() -> None:
    def changes(*members: Member, removed: tuple[str, ...] = ()) -> Changes:
        return Changes(members, removed)

    one = Member("/usr/a", File(b"1"), "0644")
    assert script_changes.differences(changes(one), changes(one._replace(entry=File(b"1")))) == []
    for other in (
        changes(),
        changes(one._replace(entry=File(b"2"))),
        changes(one._replace(mode="0755")),
        changes(one._replace(entry=Symlink("1"))),
        changes(one, removed=("/usr/a",)),
    ):
        assert script_changes.differences(changes(one), other) == ["/usr/a"]


def test_a_program_needs_its_libraries_in_the_machine() -> None:
    system, tools = Tree(), Tree()
    system.file(f"{AMD64.libraries.removeprefix('usr/')}/libown.so.1", elf())
    tools.file(f"{AMD64.libraries}/libother.so.1", elf())
    root = script_root.build(system, Tree(), [], tools=tools)
    members = [
        Member(f"/usr/local/bin/{name}", File(elf(f"lib{name}.so.1"), executable=True), "0755", keys=KEYS)
        for name in ("own", "other")
    ]
    (error,) = script_changes.lacking(root, Changes(tuple(members)), AMD64)
    assert error.message.startswith("system.scripts.x made /usr/local/bin/other, but")
    assert "needs the library libother.so.1" in error.message
    assert error.keys == KEYS
    added = Member(f"/{AMD64.libraries}/libother.so.1", File(elf()), "0644", keys=KEYS)
    assert list(script_changes.lacking(root, Changes((*members, added)), AMD64)) == []


def test_a_file_of_the_config_and_of_a_script() -> None:
    changes = Changes((Member("/etc/a", File(b""), "0644", keys=KEYS), Member("/etc", Directory(), "0755")))
    (error,) = script_changes.taken(changes, {"/etc/a": ("etc", "a"), "/etc": ("files", "/etc")})
    assert str(error) == "system.scripts.x and etc.a both make /etc/a: leave one out"
    (error,) = script_changes.taken(changes, {"/etc/a": ()})
    assert "system.scripts.x and Notos both make /etc/a" in str(error)


def test_a_folder_of_a_script_and_a_file_of_the_config() -> None:
    paths = ("/var/a", "/var/a/b", "/var/a/b/c", "/var/d/e")
    entries: tuple[Entry, ...] = (Directory(), Directory(), File(b""), File(b""))
    changes = Changes(
        tuple(Member(path, entry, "0755", keys=KEYS) for path, entry in zip(paths, entries, strict=True))
    )

    def found(*files: str) -> list[str]:
        errors = script_changes.blocked(changes, {each: ("files", each) for each in files})
        return [str(each) for each in errors]

    assert found("/var/a") == ["system.scripts.x and files./var/a both make /var/a: leave one out"]
    assert found("/var/a/b", "/var/d") == [
        "system.scripts.x and files./var/a/b both make /var/a/b: leave one out",
        "system.scripts.x and files./var/d both make /var/d: leave one out",
    ]
    assert found("/var/a/b/c", "/var/x", "/var/a/b/c/d") == []
