"""What is in the initrd: the closure of stage-1 at its store paths, and /init. Packing is cpio_writer's."""

from collections.abc import Sequence

from notos.store import Store, StoreObject
from notos.tree import Tree


def tree(store: Store, closure: Sequence[StoreObject], stage1: StoreObject) -> Tree:
    """The root of the initrd: nix/store/… for each object of `closure`, /init, and a console.

    The kernel opens /dev/console for init before there is a devtmpfs; without the node init would
    start with no output at all (Documentation/filesystems/ramfs-rootfs-initramfs.rst).
    """
    root = Tree()
    for each in closure:
        root.graft(each.path.lstrip("/"), Tree.from_directory(store.location(each)))
    for folder in ("mnt", "proc", "sys"):
        root.directory(folder)
    root.symlink("init", f"{stage1.path}/init")
    root.device("dev/console", "c", 5, 1)
    return root
