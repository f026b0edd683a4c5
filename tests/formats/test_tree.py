"""Trees: what may stand where, links, folders."""

import codecs
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given

from notos.errors import PackageError
from notos.formats import nar
from notos.formats.tree import Directory, File, Symlink, Tree
from tests.conftest import ROOT, Tool
from tests.signed_archive import Deb
from tests.trees import described, inodes, modes, trees, unpacked


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", ".", "..", "a/../b", "a\0b"])
def test_only_paths_inside(path: str) -> None:
    with pytest.raises(PackageError):
        Tree().text(path, "")


def test_a_second_entry_and_a_child_of_a_file_are_refused() -> None:
    tree = Tree()
    tree.text("a", "1")
    with pytest.raises(PackageError, match="duplicate entry: a"):
        tree.text("a", "1")
    with pytest.raises(PackageError, match="not a directory"):
        tree.text("a/b", "1")
    tree.directory("d")
    tree.directory("d")
    with pytest.raises(PackageError, match="duplicate"):
        tree.symlink("d", "a")


def test_parents_come_with_their_children() -> None:
    tree = Tree()
    tree.text("a/b/c", "")
    assert [path for path, _ in tree.items()] == ["a", "a/b", "a/b/c"]
    assert tree.children() == {"": ["a"], "a": ["b"], "a/b": ["c"]}


def test_links_are_followed_within_the_tree() -> None:
    tree = Tree()
    tree.text("usr/lib/x/libz.so.1.3", "")
    tree.symlink("usr/lib/x/libz.so.1", "libz.so.1.3")
    tree.symlink("lib", "usr/lib")
    tree.symlink("abs", "/lib/x/libz.so.1")
    tree.symlink("loop", "loop")
    tree.symlink("none", "nowhere")
    assert tree.resolve("lib/x/libz.so.1") == "usr/lib/x/libz.so.1.3"
    assert tree.resolve("abs") == "usr/lib/x/libz.so.1.3"
    assert tree.resolve("usr/../lib/x/./libz.so.1") == "usr/lib/x/libz.so.1.3"
    assert tree.resolve("loop") is None
    assert tree.resolve("none") is None


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ("lib/x/ld.so", "usr/lib/x/ld.so"),
        ("/lib64/ld.so", "usr/lib/x/ld.so"),
        ("usr/lib64/ld.so", "usr/lib/x/ld.so"),
        ("usr/sbin/depmod", "usr/bin/kmod"),
        ("sbin/lsmod", "usr/bin/kmod"),
        ("usr/bin/far", "usr/bin/kmod"),
        ("etc/far", "usr/bin/kmod"),
        ("usr/share/folder/kmod", "usr/bin/kmod"),
        ("bin/../bin/kmod", "usr/bin/kmod"),
        ("bin", "usr/bin"),
        ("libx32/x", None),
        ("usr/share/lib", None),
        ("bin/loop", None),
        ("usr/bin/lost", None),
    ],
)
def test_links_of_packages_that_are_not_usr_merged(path: str, end: str | None) -> None:
    """Up to bookworm, packages have links to /lib, /bin and /sbin, where unpack has usr/… alone."""
    tree = Tree()
    tree.text("usr/lib/x/ld.so", "")
    tree.symlink("usr/lib64/ld.so", "/lib/x/ld.so")
    tree.text("usr/bin/kmod", "")
    tree.symlink("usr/sbin/depmod", "/bin/kmod")
    tree.symlink("usr/sbin/lsmod", "../../bin/kmod")
    tree.symlink("usr/bin/far", "../../../../sbin/../sbin/lsmod")
    tree.symlink("etc/far", "../sbin/depmod")
    tree.symlink("usr/share/folder", "/bin")
    tree.symlink("usr/bin/loop", "/sbin/loop")
    tree.symlink("usr/sbin/loop", "../../bin/loop")
    tree.symlink("usr/bin/lost", "/lib64/lost")
    assert tree.resolve(path) == end


def test_a_folder_at_the_root_is_itself() -> None:
    tree = Tree()
    tree.text("lib/a", "")
    tree.text("usr/lib/b", "")
    assert (tree.resolve("lib/a"), tree.resolve("lib/b")) == ("lib/a", None)


def test_a_tree_as_usr() -> None:
    usr = Tree()
    usr.text("bin/a", "")
    usr.text("etc/a", "")
    usr.symlink("sbin/a", "/etc/a")
    usr.text("etcetera/a", "")
    root = usr.as_usr()
    assert root.resolve("sbin/a") == "etc/a"
    assert {"usr/bin/a", "etc/a", "usr/etcetera/a"} <= {path for path, _ in root.items()}


def test_removing_takes_what_is_below() -> None:
    tree = Tree()
    tree.text("a/b", "")
    tree.text("ab", "")
    tree.remove("a")
    tree.remove("a")
    assert [path for path, _ in tree.items()] == ["ab"]
    tree.replace("ab", Symlink("x"))
    assert tree.get("ab") == Symlink("x")


def test_a_tree_grafted_on_another() -> None:
    below = Tree()
    below.text("x/y", "1", executable=True)
    tree = Tree()
    tree.graft("top", below)
    tree.graft("", below)
    assert {path for path, _ in tree.items()} == {"top", "top/x", "top/x/y", "x", "x/y"}
    assert isinstance(tree.get("top"), Directory)


@given(trees())
def test_written_and_read_it_is_the_same(tree: Tree) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        tree.write_to(root)
        assert unpacked(root) == described(tree)
        assert modes(root) <= {0o755, 0o644}
        wanted: dict[int, set[str]] = {}
        for path, entry in tree.items():
            if isinstance(entry, File):
                wanted.setdefault(id(entry), set()).add(path)
        assert sorted(map(sorted, inodes(root, tree).values())) == sorted(map(sorted, wanted.values()))


def test_contents_stay_on_disk_until_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * (3 << 20))
    entry = Tree.from_directory(tmp_path).get("f")
    assert isinstance(entry, File)
    assert entry.content == tmp_path / "f"
    assert entry.size == 3 << 20
    assert [len(piece) for piece in entry.chunks()] == [1 << 20] * 3


NAMES = (
    *("ä…".encode(), b"\xff\xfe", "日本".encode(), "\U0001f600".encode(), "\uffee".encode()),
    *(b"\x8f\xa2\xb7", b"\xa1\xc0", b"a\x80", b"a"),
)
SCRIPT = """
import os, sys
from pathlib import Path
from notos.debian import deb
from notos.formats import cpio, nar
from notos.formats.tree import Tree
root = Path(sys.argv[2])
tree = deb.read(Path(sys.argv[1]))
tree.write_to(root)
again = Tree.from_directory(root)
same = again.children()["usr"] == tree.children()["usr"]
print(sys.getfilesystemencoding(), nar.digest(tree), nar.digest(again), same)
print(sorted(os.listdir(os.fsencode(root) + b"/usr")))
"""


@pytest.mark.parametrize("charmap", ["UTF-8", "ISO-8859-1", "EUC-JP", "ANSI_X3.4-1968"])
def test_names_are_the_same_bytes_in_every_locale(tool: Tool, tmp_path: Path, charmap: str) -> None:
    """Nix hashes the bytes on the disk; a name that the locale's encoding changes would be another one."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name in NAMES:
            info = tarfile.TarInfo(f"./usr/{os.fsdecode(name)}")
            info.size = len(name)
            archive.addfile(info, io.BytesIO(name))
            info = tarfile.TarInfo(f"./usr/link-{os.fsdecode(name)}")
            info.type, info.linkname = tarfile.SYMTYPE, os.fsdecode(name)
            archive.addfile(info)
    (tmp_path / "one.deb").write_bytes(Deb("one").build(data={"data.tar": stream.getvalue()}))
    environment = {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    if charmap != "ANSI_X3.4-1968":
        locale = f"x.{charmap}"
        made = subprocess.run(
            ["localedef", "-i", "en_US", "-f", charmap, "--no-archive", tmp_path / locale],
            capture_output=True,
            check=False,
        )
        if made.returncode > 1 or not (tmp_path / locale).exists():
            pytest.skip(f"this host cannot make a locale with {charmap}")
        environment |= {"LOCPATH": str(tmp_path), "LC_ALL": locale}
    (tmp_path / "root").mkdir()
    words = [sys.executable, "-c", SCRIPT, str(tmp_path / "one.deb"), str(tmp_path / "root")]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    first, listed = done.stdout.splitlines()
    encoding, *digests = re.findall(r"^\S+|\('[^)]*\)", first)
    assert codecs.lookup(encoding) == codecs.lookup("ascii" if charmap.startswith("ANSI") else charmap)
    assert first.endswith(" True")
    assert listed == repr(sorted([*NAMES, *(b"link-" + each for each in NAMES)]))
    whole = nar.digest(Tree.from_directory(tmp_path / "root"))
    assert digests == [repr(whole)] * 2
    dumped = subprocess.run(
        [*tool("nix-store"), "--dump", tmp_path / "root"], capture_output=True, check=True
    )
    assert hashlib.sha256(dumped.stdout).hexdigest() == whole[0]
