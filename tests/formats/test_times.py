"""Times that follow from contents, in trees and as unsquashfs and cpio restore them."""

import io
import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from notos.atomic import remove_folder
from notos.formats import cpio, times
from notos.formats.squashfs.image import write
from notos.formats.tree import Tree
from notos.process import run
from tests.conftest import Tool
from tests.trees import backwards, trees


def site(page: bytes, *, link: str = "page", name: str = "page") -> Tree:
    tree = Tree()
    tree.file(f"www/{name}", page)
    tree.file("www/same", b"same")
    tree.symlink("www/index", link)
    tree.file("other/same", b"same")
    return tree


def test_only_what_changed_has_another_time() -> None:
    before, after = times.of_tree(site(b"one")), times.of_tree(site(b"two"))
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {"", "www", "www/page"}
    linked = times.of_tree(site(b"one", link="same"))
    assert {path for path in before if before[path] != linked[path]} == {"", "www", "www/index"}
    renamed = times.of_tree(site(b"one", name="side"))
    assert {path for path in before if before[path] != renamed.get(path)} == {"", "www", "www/page"}


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_times_are_in_the_past_and_fit_into_a_zip_archive(one: bytes, other: bytes) -> None:
    moment = times.of_bytes(one)
    assert time.gmtime(moment - 14 * 3600).tm_year >= 1980 and moment < 1_320_000_000
    assert (moment == times.of_bytes(other)) is (one == other)


@given(trees())
def test_times_do_not_depend_on_the_order_of_entries(tree: Tree) -> None:
    assert times.of_tree(tree) == times.of_tree(backwards(tree))
    assert times.of_tree(tree).keys() == {"", *(path for path, _ in tree.items())}


def restored(root: Path) -> dict[str, int]:
    return {
        "" if path == root else path.relative_to(root).as_posix(): int(path.lstat().st_mtime)
        for path in (root, *root.rglob("*"))
    }


def test_an_image_has_them(tool: Tool, tmp_path: Path) -> None:
    tree = site(b"one")
    out = io.BytesIO()
    write(out, tree)
    (tmp_path / "image").write_bytes(out.getvalue())
    run([*tool("unsquashfs"), "-quiet", "-no-progress", "-d", tmp_path / "out", tmp_path / "image"])
    assert restored(tmp_path / "out") == times.of_tree(tree)
    remove_folder(tmp_path / "out")


def test_an_archive_for_a_machine_has_them(tool: Tool, tmp_path: Path) -> None:
    tree = site(b"one")
    out = tmp_path / "out"
    out.mkdir()
    run(
        [*tool("cpio"), "-i", "-m", "-d", "--quiet", "-D", out],
        input=b"".join(cpio.pieces(tree, timed=True)),
    )
    wanted = times.of_tree(tree)
    assert {path: each for path, each in restored(out).items() if not (out / path).is_dir()} == {
        path: each for path, each in wanted.items() if path not in ("", "www", "other")
    }
    remove_folder(out)
