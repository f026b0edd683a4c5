"""Tools trees: the programs that a build runs, from locked packages, unpacked in the cache.

    <cache>/tools/<key>/usr/sbin/depmod …     key: the packages' hashes, so a tree is by content

A program of Debian's does not start under an older host's libc: it is run through its own tree's
ld.so. Nothing is taken from the host's PATH.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from notos import atomic
from notos.cache import Cache
from notos.config.model import Package
from notos.debian.unpack import ALIASED, Unpack, unpack
from notos.errors import ToolError

LAYOUT = 1  # counts up when a tree's contents change for the same packages
LOADER = "usr/lib64/ld-linux-x86-64.so.2"
LIBRARIES = "usr/lib/x86_64-linux-gnu"
ALTERNATIVES = {"usr/bin/awk": "mawk"}  # links that a package makes when it is installed


@dataclass(frozen=True)
class ToolsTree:
    """An unpacked tree; `root` is the folder that would be / on a machine that had it."""

    root: Path

    def command(self, program: str) -> list[str]:
        """The words that run `program`, a bare name, from this tree on any host."""
        for folder in ("usr/bin", "usr/sbin"):
            path = self.root / folder / program
            if path.exists():
                loader = [str(self.root / LOADER), "--library-path", str(self.root / LIBRARIES)]
                return [*loader, "--argv0", program, str(path)]
        raise ToolError(
            f"no {program} in the tools tree {self.root}", hint="remove that folder; it is made anew"
        )


def key(sha256s: Iterable[str], packages: Iterable[Package] = (), keep: Sequence[str] = ()) -> str:
    """What names the tree of the packages with these hashes, taken as `packages` say: 32 hex digits.

    `keep` is what is otherwise left out of packages (packages.OPTIONAL).
    """
    narrowed = [f"{each.name} {each.only} {each.exclude}" for each in packages if each.only or each.exclude]
    words = [f"layout {LAYOUT}", *sorted(sha256s), *sorted(narrowed), *(f"keep {each}" for each in keep)]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]


def ensure(cache: Cache, name: str, debs: Sequence[Unpack], keep: Sequence[str] = ()) -> ToolsTree:
    """Return the tree of `debs`, whose key is `name`; unpack it if the cache lacks it."""
    tree = ToolsTree(cache.tools(name))
    if tree.root.is_dir():
        return tree
    unpacked = unpack(debs, keep=keep, jobs=os.cpu_count() or 1)
    for link, target in ALTERNATIVES.items():
        if link not in unpacked and f"{link.rpartition('/')[0]}/{target}" in unpacked:
            unpacked.symlink(link, target)
    with atomic.folder(tree.root) as new:
        unpacked.write_to(new)
        for alias in ALIASED:
            # base-files has these links itself.
            if (new / "usr" / alias).is_dir() and not (new / alias).is_symlink():
                (new / alias).symlink_to(f"usr/{alias}")
    return tree
