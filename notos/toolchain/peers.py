"""A tools tree of reference programs from Debian, for tests and benchmarks. No build uses it."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from notos.debian import download
from notos.debian.archive import Archive
from notos.debian.package import LockedPackage
from notos.debian.unpack import Unpack
from notos.lock import lockfile
from notos.lock.request import Request
from notos.lock.resolve import resolve
from notos.toolchain import tools_tree
from notos.toolchain.tools_tree import ToolsTree

SET = "tools/test"


def tree(names: Iterable[str], archive: Archive, kept: Path, *, closure: str = "elf") -> ToolsTree:
    """Return a tools tree of the packages `names` with their libraries, in the archive's cache.

    `kept` is the path of their lock file, which is read and written. `closure` is one of resolve.py; with
    "depends", the tree includes all Debian dependencies.
    """
    packages = locked(dict.fromkeys(names, Request(closure)), archive, kept)
    cache, key = archive.cache, tools_tree.key(each.sha256 for each in packages)
    if not cache.tools(key).exists():
        fetch(packages, archive)
    return tools_tree.ensure(
        cache, key, archive.architecture, [Unpack(cache.download(each.sha256)) for each in packages]
    )


def locked(requests: Mapping[str, Request], archive: Archive, kept: Path) -> tuple[LockedPackage, ...]:
    """Return the packages of a tree for `requests`. `kept` is the path of their lock file."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    found = resolve(
        {SET: requests},
        suite=archive.debian.suite,
        base=lockfile.read(kept),
        archive=archive,
        cache=archive.cache,
        fetch=partial(fetch, archive=archive),
    )
    lockfile.write(kept, found)
    return found.set(SET)


def fetch(packages: Sequence[LockedPackage], archive: Archive) -> None:
    """Download packages into the archive's cache."""
    mirrors = archive.mirrors
    download.fetch([each.download(mirrors) for each in packages], archive.cache, proxies=mirrors.proxies)
