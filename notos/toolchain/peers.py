"""Real programs of Debian's, to judge and to measure ours by: a tools tree beside those of the build."""

from collections.abc import Iterable, Sequence
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
    """The packages `names` with their libraries, unpacked in the archive's cache; `kept` keeps their lock.

    `closure` says what belongs to them besides (resolve.py); "depends" is what they depend on in Debian.
    """
    cache = archive.cache

    def bring(packages: Sequence[LockedPackage]) -> None:
        where = archive.mirrors
        download.fetch([each.download(where) for each in packages], cache, proxies=where.proxies)

    kept.parent.mkdir(parents=True, exist_ok=True)
    locked = resolve(
        {SET: dict.fromkeys(names, Request(closure))},
        suite=archive.debian.suite,
        base=lockfile.read(kept),
        archive=archive,
        cache=cache,
        fetch=bring,
    )
    lockfile.write(kept, locked)
    packages = locked.set(SET)
    key = tools_tree.key(each.sha256 for each in packages)
    if not cache.tools(key).exists():
        bring(packages)
    return tools_tree.ensure(cache, key, [Unpack(cache.download(each.sha256)) for each in packages])
