"""The content of root.squashfs: the toplevel's closure and its registration; formats/squashfs packs it."""

from collections.abc import Sequence

from notos.formats.tree import Tree
from notos.store.store import Store, StoreObject, registration

REGISTRATION = "nix-path-registration"


def tree(store: Store, closure: Sequence[StoreObject]) -> Tree:
    """Return the root of the image: objects of `closure` by their base names, and Nix's registration."""
    root = Tree()
    for each in closure:
        root.graft(each.base, Tree.from_directory(store.location(each)))
    root.file(REGISTRATION, registration(closure))
    return root
