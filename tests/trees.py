"""Random trees for property tests, and reading what a peer has unpacked."""

import os
import stat
from pathlib import Path

from hypothesis import strategies as st

from notos.formats.tree import Directory, Entry, File, Symlink, Tree
from notos.store.store import Store, StoreObject, placeholder

NAME = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12
).filter(lambda name: name not in (".", "..") and len(name.encode()) <= 255)
CONTENT = st.binary(max_size=200)
LEAF = st.one_of(
    st.builds(File, CONTENT, st.booleans()),
    st.builds(
        Symlink,
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20),
    ),
    st.just(Directory()),
)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Up to a dozen entries, some of them in folders, some of them hard links."""
    tree = Tree()
    folders = [""]
    files: list[File] = []
    for _ in range(draw(st.integers(0, 12))):
        name = draw(NAME)
        parent = draw(st.sampled_from(folders))
        path = f"{parent}/{name}" if parent else name
        if path in tree:
            continue
        entry: Entry = draw(st.one_of(LEAF, st.sampled_from(files)) if files else LEAF)
        tree.add(path, entry)
        if isinstance(entry, Directory):
            folders.append(path)
        elif isinstance(entry, File):
            files.append(entry)
    return tree


def backwards(tree: Tree) -> Tree:
    """Return the same tree, with its entries added in reverse order."""
    again = Tree()
    for path, entry in reversed(list(tree.items())):
        again.add(path, entry)
    return again


def described(tree: Tree) -> dict[str, tuple[object, ...]]:
    """Return the contents of a tree as comparable values."""
    return {path: _described(entry) for path, entry in tree.items()}


def unpacked(root: Path) -> dict[str, tuple[object, ...]]:
    """Return the contents of the folder `root` as comparable values."""
    return described(Tree.from_directory(root))


def inodes(root: Path, tree: Tree) -> dict[int, set[str]]:
    """Paths of the files of `tree` below `root`, by inode: hard links come together."""
    found: dict[int, set[str]] = {}
    for path, entry in tree.items():
        if isinstance(entry, File):
            found.setdefault(os.lstat(root / path).st_ino, set()).add(path)
    return found


def modes(root: Path) -> set[int]:
    """Return the permission bits of all files and folders below `root`, except links."""
    return {stat.S_IMODE(os.lstat(path).st_mode) for path in root.rglob("*") if not path.is_symlink()}


def _described(entry: Entry) -> tuple[object, ...]:
    if isinstance(entry, File):
        return ("file", entry.read(), entry.executable)
    if isinstance(entry, Symlink):
        return ("symlink", entry.target)
    return (type(entry).__name__.lower(),)


def family(store: Store) -> list[StoreObject]:
    """Three objects: one for itself, one that mentions it and itself, one that mentions both."""
    one, two, three = Tree(), Tree(), Tree()
    one.text("bin/hello", "#!/bin/sh\necho hello\n", executable=True)
    first = store.add("one", one)
    two.text("self", f"{placeholder('two')} {first.path}")
    second = store.add("two", two, [first])
    three.symlink("a", first.path)
    three.symlink("b", second.path)
    third = store.add("three", three, [first, second])
    return [third, first, second]
