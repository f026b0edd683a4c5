"""What the programs in a .deb need and which libraries it has, kept in the cache so as to be read once."""

import json
import posixpath
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from notos import atomic
from notos.cache import Cache
from notos.debian import deb
from notos.debian.unpack import merged, unwanted
from notos.errors import PackageError
from notos.formats import elf
from notos.formats.shared_libraries import FOLDERS, X86_64, expand
from notos.formats.tree import File, Symlink

FORMAT = 2
LARGE = 4 << 20  # bytes of a .deb; from some such size on they have several blocks


@dataclass(frozen=True)
class Need:
    """A library that the file at `path` needs, and the folders where ld.so(8) looks before its own."""

    path: str
    soname: str
    folders: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """What a package's ELF files need, and its libraries: the folders that have each file name."""

    needs: tuple[Need, ...] = ()
    libraries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def offers(self, need: Need) -> bool:
        """Whether ld.so finds the library here."""
        folders = self.libraries.get(need.soname, ())
        return any(each in FOLDERS or each in need.folders for each in folders)

    def narrowed(self, wanted: Callable[[str], bool]) -> "Facts":
        """The facts of those files whose (usr-merged) paths are `wanted`."""
        libraries = {
            name: tuple(folder for folder in folders if wanted(f"{folder}/{name}"))
            for name, folders in self.libraries.items()
        }
        return Facts(
            tuple(each for each in self.needs if wanted(each.path)),
            {name: folders for name, folders in libraries.items() if folders},
        )

    def holds(self, need: Need) -> bool:
        """Whether the library is here at all, be it in a folder where ld.so does not look."""
        return need.soname in self.libraries


def known(sha256: str, cache: Cache) -> Facts | None:
    """The facts of the .deb with this hash if it has been read before."""
    try:
        kept = json.loads(cache.facts(sha256).read_bytes())
        if kept["format"] != FORMAT:
            return None
        return Facts(
            needs=tuple(
                Need(path, soname, tuple(folders))
                for path, sonames, folders in kept["needs"]
                for soname in sonames
            ),
            libraries={name: tuple(folders) for name, folders in kept["libraries"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None  # not there, or damaged: what is in the cache can be made again


def read(sha256s: Iterable[str], cache: Cache, *, jobs: int = 2) -> dict[str, Facts]:
    """Read the .debs with these hashes, which are in the cache. Raises PackageError."""
    wanted = sorted(set(sha256s))
    # A large one keeps all cores busy by itself; two at a time would take more memory than all the rest.
    large = [each for each in wanted if cache.download(each).stat().st_size >= LARGE]
    found = {each: _read(each, cache) for each in large}
    small = [each for each in wanted if each not in found]
    with ThreadPoolExecutor(jobs) as pool:
        found.update(zip(small, pool.map(lambda each: _read(each, cache), small), strict=True))
    return found


def _read(sha256: str, cache: Cache) -> Facts:
    needs: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
    libraries: dict[str, list[str]] = {}
    out = unwanted(())
    tree = deb.read(cache.download(sha256), wanted=lambda path: not out(merged(path)), kept=_summary)
    for place, entry in tree.items():
        path = merged(place)
        folder, _, name = path.rpartition("/")
        ours = isinstance(entry, Symlink)
        if isinstance(entry, File) and (summary := entry.read()):
            ours = True
            needed, runpath = json.loads(summary)
            if needed:
                folders = (posixpath.normpath(expand(each, folder)) for each in runpath)
                needs.append((path, tuple(needed), tuple(folders)))
        if ours and ".so" in name:
            libraries.setdefault(name, []).append(folder)
    facts_file = cache.facts(sha256)
    facts_file.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(facts_file, json.dumps({"format": FORMAT, "needs": needs, "libraries": libraries}))
    facts = known(sha256, cache)
    assert facts is not None
    return facts


def _summary(data: bytes) -> bytes:
    """What a file needs and where it looks for it; nothing for what ld.so would not run.

    Test data, and firmware that only looks like ELF, can be broken: that is not our business. Kept in
    place of the file, so that a large package does not have to fit into memory.
    """
    try:
        parsed = elf.parse(data)
    except PackageError:
        return b""
    if parsed is None or parsed.machine != X86_64:
        return b""
    return json.dumps([parsed.needed, parsed.runpath]).encode()
