"""The cpio writer, judged by GNU cpio and bsdtar; the kernel judges it in the boot tests."""

import io
import os
import tempfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import assume, given, settings

from notos.errors import ArchiveError
from notos.formats import cpio
from notos.formats.tree import File, Tree
from notos.process import run
from tests.conftest import FIXTURES, Tool
from tests.trees import backwards, described, inodes, trees, unpacked

FEW = settings(max_examples=25, suppress_health_check=FIXTURES)
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "PATH": "/nonexistent"}


def archive(tree: Tree) -> bytes:
    out = io.BytesIO()
    cpio.write(out, tree)
    return out.getvalue()


@FEW
@given(trees())
def test_gnu_cpio_unpacks_the_tree(tool: Tool, tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        words = [*tool("cpio"), "-i", "--quiet", "--no-absolute-filenames", "--make-directories"]
        run(words, input=archive(tree), cwd=root, env=ENVIRONMENT)
        assert unpacked(root) == described(tree)
        groups = {frozenset(paths) for paths in inodes(root, tree).values()}
        wanted: dict[int | str, set[str]] = {}
        for path, entry in tree.items():
            # GNU cpio gives each empty file an inode of its own: there is no body to share.
            key = id(entry) if isinstance(entry, File) and entry.size else path
            if isinstance(entry, File):
                wanted.setdefault(key, set()).add(path)
        assert all(any(group >= paths for group in groups) for paths in wanted.values())


@FEW
@given(trees())
def test_bsdtar_unpacks_the_tree(tool: Tool, tree: Tree) -> None:
    # It writes the body of hard links into the read-only file that it has made: only root may.
    files = [id(entry) for _, entry in tree.items() if isinstance(entry, File)]
    assume(os.geteuid() == 0 or len(set(files)) == len(files))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        run([*tool("bsdtar"), "-x", "-P", "-f", "-"], input=archive(tree), cwd=root, env=ENVIRONMENT)
        assert unpacked(root) == described(tree)


@FEW
@given(trees())
def test_the_bytes_are_a_function_of_the_tree(tree: Tree) -> None:
    data = archive(tree)
    assert archive(backwards(tree)) == data
    assert len(data) % 512 == 0


def test_device_nodes_need_no_root(tool: Tool) -> None:
    tree = Tree()
    tree.device("dev/console", "c", 5, 1)
    tree.device("dev/vda", "b", 254, 0, 0o660)
    said = run([*tool("cpio"), "-tv", "--quiet"], input=archive(tree), env=ENVIRONMENT).decode()
    lines = said.splitlines()
    assert lines[0].startswith("dr-xr-xr-x")
    assert lines[1].startswith("crw-------") and "5,   1" in lines[1]
    assert lines[2].startswith("brw-rw----") and "254,   0" in lines[2]


def test_a_file_of_4_gib_is_refused(tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as stream:
        stream.truncate(1 << 32)
    tree = Tree()
    tree.file("etc/big", big)
    with pytest.raises(ArchiveError, match="etc/big has 4294967296 bytes"):
        cpio.write(io.BytesIO(), tree)


def test_names_that_newc_cannot_hold_are_refused() -> None:
    tree = Tree()
    tree.text("TRAILER!!!", "")
    with pytest.raises(ArchiveError, match="TRAILER"):
        archive(tree)
    deep = Tree()
    deep.text("/".join(["x" * 200] * 21), "")
    with pytest.raises(ArchiveError, match="4220 bytes; newc allows 4095"):
        archive(deep)


@pytest.mark.parametrize("length", [3, 300])
def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path, length: int) -> None:
    class Growing(File):
        @property
        def size(self) -> int:
            return 100

    tree = Tree()
    tree.add("log", Growing(b"x" * length))
    with pytest.raises(ArchiveError, match="log changed during the read"):
        archive(tree)


def test_the_initrd_is_a_zstd_frame_for_each_tree_and_reproducible(tmp_path: Path) -> None:
    big, small = Tree(), Tree()
    big.file("a", os.urandom(3 << 20))
    small.text("b", "b")
    for name in ("one", "two", "two"):  # the last one takes over what the one before has
        cpio.write_initrd(tmp_path / name, [big, small], level=3)
    data = (tmp_path / "one").read_bytes()
    assert data == (tmp_path / "two").read_bytes()
    first = zstandard.ZstdDecompressor().decompressobj()
    assert first.decompress(data) == archive(big)
    assert zstandard.ZstdDecompressor().decompress(first.unused_data) == archive(small)
    # The kernel takes windows of up to 128 MiB (lib/decompress_unzstd.c).
    assert zstandard.get_frame_parameters(data).window_size <= 1 << 27
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "reuse", "two"]


def test_an_initrd_that_is_not_compressed(tmp_path: Path) -> None:
    one, two = Tree(), Tree()
    one.text("a", "a" * 5)
    two.text("b", "b")
    cpio.write_initrd(tmp_path / "initrd", [one, two], level=0)
    data = (tmp_path / "initrd").read_bytes()
    assert data == archive(one) + archive(two)
    assert len(archive(one)) % 4 == 0  # the kernel looks for the next one there (init/initramfs.c)


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "initrd"
    target.write_text("old")
    tree = Tree()
    tree.text("TRAILER!!!", "")
    with pytest.raises(ArchiveError):
        cpio.write_initrd(target, [tree], level=1)
    assert [path.name for path in tmp_path.iterdir()] == ["initrd"]
    assert target.read_text() == "old"
