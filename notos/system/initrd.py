"""What is in the initrd: the closure of stage-1 at its store paths, and /init. formats/cpio packs it."""

from collections.abc import Sequence

from notos.formats.tree import Tree
from notos.store.store import Store, StoreObject

LARGE = 1 << 16  # bytes of NAR; what is packed by itself, to be packed again only when it changes


def trees(store: Store, closure: Sequence[StoreObject], stage1: StoreObject) -> list[Tree]:
    """The root of the initrd, in archives: /init and small objects first, then each large one.

    All stand at nix/store/…. The kernel opens /dev/console for init before there is a devtmpfs; without
    the node init would start with no output at all (Documentation/filesystems/ramfs-rootfs-initramfs.rst).
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
