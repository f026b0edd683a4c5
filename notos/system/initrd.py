"""The content of the initrd: the closure of stage-1 at its store paths, and /init; formats/cpio packs it."""

from collections.abc import Sequence

from notos.formats.tree import Tree
from notos.store.store import Store, StoreObject

LARGE = 1 << 16  # bytes of NAR; larger objects are packed separately, and again only after a change


def trees(store: Store, closure: Sequence[StoreObject], stage1: StoreObject) -> list[Tree]:
    """Return the root of the initrd as archives: /init and small objects first, then each large object.

    Objects are at nix/store/…. The kernel opens /dev/console for init before devtmpfs is mounted; without the
    node, init would have no output (Documentation/filesystems/ramfs-rootfs-initramfs.rst).
    """
    root = Tree()
    for folder in ("mnt", "proc", "sys"):
        root.directory(folder)
    root.symlink("init", f"{stage1.path}/init")
    root.device("dev/console", "c", 5, 1)
    archives = [root]
    for each in closure:
        if each.nar_size >= LARGE:
            archives.append(Tree())
        place = archives[-1] if each.nar_size >= LARGE else root
        place.graft(each.path.lstrip("/"), Tree.from_directory(store.location(each)))
    return archives
