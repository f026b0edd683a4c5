"""The initial state: its object, and copy-state, run by busybox in a root of its own over and over."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from notos.errors import NotosError
from notos.formats.tree import Directory, File, Symlink
from notos.system.state import Member, build, is_empty, members
from notos.toolchain.tools_tree import ToolsTree

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts/stage2"
MODIFIED = "was modified locally and stays"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")


def file(path: str, text: str, mode: str = "0644", owner: str = "root", group: str = "root") -> Member:
    return Member(path, File(text.encode()), mode, owner, group)


def folder(path: str, mode: str = "0755", owner: str = "root", group: str = "root") -> Member:
    return Member(path, Directory(), mode, owner, group)


def link(path: str, target: str) -> Member:
    return Member(path, Symlink(target), "0777")


class Root:
    """A root file system with busybox, in which copy-state runs as it does in a machine."""

    def __init__(self, path: Path, tools: ToolsTree) -> None:
        self.path = path
        for name in ("bin", "lib", "lib64", "dev"):
            (path / name).mkdir(parents=True)
        shutil.copy(tools.root / "usr/bin/busybox", path / "bin/busybox")
        libraries = [
            each
            for each in (tools.root / "usr/lib").rglob("*")
            if each.name.startswith(("libc.so", "libresolv.so", "ld-linux"))
        ]
        for each in libraries:
            shutil.copy(each, path / "lib")
            shutil.copy(each, path / "lib64")
        self.call("/bin/busybox", "--install", "-s", "/bin")
        (path / "etc").mkdir()
        (path / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nwww:x:33:33::/:/bin/sh\n")
        (path / "etc/group").write_text("root:x:0:\nwww:x:33:\nstaff:x:50:\n")
        for name in ("var/lib", "srv", "run"):
            (path / name).mkdir(parents=True)

    def call(self, *words: str) -> str:
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        script = 'mount --bind /dev "$0/dev" && exec chroot "$0" "$@"'
        done = subprocess.run(
            ["unshare", "--mount", *user, "sh", "-c", script, self.path, *words],
            env={"PATH": f"{os.environ['PATH']}:/bin:/usr/sbin"},
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def system(self, *content: Member) -> list[str]:
        """Make a system whose state is `content` the current one; return the lines that it prints."""
        stage2 = self.path / "stage2"
        shutil.rmtree(stage2, ignore_errors=True)
        stage2.mkdir()
        shutil.copy(SCRIPTS / "plan-state", stage2)
        text = (SCRIPTS / "copy-state").read_text().replace("self=@self@", "self=/stage2")
        (stage2 / "copy-state").write_text(text)
        top = self.path / "system"
        shutil.rmtree(top, ignore_errors=True)
        top.mkdir()
        tree = build(content)
        if not is_empty(tree):
            (top / "state").mkdir()
            tree.write_to(top / "state", canonical=True)
        lines = self.call("/bin/sh", "-c", "systemConfig=/system; . /stage2/copy-state").splitlines()
        assert not (self.path / "run/notos/state").exists()
        assert sorted(each.name for each in (self.path / "var/lib/notos").iterdir()) in (["state"], [])
        return lines

    def at(self, path: str) -> Path:
        return self.path / path.lstrip("/")

    def mode(self, path: str) -> str:
        return f"{self.at(path).stat().st_mode & 0o7777:04o}"


@pytest.fixture
def root(tmp_path: Path, tools_tree: ToolsTree) -> Root:
    return Root(tmp_path / "root", tools_tree)


def test_an_object_is_read_as_it_was_built() -> None:
    content = [
        folder("/var/www", "2775", "www", "staff"),
        file("/var/www/a", "text", "0640"),
        file("/var/www/b\udcff", "x", "0755"),
        link("/srv/a", "/var/b"),
    ]
    tree = build(content)
    read = {each.path: each for each in members(tree)}
    assert read.keys() == {each.path for each in content}
    for each in content:
        assert read[each.path][2:] == each[2:]
    assert build(read.values()).get("table").read() == tree.get("table").read()  # type: ignore[union-attr]
    assert is_empty(build([]))
    digest = hashlib.sha256(b"text").hexdigest()
    assert f"/var/www/a\tf\t0640\troot\troot\t{digest}\n".encode() in tree.get("table").read()  # type: ignore[union-attr]


def test_a_later_member_replaces_an_earlier_one() -> None:
    tree = build(
        [
            folder("/srv/a"),
            file("/srv/a/b", "x"),
            link("/srv/a", "c"),
            folder("/srv/d", "0700"),
            folder("/srv/d"),
        ]
    )
    assert [(each.path, each.mode) for each in members(tree)] == [("/srv/a", "0777"), ("/srv/d", "0755")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([file("/srv/a", ""), file("/srv/a/b", "")], "/srv/a/b lies below /srv/a, which is a file"),
        ([link("/srv/a", "x"), file("/srv/a/b/c", "")], "/srv/a/b/c lies below /srv/a, which is a link"),
        ([file("/srv/a\nb", "")], r"'/srv/a\nb' contains a control character"),
        ([link("/srv/a", "b\tc")], r"'/srv/ab\tc' contains a control character"),
    ],
)
def test_a_mistake_is_an_error(content: Iterable[Member], message: str) -> None:
    with pytest.raises(NotosError) as caught:
        build(content)
    assert caught.value.message == message


CONTENT = (
    folder("/var/www"),
    folder("/var/www/empty"),
    file("/var/www/index.html", "one"),
    file("/var/www/bin/run", "#!/bin/sh", "0755"),
    file("/srv/secret", "s", "0600"),
    file("/srv/a b\\c'\"$", "odd"),
    file("/srv/\udce9", "latin"),
    link("/srv/link", "/nowhere"),
    folder("/data", "1777"),
)


def test_what_is_missing_is_copied(root: Root) -> None:
    assert root.system(*CONTENT) == []
    assert root.at("/var/www/index.html").read_text() == "one"
    assert [root.mode(f"/var/www{each}") for each in ("", "/index.html", "/bin/run", "/bin", "/empty")] == [
        "0755",
        "0644",
        "0755",
        "0755",
        "0755",
    ]
    assert root.mode("/srv/secret") == "0600"
    assert root.mode("/data") == "1777"
    assert root.at("/srv/a b\\c'\"$").read_text() == "odd"
    assert Path(os.fsdecode(bytes(root.path) + b"/srv/\xe9")).read_text() == "latin"
    assert os.readlink(root.at("/srv/link")) == "/nowhere"
    # Copies have the time at which they were made: a changed file has another time.
    assert root.at("/var/www/index.html").stat().st_mtime > 1e9


@needs_root
def test_owners_are_set(root: Root) -> None:
    root.system(
        folder("/srv/site", "2770", "www", "staff"),
        file("/srv/site/a", "x", "4755", "www"),
        Member("/srv/site/l", Symlink("a"), "0777", "www", "www"),
    )
    states = [root.at(path).lstat() for path in ("/srv/site", "/srv/site/a", "/srv/site/l")]
    assert [(each.st_uid, each.st_gid) for each in states] == [(33, 50), (33, 0), (33, 33)]
    assert [root.mode("/srv/site"), root.mode("/srv/site/a")] == ["2770", "4755"]


def test_the_same_again_changes_nothing(root: Root) -> None:
    root.system(*CONTENT)
    before = root.at("/var/www/index.html").stat()
    root.at("/srv/secret").unlink()
    assert root.system(*CONTENT) == []
    assert root.at("/var/www/index.html").stat() == before
    assert not root.at("/srv/secret").exists()  # removed locally


def test_an_unchanged_copy_follows_the_system(root: Root) -> None:
    root.system(*CONTENT)
    now = [each for each in CONTENT if "secret" not in each.path and each.path != "/srv/link"]
    now = [each for each in now if "empty" not in each.path and "index" not in each.path]
    now += [file("/var/www/index.html", "two", "0600"), link("/srv/link", "other"), file("/var/www/new", "n")]
    now += [file("/srv/deep/er/x", "x")]
    assert root.system(*now) == []
    assert root.at("/var/www/index.html").read_text() == "two"
    assert root.mode("/var/www/index.html") == "0600"
    assert os.readlink(root.at("/srv/link")) == "other"
    assert root.at("/var/www/new").read_text() == "n"
    assert not root.at("/srv/secret").exists()
    assert not root.at("/var/www/empty").exists()
    assert root.system(file("/var/www/index.html", "two", "0644")) == []
    assert root.mode("/var/www/index.html") == "0644"
    assert sorted(each.name for each in (root.at("/var/www")).iterdir()) == ["bin", "index.html"]
    assert root.system() == []
    assert [each.name for each in root.at("/var/www").iterdir()] == ["bin"]  # a parent without a row
    assert root.at("/var/lib/notos/state").read_text() == ""


def test_a_local_change_stays(root: Root) -> None:
    root.system(*CONTENT)
    root.at("/var/www/index.html").write_text("mine")
    root.at("/srv/secret").write_text("mine too")
    root.at("/var/www/own").write_text("x")
    root.at("/srv/link").unlink()
    root.at("/srv/link").symlink_to("mine")
    lines = root.system(
        file("/var/www/index.html", "two"), link("/srv/link", "three"), file("/var/www/new", "x")
    )
    assert lines == [
        f"/srv/link {MODIFIED}; the new version is below /system/state/tree",
        f"/var/www/index.html {MODIFIED}; the new version is below /system/state/tree",
        f"/srv/secret {MODIFIED}; this system does not have it",
    ]
    assert root.at("/var/www/index.html").read_text() == "mine"
    assert os.readlink(root.at("/srv/link")) == "mine"
    assert root.at("/var/www/own").read_text() == "x"
    assert root.at("/var/www/new").read_text() == "x"
    # The next version has a line again, and so has the link. One that is equal to the local file has none.
    assert len(root.system(file("/var/www/index.html", "three"))) == 2
    assert root.system(file("/var/www/index.html", "mine")) == []
    assert root.system(file("/var/www/index.html", "four")) == []
    assert root.at("/var/www/index.html").read_text() == "four"


def test_files_that_were_there_first_stay(root: Root) -> None:
    """As on a drive of an earlier version: nothing that exists is replaced; equal files get their modes."""
    root.at("/var/www").mkdir()
    root.at("/var/www/index.html").write_text("one")
    root.at("/srv/secret").write_text("mine")
    root.at("/var/www/empty").write_text("a file")
    assert [line.split()[0] for line in root.system(*CONTENT)] == ["/srv/secret", "/var/www/empty"]
    assert root.at("/srv/secret").read_text() == "mine"
    assert root.at("/var/www/bin/run").exists()


def test_a_path_changes_its_kind(root: Root) -> None:
    root.system(
        file("/srv/a", "x"), folder("/srv/b"), file("/srv/b/c", "x"), folder("/srv/d"), link("/srv/e", "a")
    )
    root.at("/srv/d/own").write_text("mine")
    lines = root.system(
        folder("/srv/a"),
        file("/srv/a/in", "y"),
        link("/srv/b", "a"),
        file("/srv/d", "z"),
        file("/srv/e", "e"),
    )
    assert root.at("/srv/a/in").read_text() == "y"
    assert os.readlink(root.at("/srv/b")) == "a"
    assert root.at("/srv/d/own").read_text() == "mine"
    assert root.at("/srv/e").read_text() == "e"
    assert not root.at("/srv/e").is_symlink()
    assert lines == [
        "/srv/d is a folder with local files and stays; the new version is below /system/state/tree"
    ]


def test_a_local_file_in_place_of_a_folder_stays(root: Root) -> None:
    root.at("/srv/a").write_text("mine")
    lines = root.system(folder("/srv/a"), folder("/srv/a/b"), file("/srv/a/b/c", "x"), file("/srv/z", "z"))
    assert lines == [f"/srv/a {MODIFIED}; the new version is below /system/state/tree"]
    assert root.at("/srv/a").read_text() == "mine"
    assert root.at("/srv/z").read_text() == "z"


def test_an_interrupted_run_is_repeated(root: Root) -> None:
    root.at("/var/www").mkdir()
    root.at("/var/www/index.html").write_text("on")
    root.at("/var/lib/notos/stage/srv").mkdir(parents=True)
    root.at("/var/lib/notos/pending").write_text("/var/www\n/srv/a b\\c'\"$\n")
    assert root.system(*CONTENT) == []
    assert root.at("/var/www/index.html").read_text() == "one"
