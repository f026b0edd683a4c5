"""Tools trees: locked packages with the programs that a build runs, unpacked in the cache.

    <cache>/tools/<key>/usr/sbin/depmod …     <key> is a hash of the packages' hashes

Debian's programs do not start with an older libc of the host. They are therefore run through the ld.so of
their tree. The host's PATH is not used.
"""

import hashlib
import os
import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from notos import atomic
from notos.architecture import Architecture
from notos.cache import Cache
from notos.config.model import Package
from notos.debian.unpack import Unpack, unpack
from notos.errors import ToolError
from notos.formats.tree import Symlink
from notos.formats.usr_merge import ALIASED

LAYOUT = 2  # increment when a tree's contents change for the same packages
ALTERNATIVES = {"usr/bin/awk": "mawk"}  # links that maintainer scripts make (update-alternatives(1))


@dataclass(frozen=True)
class ToolsTree:
    """An unpacked tree; its folder `root` corresponds to /.

    `build` is the architecture of its programs, which is this computer's.
    """

    root: Path
    build: Architecture

    @property
    def loader(self) -> Path:
        """The loader, ld.so(8)."""
        return self.root / "usr" / self.build.loader.lstrip("/")

    @property
    def libraries(self) -> Path:
        """The folder of its libraries."""
        return self.root / self.build.libraries

    def command(self, program: str) -> list[str]:
        """Return the command line that runs `program`, a file name, from this tree on any host.

        Raises ToolError if the tree lacks it.
        """
        for folder in ("usr/bin", "usr/sbin"):
            path = self.root / folder / program
            if path.exists():
                loader = [str(self.loader), "--library-path", str(self.libraries)]
                return [*loader, "--argv0", program, str(path)]
        raise ToolError(
            f"no {program} in the tools tree {self.root}", hint="remove that folder and build again"
        )


def key(sha256s: Iterable[str], packages: Iterable[Package] = (), keep: Sequence[str] = ()) -> str:
    """Return the key of the tree of the packages with these hashes: 32 hex digits.

    `packages` may narrow their files by `only` and `exclude`. `keep` names optional files to keep
    (debian/kinds.py).
    """
    narrowed = [f"{each.name} {each.only} {each.exclude}" for each in packages if each.only or each.exclude]
    words = [f"layout {LAYOUT}", *sorted(sha256s), *sorted(narrowed), *(f"keep {each}" for each in keep)]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]


def ensure(
    cache: Cache, name: str, build: Architecture, debs: Sequence[Unpack], keep: Sequence[str] = ()
) -> ToolsTree:
    """Return the tree of `debs`, whose key is `name`; unpack it if the cache lacks it.

    `build` is the architecture of the packages.
    """
    tree = ToolsTree(cache.tools(name), build)
    if tree.root.is_dir():
        return tree
    unpacked = unpack(debs, keep=keep, jobs=os.cpu_count() or 1)
    for link, target in ALTERNATIVES.items():
        if link not in unpacked and f"{link.rpartition('/')[0]}/{target}" in unpacked:
            unpacked.symlink(link, target)
    # The programs run on this host too, where an absolute link leads out of the tree.
    for path, entry in list(unpacked.items()):
        if isinstance(entry, Symlink) and entry.target.startswith("/"):
            place = posixpath.normpath(entry.target).lstrip("/")
            unpacked.replace(path, Symlink("../" * path.count("/") + place or "."))
    for alias in ALIASED:
        # Newer versions of the package base-files have these links.
        if f"usr/{alias}" in unpacked and alias not in unpacked:
            unpacked.symlink(alias, f"usr/{alias}")
    with atomic.folder(tree.root) as new:
        unpacked.write_to(new)
    return tree
