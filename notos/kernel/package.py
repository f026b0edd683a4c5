"""Debian's kernel packages as trees of vmlinuz, config and modules."""

import re

from notos.architecture import Architecture
from notos.errors import KernelError
from notos.formats.tree import Tree


def shape(package: Tree, target: Architecture) -> Tree:
    """Return the tree of a kernel package with the layout vmlinuz, config and lib/modules/RELEASE/….

    Raises KernelError unless the package has exactly one kernel.
    """
    tree = Tree()
    for path, entry in package.items():
        if path.startswith("boot/vmlinuz-"):
            tree.add("vmlinuz", entry)
        elif path.startswith("boot/config-"):
            tree.add("config", entry)
        elif path.startswith("usr/lib/modules/"):
            tree.add(path.removeprefix("usr/"), entry)
    for name in ("vmlinuz", "config", "lib/modules"):
        if name not in tree:
            raise KernelError(
                f"kernel.package has no {name}",
                hint=f"use a package such as {target.general_kernel_package}",
                keys=("kernel", "package"),
            )
    return tree


def version(release: str) -> str:
    """Return the kernel's version in a release: 6.12.107 for 6.12.107+deb13-cloud."""
    match = re.match(r"\d+(\.\d+)*", release)
    return match[0] if match else release
