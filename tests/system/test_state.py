"""The initial state: its object, and copy-state, run by busybox in a root of its own over and over."""

import hashlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from notos.errors import NotosError
from notos.formats.tree import Directory, File, Symlink
from notos.system.state import Member, build, is_empty, members
from notos.toolchain.tools_tree import ToolsTree

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts/stage2"
COPY = "systemConfig=/system; . /stage2/copy-state"
# Each of these counts (others run beside one of them); the one at which the power fails has half its effect.
PROGRAMS = ("busybox", "cp", "rm", "mv", "mkdir", "rmdir", "chmod", "chown", "sync")
POWER_CUT = """
tick() {
	read -r number </count
	number=$((number - 1))
	echo $number >/count
	[ $number -gt 0 ] || { [ "$1 $2" != 'busybox xargs' ] || tear "$@"; kill -9 0; }
}
tear() {
	command "$@"
	sed 's|^|/|' /run/notos/state/replace >/replaced
	case "$*" in
	*'busybox cp '*' /') grep -v -x -F -f /replaced /run/notos/state/pending ;;
	*'busybox cp '*/stage) sed 's|^|/var/lib/notos/stage/|' /run/notos/state/replace ;;
	esac | while IFS= read -r path; do
		[ -L "$path" ] || [ ! -f "$path" ] || printf '#' >"$path"
	done
}
""" + "".join(f'{each}() {{ tick {each} "$@"; command {each} "$@"; }}\n' for each in PROGRAMS)
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

    def __init__(self, path: Path, tools: ToolsTree, shell: Sequence[str] = ("/bin/sh",)) -> None:
        self.path = path
        self.shell = shell
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

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        script = 'mount --bind /dev "$0/dev" && exec chroot "$0" "$@"'
        return subprocess.run(
            ["unshare", "--mount", *user, "sh", "-c", script, self.path, *words],
            env={"PATH": f"{os.environ['PATH']}:/bin:/usr/sbin"},
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
            start_new_session=True,
        )

    def call(self, *words: str) -> str:
        done = self.run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def system(self, *content: Member) -> list[str]:
        """Make a system whose state is `content` the current one; return the lines that it prints."""
        self.install(*content)
        lines = self.call(*self.shell, "-c", f"{COPY}; echo end").splitlines()
        assert lines.pop() == "end"
        assert not (self.path / "run/notos/state").exists()
        assert sorted(each.name for each in (self.path / "var/lib/notos").iterdir()) in (["state"], [])
        return lines

    def install(self, *content: Member) -> None:
        """Place a system whose state is `content`, and the scripts."""
        stage2 = self.path / "stage2"
        shutil.rmtree(stage2, ignore_errors=True)
        stage2.mkdir()
        for name in ("plan-state", "present-state", "recover-state"):
            shutil.copy(SCRIPTS / name, stage2)
        text = (SCRIPTS / "copy-state").read_text().replace("self=@self@", "self=/stage2")
        (stage2 / "copy-state").write_text(text)
        top = self.path / "system"
        shutil.rmtree(top, ignore_errors=True)
        top.mkdir()
        tree = build(content)
        if not is_empty(tree):
            (top / "state").mkdir()
            tree.write_to(top / "state", canonical=True)

    def cut(self, number: int, *content: Member) -> bool:
        """Start the system; end all its processes at its command `number`. Return False if it has fewer.

        A copy that was interrupted has the first byte of each file only.
        """
        self.install(*content)
        (self.path / "count").write_text(f"{number}\n")
        return self.run(*self.shell, "-c", f"{POWER_CUT}{COPY}").returncode == -signal.SIGKILL

    def state(self) -> dict[str, tuple[int, int, int, bytes | str]]:
        """Return the mode, owner, group and contents of the paths in /srv and /var/www, and the table."""
        found: dict[str, tuple[int, int, int, bytes | str]] = {}
        for top in ("srv", "var/www", "var/lib/notos"):
            for path in (self.path / top).rglob("*"):
                status = path.lstat()
                content: bytes | str = ""
                if path.is_symlink():
                    content = os.readlink(path)
                elif path.is_file():
                    content = path.read_bytes()
                name = str(path.relative_to(self.path))
                found[name] = (status.st_mode, status.st_uid, status.st_gid, content)
        return found

    def at(self, path: str) -> Path:
        return self.path / path.lstrip("/")

    def mode(self, path: str) -> str:
        return f"{self.at(path).stat().st_mode & 0o7777:04o}"


@pytest.fixture(params=["sh", "sh -e"])
def root(tmp_path: Path, tools_tree: ToolsTree, request: pytest.FixtureRequest) -> Root:
    """Return a root with the shell of the boot, or of a switch."""
    return Root(
        tmp_path / "root",
        tools_tree,
        [f"/bin/{word}" if word == "sh" else word for word in request.param.split()],
    )


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


ONE = (
    folder("/srv/gone"),
    file("/srv/gone/file", "x"),
    file("/srv/big", "old version", "0600"),
    file("/srv/kept", "one"),
    file("/srv/mine", "one"),
    file("/srv/removed", "one"),
    file("/srv/mode", "same", "0644"),
    file("/srv/was-file", "x"),
    folder("/srv/was-folder"),
    link("/srv/link", "one"),
)
TWO = (
    file("/srv/big", "new version", "0640"),
    file("/srv/kept", "one"),
    file("/srv/mine", "two"),
    file("/srv/removed", "two"),
    file("/srv/mode", "same", "0600"),
    folder("/srv/was-file"),
    file("/srv/was-file/inside", "more"),
    link("/srv/was-folder", "big"),
    link("/srv/link", "two"),
    folder("/srv/www", "2775"),
    file("/srv/www/index.html", "index", "0755"),
    folder("/srv/www/deep"),
    file("/srv/www/deep/a b", "spaces", "0600"),
    file("/srv/there", "existed first"),
    link("/var/www/link", "/srv/www"),
)


def _first(root: Root) -> None:
    root.system(*ONE)
    root.at("/srv/mine").write_text("mine")
    root.at("/srv/removed").unlink()
    root.at("/srv/there").write_text("local")


@pytest.mark.parametrize("then", ["the same", "the one before"])
def test_a_power_cut_at_any_moment(tmp_path: Path, tools_tree: ToolsTree, then: str) -> None:
    """The next boot, of either system, has the result of a run without a power cut."""
    whole = Root(tmp_path / "whole", tools_tree)
    _first(whole)
    whole.system(*TWO)
    if then != "the same":
        whole.system(*ONE)
    shutil.rmtree(whole.at("/run"))
    expected = whole.state()
    root = Root(tmp_path / "root", tools_tree)
    _first(root)
    shutil.rmtree(root.at("/run"))
    for name in ("srv", "var"):
        root.at(name).rename(tmp_path / name)
    number = 0
    while True:
        number += 1
        for name in ("srv", "var"):
            shutil.copytree(tmp_path / name, root.at(name), symlinks=True)
        root.at("/run").mkdir()
        if not root.cut(number, *TWO):
            break
        shutil.rmtree(root.at("/run"))
        root.system(*(TWO if then == "the same" else ONE))
        assert root.state() == expected, number
        for name in ("srv", "var", "run"):
            shutil.rmtree(root.at(name), ignore_errors=True)
    assert number > 30


@needs_root
def test_a_full_drive_keeps_no_incomplete_copy(root: Root) -> None:
    """The next run copies what is missing, and what services have written meanwhile stays."""
    root.install(folder("/srv/www"), file("/srv/www/big", "x" * 3_000_000), file("/srv/www/small", "s"))
    text = f"""
    mkdir /proc && mount -t proc proc /proc
    mount -t tmpfs -o size=1m tmpfs /srv
    if ({COPY}) 2>/dev/null; then echo success; fi
    ls /srv/www | grep big
    echo user >/srv/www/user
    mount -o remount,size=10m /srv
    {COPY}
    wc -c <"/srv/www/big"
    cat /srv/www/user /srv/www/small
    """
    output = root.call("/bin/sh", "-c", text).splitlines()
    assert output == [
        "copying the initial state failed; the next boot or switch repeats it",
        "3000000",
        "user",
        "s",
    ]
