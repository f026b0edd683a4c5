"""The packages that builds of programs use, unpacked in the cache as the /usr and /etc of a sandbox.

    <cache>/tools/<key>/usr/bin/gcc …, etc/passwd …

They are those of the machine's release, in their own closure, so a build does not depend on other packages of
the machine. Programs with the same packages share a tree.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from notos import atomic
from notos.architecture import Architecture
from notos.cache import Cache
from notos.config.model import Package
from notos.debian.unpack import Unpack, unpack
from notos.formats.tree import File, Tree
from notos.integration import alternatives
from notos.integration.model import Context, installed
from notos.toolchain import tools_tree

_LAYOUT = "a build's tree 2"  # change it when a tree's contents change for the same packages
_KEEP = ("headers",)
_TEXTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
}
# Links that maintainer scripts make.
_LINKS = {"usr/bin/sh": "dash", "usr/bin/awk": "mawk"}


def key(sha256s: Iterable[str], packages: Iterable[Package]) -> str:
    """Return the key of the tree of the packages with these hashes: 32 hex digits.

    `packages` may narrow their files by `only` and `exclude`.
    """
    return tools_tree.key(sha256s, packages, keep=(_LAYOUT, *_KEEP))


def _authorities(tree: Tree) -> Iterator[bytes]:
    """Yield the certificates of the package ca-certificates."""
    for path, entry in tree.items():
        if path.startswith("usr/share/ca-certificates/") and isinstance(entry, File):
            yield entry.read()


def ensure(cache: Cache, name: str, debs: Sequence[Unpack], target: Architecture) -> Path:
    """Return the folder with the tree of `debs`, whose key is `name`; unpack it if the cache lacks it.

    Raises PackageError.
    """
    root = cache.tools(name)
    if root.is_dir():
        return root
    tree = unpack(debs, keep=_KEEP, jobs=os.cpu_count() or 1)
    alternatives.apply(tree, Context(target, installed(debs)))
    for path, target_name in _LINKS.items():
        if path not in tree and f"usr/bin/{target_name}" in tree:
            tree.symlink(path, target_name)
    made = Tree()
    for path, entry in tree.items():
        if path.partition("/")[0] in ("usr", "etc"):
            made.add(path, entry)
    for path, text in _TEXTS.items():
        made.replace(path, File(text.encode()))
    made.directory("etc/ssl/certs")  # where a sandbox with a network has those of this host
    if authorities := b"".join(_authorities(tree)):
        made.replace("etc/ssl/certs/ca-certificates.crt", File(authorities))  # Debian's pip always reads it
    with atomic.folder(root) as new:
        made.write_to(new)
    return root
