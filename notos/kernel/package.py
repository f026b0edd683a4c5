"""Debian's kernel packages as trees of vmlinuz, config and modules."""

import re

from notos.architecture import Architecture
from notos.errors import KernelError
from notos.formats.tree import Tree

# Files beside the modules; since Linux 7, packages have them in the modules' folder.
_OUTSIDE = re.compile(
    r"boot/(vmlinuz|config)-[^/]+|usr/lib/modules/[^/]+/(?:(vmlinuz|config)|System\.map)", re.DOTALL
)


def shape(package: Tree, target: Architecture) -> Tree:
    """Return the tree of a kernel package with the layout vmlinuz, config and lib/modules/RELEASE/….

    Raises KernelError unless the package has exactly one kernel.
    """
    tree = Tree()
    for path, entry in package.items():
        if match := _OUTSIDE.fullmatch(path):
            if match[1] or match[2]:
                tree.add(match[1] or match[2], entry)
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
