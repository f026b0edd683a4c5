"""The first difference between two builds."""

from pathlib import Path

import pytest

from notos.atomic import remove_folder
from notos.formats.tree import File, Tree
from notos.store import difference
from notos.store.store import Store


def tree(**files: str) -> Tree:
    made = Tree()
    for name, text in files.items():
        made.text(name, text)
    return made


def test_the_same_tree_does_not_differ() -> None:
    assert difference.tree(tree(a="1", b="2"), tree(b="2", a="1")) is None


def test_each_way_in_which_trees_differ() -> None:
    one, other = tree(a="1"), tree(a="1")
    one.symlink("link", "a")
    other.symlink("link", "b")
    assert difference.tree(one, other) == "link has the targets a and b"
    assert difference.tree(tree(a="1"), Tree()) == "a is only in the first"
    assert difference.tree(Tree(), tree(a="1")) == "a is only in the second"
    assert difference.tree(tree(a="12345"), tree(a="12x45")) == "a differs at byte 2: '345' and 'x45'"
    assert difference.tree(tree(a="12"), tree(a="123")) == "a ends after 2 and after 3 bytes"
    program = Tree()
    program.add("a", File(b"1", executable=True))
    assert difference.tree(program, tree(a="1")) == "a is executable in one only"
    folder = Tree()
    folder.directory("a")
    assert difference.tree(folder, tree(a="1")) == "a is a directory and a file"


@pytest.fixture
def builds(tmp_path: Path) -> tuple[Path, Path]:
    """Two builds with the same targets."""
    for name in ("one", "two"):
        folder = tmp_path / name / "build"
        (folder / "manifests").mkdir(parents=True)
        (folder / "image").write_bytes(b"x" * (difference.CHUNK + 5))
        (folder / "link").symlink_to("image")
    return tmp_path / "one", tmp_path / "two"


def test_files_are_compared_to_their_end(builds: tuple[Path, Path]) -> None:
    targets = ["build/link", "build/image"]
    assert difference.first(*builds, targets) is None
    (builds[1] / "build/image").write_bytes(b"x" * difference.CHUNK + b"xxyxx")
    at = difference.CHUNK + 2
    assert difference.first(*builds, targets) == (f"build/image: it differs at byte {at}: 'xxx' and 'yxx'")
    (builds[1] / "build/image").unlink()
    assert difference.first(*builds, targets) == f"build/image: {builds[1]}/build/image is missing"


def test_of_a_manifest_the_file_is_named(builds: tuple[Path, Path]) -> None:
    for root, text in zip(builds, ("same", "other"), strict=True):
        store = Store(root / "build/store")
        store.root.mkdir()
        obj = store.add("thing", tree(a="1", b=text))
        (root / "build/manifests/thing.json").write_bytes(obj.to_json())
    found = difference.first(*builds, ["build/manifests/thing.json"])
    assert found is not None
    assert found.startswith("build/manifests/thing.json: b differs at byte 0: 'same' and 'other' (in ")
    for root in builds:
        remove_folder(root / "build/store")
