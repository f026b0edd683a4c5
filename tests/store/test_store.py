"""The store and its paths, judged by real Nix."""

import json
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings

from notos.atomic import remove_folder
from notos.errors import StoreError, ToolError
from notos.formats import nar
from notos.formats.tree import Tree
from notos.process import run
from notos.store.store import Store, StoreObject, placeholder, registration
from tests.conftest import FIXTURES, Tool
from tests.trees import described, trees, unpacked

FEW = settings(max_examples=20, suppress_health_check=FIXTURES)
Nix = Callable[..., bytes]


def put(store: Store, objects: list[StoreObject], nix: Nix, root: Path) -> None:
    """Bring objects into Nix's store by hand, and register them."""
    for each in objects:
        place = root / "nix/nix/store" / each.base
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(store.location(each), place, symlinks=True, copy_function=shutil.copy2)
        os.utime(place, (1, 1))
    nix("nix-store", "--load-db", input=registration(objects))


def three(store: Store) -> list[StoreObject]:
    """Return three objects: the second refers to the first and to itself, the third to the second."""
    tree = Tree()
    tree.text("bin/x", "#!/bin/sh\n", executable=True)
    tree.symlink("link", "/outside")
    one = store.add("one", tree)
    tree = Tree()
    tree.text("text", f"{one.path} and {placeholder('two')} and {placeholder('two')}")
    tree.symlink("self", f"{placeholder('two')}/text")
    two = store.add("two", tree, [one])
    tree = Tree()
    tree.symlink("z", two.path)
    return [one, two, store.add("three", tree, [one, two])]


@FEW
@given(trees())
def test_a_nar_hashes_as_in_nix(tool: Tool, tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "tree")
        root.mkdir()
        tree.write_to(root)
        environment = {
            "HOME": folder,
            "NIX_CONFIG": "experimental-features = nix-command",
            "LC_ALL": "C.UTF-8",
        }
        said = run([*tool("nix"), "hash", "path", "--base16", root], env=environment).decode().strip()
        dumped = run([*tool("nix-store"), "--dump", root], env=environment)
    assert nar.digest(tree) == (said, len(dumped))
    assert b"".join(nar.pieces(tree)) == dumped


def test_a_path_is_the_one_that_nix_gives(tmp_path: Path, nix: Nix) -> None:
    store = Store(tmp_path / "store")
    store.root.mkdir()
    one = three(store)[0]
    plain = tmp_path / "one"
    shutil.copytree(store.location(one), plain, symlinks=True)
    assert nix("nix-store", "--add", plain).decode().strip() == one.path


def test_nix_accepts_objects_and_finds_them_content_addressed(tmp_path: Path, nix: Nix) -> None:
    store = Store(tmp_path / "store")
    store.root.mkdir()
    objects = three(store)
    assert [len(each.references) for each in objects] == [0, 2, 1]
    put(store, objects, nix, tmp_path)
    nix("nix-store", "--verify", "--check-contents")
    for each in objects:
        made = json.loads(nix("nix", "store", "make-content-addressed", "--json", each.path))
        assert made["rewrites"] == {each.path: each.path}
        said = nix("nix-store", "-q", "--references", each.path).decode().split()
        assert sorted(said) == list(each.references)


def test_nix_notices_a_changed_object(tmp_path: Path, nix: Nix) -> None:
    """The check above can fail: Nix reports a changed file."""
    store = Store(tmp_path / "store")
    store.root.mkdir()
    objects = three(store)
    put(store, objects, nix, tmp_path)
    changed = tmp_path / "nix/nix/store" / objects[0].base / "bin/x"
    changed.chmod(0o755)
    changed.write_text("#!/bin/false\n")
    with pytest.raises(ToolError, match="was modified"):
        nix("nix-store", "--verify", "--check-contents")


@FEW
@given(trees())
def test_objects_are_canonical(tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder, "store"))
        store.root.mkdir()
        old = os.umask(0o077)
        try:
            obj = store.add("thing", tree)
        finally:
            os.umask(old)
        place = store.location(obj)
        assert unpacked(place) == described(tree)
        for path in [place, *place.rglob("*")]:
            state = path.lstat()
            assert state.st_mtime_ns == 10**9
            if path.is_dir() and not path.is_symlink():
                assert stat.S_IMODE(state.st_mode) == 0o755
            else:
                assert stat.S_ISLNK(state.st_mode) or stat.S_IMODE(state.st_mode) in (0o444, 0o555)
        remove_folder(Path(folder, "store"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder that all users may enter; with root's tests, only root may enter tmp_path."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def as_owner(folder: Path, work: Callable[[], object]) -> bool:
    """Do `work` as the owner of `folder`, nobody where root runs the tests; return True if it succeeds."""
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "65534", folder], check=True)
    child = os.fork()  # another Python would have to be one that everybody may run
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def test_the_owner_removes_a_store_by_rm(folder: Path) -> None:
    store = Store(folder / "store")
    store.root.mkdir()
    three(store)
    assert as_owner(folder, lambda: subprocess.run(["rm", "-rf", store.root], check=True))
    assert not store.root.exists()


def test_a_store_of_an_earlier_version_is_removed(folder: Path) -> None:
    store = Store(folder / "store")
    store.root.mkdir()
    one, _, last = three(store)
    for each in (store.location(last), store.location(one) / "bin", store.location(one)):
        each.chmod(0o555)
    assert not as_owner(folder, lambda: subprocess.run(["rm", "-rf", store.root], check=True))
    assert as_owner(folder, lambda: store.remove(last))
    assert not store.location(last).exists()
    assert as_owner(folder, lambda: remove_folder(store.root))
    assert not store.root.exists()


def test_an_object_is_added_once_and_removed_whole(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.root.mkdir()
    one, two, last = three(store)
    inode = store.location(one).stat().st_ino
    assert three(store) == [one, two, last]
    assert store.location(one).stat().st_ino == inode
    assert store.objects() == sorted([one, two, last], key=lambda each: each.path)
    assert store.closure([last]) == sorted([one, two, last], key=lambda each: each.path)
    store.remove(one)
    assert not store.intact(one)
    assert {path.name for path in store.root.iterdir()} == {".objects", two.base, last.base}
    with pytest.raises(StoreError, match="is not in"):
        store.closure([last])


def test_a_killed_write_leaves_nothing_that_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "store")
    store.root.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            three(store)
    assert [path.name for path in store.root.iterdir()] == [".objects"]
    assert all(store.intact(each) for each in three(store))


def test_a_device_and_a_bad_name_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    tree = Tree()
    tree.device("dev/null", "c", 1, 3)
    with pytest.raises(StoreError, match="dev/null"):
        store.add("x", tree)
    with pytest.raises(StoreError, match="cannot be the name"):
        store.add("with blank", Tree())


def test_a_manifest_comes_back() -> None:
    obj = StoreObject("/nix/store/x-y", "sha256:00", 5, ("/nix/store/a-b",))
    assert StoreObject.from_json(obj.to_json()) == obj
    with pytest.raises(StoreError):
        StoreObject.from_json(b"{}")
