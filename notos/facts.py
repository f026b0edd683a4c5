"""What the programs in a .deb need and which libraries it has, kept in the cache so as to be read once."""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from notos import deb, elf
from notos.cache import Cache
from notos.errors import PackageError
from notos.packages import merged, unwanted
from notos.tree import File, Symlink

FORMAT = 1
X86_64 = 62  # e_machine, System V gABI


@dataclass(frozen=True)
class Facts:
    """`needs`: by file, the sonames of its DT_NEEDED; `libraries`: names of files that could be one."""

    needs: dict[str, tuple[str, ...]]
    libraries: frozenset[str]


def read_all(sha256s: Iterable[str], cache: Cache, *, jobs: int = 2) -> dict[str, Facts]:
    """The facts of the .debs with these hashes, which are in the cache. Raises PackageError."""
    wanted = sorted(set(sha256s))
    with ThreadPoolExecutor(jobs) as pool:
        return dict(zip(wanted, pool.map(lambda each: read(each, cache), wanted), strict=True))


def read(sha256: str, cache: Cache) -> Facts:
    """The facts of one .deb. Raises PackageError."""
    place = cache.facts(sha256)
    try:
        kept = json.loads(place.read_bytes())
        if kept["format"] == FORMAT:
            needs = {path: tuple(names) for path, names in kept["needs"].items()}
            return Facts(needs, frozenset(kept["libraries"]))
    except (FileNotFoundError, ValueError, KeyError):
        pass
    facts = _read(sha256, cache)
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_suffix(".new")
    said = {"format": FORMAT, "needs": facts.needs, "libraries": sorted(facts.libraries)}
    beside.write_text(json.dumps(said))
    beside.replace(place)
    return facts


def _read(sha256: str, cache: Cache) -> Facts:
    needs: dict[str, tuple[str, ...]] = {}
    libraries: set[str] = set()
    out = unwanted(())
    tree = deb.read(cache.download(sha256), wanted=lambda path: not out(merged(path)))
    for path, entry in tree.items():
        name = path.rpartition("/")[2]
        if isinstance(entry, (File, Symlink)) and ".so" in name:
            libraries.add(name)
        if isinstance(entry, File):
            try:
                parsed = elf.parse(entry.read())
            except PackageError:
                continue  # test data, or firmware that only looks like ELF: nothing that ld.so would run
            if parsed is not None and parsed.machine == X86_64 and parsed.needed:
                needs[path] = parsed.needed
    return Facts(needs, frozenset(libraries))
