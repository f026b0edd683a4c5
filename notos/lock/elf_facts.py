"""The libraries that a .deb has and those that its ELF files need; cached, so each .deb is read once."""

import json
import posixpath
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from notos import atomic
from notos.architecture import Architecture
from notos.cache import Cache
from notos.debian import deb
from notos.debian.kinds import unwanted
from notos.errors import PackageError
from notos.formats import elf
from notos.formats.shared_libraries import expand
from notos.formats.tree import File, Symlink
from notos.formats.usr_merge import merged

FORMAT = 3
LARGE = 4 << 20  # bytes; larger .debs have several xz blocks


@dataclass(frozen=True)
class Need:
    """A library that the file at `path` needs. ld.so(8) searches `folders` before the default folders."""

    path: str
    soname: str
    folders: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """The libraries that a package's ELF files need, and its own libraries: their folders by file name.

    `folders` are those where ld.so looks by default.
    """

    needs: tuple[Need, ...] = ()
    libraries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    folders: tuple[str, ...] = ()

    def offers(self, need: Need) -> bool:
        """Return True if ld.so finds the library in this package."""
        folders = self.libraries.get(need.soname, ())
        return any(each in self.folders or each in need.folders for each in folders)

    def narrowed(self, wanted: Callable[[str], bool]) -> "Facts":
        """Return the facts of only those files whose usr-merged paths are `wanted`."""
        libraries = {
            name: tuple(folder for folder in folders if wanted(f"{folder}/{name}"))
            for name, folders in self.libraries.items()
        }
        return Facts(
            tuple(each for each in self.needs if wanted(each.path)),
            {name: folders for name, folders in libraries.items() if folders},
            self.folders,
        )

    def holds(self, need: Need) -> bool:
        """Return True if the package has the library, even in a folder that ld.so does not search."""
        return need.soname in self.libraries


def known(sha256: str, cache: Cache, architecture: Architecture) -> Facts | None:
    """Return the cached facts of the .deb with this hash, for `architecture`; None if there are none."""
    try:
        kept = json.loads(cache.facts(sha256).read_bytes())
        if kept["format"] != FORMAT:
            return None
        return Facts(
            needs=tuple(
                Need(path, soname, tuple(map(merged, folders)))
                for path, sonames, folders in kept["needs"]
                for soname in sonames
            ),
            libraries={name: tuple(folders) for name, folders in kept["libraries"].items()},
            folders=architecture.library_folders,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None  # missing or damaged: the .deb is read again


def read(
    sha256s: Iterable[str], cache: Cache, architecture: Architecture, *, jobs: int = 2
) -> dict[str, Facts]:
    """Read the .debs with these hashes from the cache; return their facts by hash. Raises PackageError.

    They are packages of `architecture`.
    """
    wanted = sorted(set(sha256s))
    # A large .deb alone keeps all cores busy, and two at the same time would double the peak memory.
    large = [each for each in wanted if cache.download(each).stat().st_size >= LARGE]
    found = {each: _read(each, cache, architecture) for each in large}
    small = [each for each in wanted if each not in found]
    with ThreadPoolExecutor(jobs) as pool:
        found.update(zip(small, pool.map(lambda each: _read(each, cache, architecture), small), strict=True))
    return found


def _read(sha256: str, cache: Cache, architecture: Architecture) -> Facts:
    needs: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
    libraries: dict[str, list[str]] = {}
    out = unwanted()
    tree = deb.read(
        cache.download(sha256),
        wanted=lambda path: not out(merged(path)),
        kept=partial(_summary, architecture),
    )
    for place, entry in tree.items():
        path = merged(place)
        folder, _, name = path.rpartition("/")
        usable = isinstance(entry, Symlink)
        if isinstance(entry, File) and (summary := entry.read()):
            usable = True
            needed, runpath = json.loads(summary)
            if needed:
                folders = (posixpath.normpath(expand(each, folder)) for each in runpath)
                needs.append((path, tuple(needed), tuple(folders)))
        if usable and ".so" in name:
            libraries.setdefault(name, []).append(folder)
    facts_file = cache.facts(sha256)
    facts_file.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(facts_file, json.dumps({"format": FORMAT, "needs": needs, "libraries": libraries}))
    facts = known(sha256, cache, architecture)
    assert facts is not None
    return facts


def _summary(architecture: Architecture, data: bytes) -> bytes:
    """Return DT_NEEDED and DT_RUNPATH of an ELF file as JSON; b"" for files that ld.so does not load.

    Invalid ELF files, such as test data or firmware, are ignored. The summary replaces the file's contents,
    so that a large package does not have to fit into memory.
    """
    try:
        parsed = elf.parse(data)
    except PackageError:
        return b""
    if parsed is None or parsed.kind != architecture.elf:
        return b""
    return json.dumps([parsed.needed, parsed.runpath]).encode()
