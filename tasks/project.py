"""The store of this build, and the manifests by which tasks pass objects on."""

from collections.abc import Iterable
from pathlib import Path

from notos.formats.tree import Tree
from notos.store.store import Store, StoreObject
from tasks.config import build, manifest
from tasks.targets import write_if_changed

STORE = Store(Path(build("store")))


def add(task: str, name: str, tree: Tree, references: Iterable[str] = ()) -> StoreObject:
    """Add `tree` to the store as an object called `name`, and write its manifest, the target of `task`.

    `references` are the tasks whose objects it may refer to.
    """
    STORE.root.mkdir(parents=True, exist_ok=True)
    obj = STORE.add(name, tree, [get(each) for each in references])
    write_if_changed(manifest(task), obj.to_json())
    return obj


def get(task: str) -> StoreObject:
    """Return the object of `task`."""
    return StoreObject.from_json(Path(manifest(task)).read_bytes())


def tree(task: str) -> Tree:
    """Return the tree of the object of `task`."""
    return STORE.tree(get(task))
