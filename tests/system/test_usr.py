"""/usr with files of the config beside system-path."""

import pytest

from notos.errors import NotosError
from notos.features.model import Removal
from notos.formats.tree import Directory, Entry, File, Symlink, Tree
from notos.system.state import Member
from notos.system.usr import build, is_below, overlaid, unused

SYSTEM_PATH = "/nix/store/0-system-path"


@pytest.fixture
def system() -> Tree:
    tree = Tree()
    for path in ("bin/ls", "bin/tool", "share/doc/a/readme", "share/doc/b", "lib/x/y", "share/man/z"):
        tree.text(path, path)
    tree.symlink("bin/link", "tool")
    tree.symlink("share/alias", "doc")
    tree.symlink("lib/modules", "/run/booted-system/lib/modules")
    return tree


def member(path: str, entry: Entry | None = None) -> Member:
    return Member(path, File(b"own") if entry is None else entry, "0644", keys=("files", path))


def test_without_changes_there_is_no_object(system: Tree) -> None:
    assert len(build(overlaid(system, "/usr", [], []), system, SYSTEM_PATH)) == 0


def test_only_folders_with_changes_are_opened(system: Tree) -> None:
    made = overlaid(system, "/usr", [member("/usr/bin/own"), member("/usr/local/bin/hi")], [])
    tree = build(made, system, SYSTEM_PATH)
    assert {path: entry for path, entry in tree.items() if not isinstance(entry, Directory | File)} == {
        "usr/bin/link": Symlink("tool"),
        "usr/bin/ls": Symlink(f"{SYSTEM_PATH}/bin/ls"),
        "usr/bin/tool": Symlink(f"{SYSTEM_PATH}/bin/tool"),
        "usr/lib": Symlink(f"{SYSTEM_PATH}/lib"),
        "usr/share": Symlink(f"{SYSTEM_PATH}/share"),
    }
    files = [path for path, entry in tree.items() if isinstance(entry, File)]
    assert files == ["usr/bin/own", "usr/local/bin/hi"]


def test_a_file_of_a_package_is_replaced_and_paths_are_taken_out(system: Tree) -> None:
    removed = [Removal("/usr/share/doc"), Removal("/usr/bin/l*")]
    tree = build(overlaid(system, "/usr", [member("/usr/bin/tool")], removed), system, SYSTEM_PATH)
    entry = tree.get("usr/bin/tool")
    assert isinstance(entry, File)
    assert entry.read() == b"own"
    assert [path for path, _ in tree.items() if path.startswith("usr/bin/")] == ["usr/bin/tool"]
    assert "usr/share/doc" not in tree
    assert tree.get("usr/share/man") == Symlink(f"{SYSTEM_PATH}/share/man")


def test_a_link_to_a_folder_is_followed(system: Tree) -> None:
    made = overlaid(
        system, "/usr", [member("/usr/share/alias/new"), member("/usr/share/alias", Directory())], []
    )
    assert "share/doc/new" in made
    assert made.get("share/alias") == Symlink("doc")


@pytest.mark.parametrize(
    ("each", "message"),
    [
        (member("/usr/bin"), "/usr/bin is a file or link in the config and a folder in a package"),
        (member("/usr/bin/ls", Directory()), "/usr/bin/ls is a folder in the config and a file in a package"),
        (member("/usr/bin/ls/x"), "/usr/bin/ls/x lies below /usr/bin/ls, which is a file of a package"),
        (
            member("/usr/lib/modules/x"),
            "/usr/lib/modules/x lies below /usr/lib/modules, which is a link to "
            "/run/booted-system/lib/modules of a package",
        ),
    ],
)
def test_a_conflict_is_an_error(system: Tree, each: Member, message: str) -> None:
    with pytest.raises(NotosError) as caught:
        overlaid(system, "/usr", [each], [])
    assert caught.value.message == message
    assert caught.value.keys == each.keys


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (("/usr/a", "/usr/a/b"), "/usr/a/b lies below /usr/a, which is a file of the config"),
        (
            ("/usr/bin/ls", "/usr/bin/ls/b"),
            "/usr/bin/ls/b lies below /usr/bin/ls, which is a file of the config",
        ),
        (("/usr/a/b", "/usr/a"), "/usr/a is a file or link in the config, and a folder by another key"),
    ],
)
def test_a_conflict_within_the_config(system: Tree, members: tuple[str, str], message: str) -> None:
    with pytest.raises(NotosError) as caught:
        overlaid(system, "/usr", [member(each) for each in members], [])
    assert str(caught.value) == f"{message}: rename one of them"
    assert caught.value.keys == ("files", members[1])


def test_a_removal_that_matches_nothing_is_an_error() -> None:
    (error,) = unused([Removal("/usr/bin/lss", ("remove", "x")), Removal("/usr/*")], ["/usr/bin/ls"])
    assert error.message == "no package and no file has /usr/bin/lss"
    assert error.hint == "did you mean /usr/bin/ls?"


def test_a_pattern_takes_all_below_a_folder() -> None:
    """Packages' files in /var are known by their own paths only."""
    path = "/var/www/html/index.html"
    assert all(is_below(path, [each]) for each in (path, "/var/www/html", "/var/www", "/var/w*w", "*.html"))
    assert not any(is_below(path, [each]) for each in ("/var/www/h", "/var/www/html/index", "/srv"))
    assert not is_below(path, [])
    assert list(unused([Removal("/var/www/html"), Removal("/var/w?w")], [path])) == []
    (error,) = unused([Removal("/var/www/htm", ("remove",))], [path])
    assert error.hint == "did you mean /var/www/html?"
