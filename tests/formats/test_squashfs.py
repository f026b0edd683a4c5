"""The squashfs writer, judged by unsquashfs; the kernel judges it in the boot tests."""

import io
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings

from notos.atomic import remove_folder
from notos.errors import ArchiveError
from notos.formats.squashfs.image import BLOCK, write, write_image
from notos.formats.tree import File, Tree
from notos.process import run
from tests.conftest import FIXTURES, Tool
from tests.trees import backwards, described, inodes, modes, trees, unpacked

FEW = settings(max_examples=25, suppress_health_check=FIXTURES)


def image(tree: Tree, jobs: int = 2) -> bytes:
    out = io.BytesIO()
    write(out, tree, jobs=jobs)
    return out.getvalue()


def unpack(tool: Tool, data: bytes, root: Path) -> None:
    (root / "image").write_bytes(data)
    words: list[str | Path] = [
        *tool("unsquashfs"),
        "-quiet",
        "-no-progress",
        "-d",
        root / "out",
        root / "image",
    ]
    run(words, env={"LC_ALL": "C.UTF-8", "PATH": "/nonexistent"})


@FEW
@given(trees())
def test_unsquashfs_unpacks_the_tree(tool: Tool, tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        unpack(tool, image(tree), root)
        assert unpacked(root / "out") == described(tree)
        assert modes(root / "out") <= {0o555, 0o444}
        wanted: dict[int, set[str]] = {}
        for path, entry in tree.items():
            if isinstance(entry, File):
                wanted.setdefault(id(entry), set()).add(path)
        groups = {frozenset(paths) for paths in inodes(root / "out", tree).values()}
        assert groups == {frozenset(paths) for paths in wanted.values()}
        remove_folder(root / "out")


@FEW
@given(trees())
def test_what_is_stored_is_not_compressed(tool: Tool, tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_image(root / "stored", tree, stored=True)
        data = (root / "stored").read_bytes()
        unpack(tool, data, root)
        assert unpacked(root / "out") == described(tree)
        remove_folder(root / "out")
        # Files of a block or less stand there in one piece, for any of them may be mapped.
        for _, entry in tree.items():
            if isinstance(entry, File) and 0 < entry.size <= BLOCK:
                assert entry.read() in data


@FEW
@given(trees())
def test_the_bytes_are_a_function_of_the_tree(tree: Tree) -> None:
    data = image(tree, jobs=1)
    assert image(backwards(tree), jobs=5) == data
    assert len(data) % 4096 == 0


def large() -> Tree:
    """Files around the sizes where something changes, the same bytes twice, and folders of many names."""
    tree = Tree()
    for size in (0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 17, (1 << 20) + BLOCK):
        tree.file(f"random/{size}", os.urandom(size))
        tree.file(f"text/{size}", (b"all work and no play " * (size // 20 + 1))[:size])
    twin = os.urandom(3 * BLOCK)
    tree.file("twins/one", twin)
    tree.file("twins/two", twin, executable=True)
    tree.file("twins/other", twin[:-1] + b"!")
    for number in range(3000):
        tree.text(f"many/a file with a long name, number {number:06}", f"{number}\n" * (number % 7))
    linked = File(b"linked")
    tree.add("a/first", linked)
    tree.add("z/second", linked)
    return tree


def test_large_files_and_folders(tool: Tool, tmp_path: Path) -> None:
    tree = large()
    data = image(tree)
    unpack(tool, data, tmp_path)
    assert unpacked(tmp_path / "out") == described(tree)
    said = run([*tool("unsquashfs"), "-s", tmp_path / "image"]).decode()
    assert "Compression zstd" in said and "Number of ids 1" in said
    single = Tree()
    single.file("one", tree.get("twins/one").read())  # type: ignore[union-attr]
    assert len(data) < sum(entry.size for _, entry in tree.items() if isinstance(entry, File)) - 2 * BLOCK
    remove_folder(tmp_path / "out")


def test_device_nodes_need_no_root(tool: Tool, tmp_path: Path) -> None:
    tree = Tree()
    tree.device("dev/console", "c", 5, 1)
    tree.device("dev/vda", "b", 254, 30, 0o660)
    (tmp_path / "image").write_bytes(image(tree))
    said = run([*tool("unsquashfs"), "-lln", tmp_path / "image"]).decode().splitlines()
    assert any(line.startswith("crw-------") and "5,  1" in line for line in said), said
    assert any(line.startswith("brw-rw----") and "254, 30" in line for line in said), said


def test_an_earlier_image_saves_work_and_changes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "root.squashfs"
    tree = large()
    write_image(target, tree)
    first = target.read_bytes()
    assert first == image(tree)
    write_image(target, tree)
    assert target.read_bytes() == first
    tree.text("a/new", "new")
    write_image(target, tree)
    assert target.read_bytes() == image(tree)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["reuse", "root.squashfs"]


def test_what_squashfs_cannot_hold_is_refused(tmp_path: Path) -> None:
    class Growing(File):
        @property
        def size(self) -> int:
            return 100

    for length in (3, 300):
        tree = Tree()
        tree.add("log", Growing(b"x" * length))
        with pytest.raises(ArchiveError, match="log changed during the read"):
            image(tree)
    tree = Tree()
    tree.text("x" * 257, "")
    with pytest.raises(ArchiveError, match="257 bytes; squashfs allows 256"):
        write_image(tmp_path / "root.squashfs", tree)
    assert list(tmp_path.iterdir()) == []
