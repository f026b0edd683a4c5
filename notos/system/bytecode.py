"""Byte code of Python files, compiled by the machine's own Python while the system is built.

Debian's packages compile it in their maintainer scripts. Python cannot save it in a read-only /usr, and would
compile all imported modules at each start. The .pyc files are unchecked (PEP 552): they contain no time, and
Python does not read the source. Their bytes depend only on the source, its path and the version of Python.

The compiled files are kept in the cache, since most packages are the same in the next build:

    <cache>/bytecode/ab/abcdef…    a sha256 and the .pyc with that hash; no .pyc if it does not compile
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from notos import atomic
from notos.architecture import Architecture
from notos.cache import Cache
from notos.formats import shared_libraries
from notos.formats.tree import File, Tree
from notos.process import run
from notos.system import bytecode_compiler

_PROGRAM = re.compile(r"usr/bin/python3\.([0-9]+)")
_OWN = re.compile(r"usr/lib/python3\.([0-9]+)/")
# Never imported by name: read by gdb, or data.
_OTHERS = ("usr/share/doc/", "usr/share/gcc/", "usr/share/gdb/", "usr/share/python3/")


def add(packages: Tree, target: Architecture, cache: Cache) -> None:
    """Add the byte code of all Python files in `packages` (in the layout of unpack()).

    Do nothing without Python. Raises ClosureError, ToolError.
    """
    for path, data in compiled(packages, _sources(packages), target, cache).items():
        if path not in packages:
            packages.file(path, data)


def add_to_files(
    tree: Tree, root: str, paths: Iterable[str], *, system: Tree, target: Architecture, cache: Cache
) -> None:
    """Add the byte code of the Python files among `paths` to `tree`, whose root is the folder usr or opt.

    `root` is that folder, and `system` is the tree of /usr, with Python. The byte code of a package's file
    that a file of the config replaces is removed: Python would run it. Raises ClosureError, ToolError.
    """
    found = {
        path: entry for path in paths if path.endswith(".py") and isinstance(entry := tree.get(path), File)
    }
    packages = system.as_usr() if found else Tree()
    if (program := _program(packages)) is None:
        return
    sources = {f"{root}/{path}": entry.read() for path, entry in found.items()}
    made = compiled(packages, sources, target, cache)
    for source in sources:
        name = _name(source, program)
        path = name.removeprefix(f"{root}/")
        if name in made:
            tree.replace(path, File(made[name]))
        elif path in tree:
            tree.remove(path)


def compiled(
    packages: Tree, sources: Mapping[str, bytes], target: Architecture, cache: Cache
) -> dict[str, bytes]:
    """Return the .pyc files of `sources` by path; sources are by path without the leading slash.

    `packages` has the machine's Python; the result is empty without it, and lacks files that it cannot
    compile. Raises ClosureError, ToolError.
    """
    program = _program(packages)
    if program is None or not sources:
        return {}
    names = {path: _name(path, program) for path in sources}
    entry = packages.get(program)
    assert isinstance(entry, File)
    seed = hashlib.sha256(entry.read() + Path(bytecode_compiler.__file__).read_bytes()).digest()
    places = {path: cache.bytecode(_key(seed, path, data)) for path, data in sources.items()}
    found = {path: data for path, place in places.items() if (data := _cached(place)) is not None}
    missing = {path: data for path, data in sources.items() if path not in found}
    if missing:
        for path, data in _compile(packages, program, missing, target).items():
            found[path] = data
            places[path].parent.mkdir(parents=True, exist_ok=True)
            atomic.write(places[path], hashlib.sha256(data).digest() + data)
    return {names[path]: data for path, data in sorted(found.items()) if data}


def _program(packages: Tree) -> str | None:
    """Return the path of the Python that usr/bin/python3 leads to, else of the newest."""
    default = packages.resolve("usr/bin/python3")
    if default is not None and _PROGRAM.fullmatch(default):
        return default
    versions = [int(match[1]) for path, _ in packages.items() if (match := _PROGRAM.fullmatch(path))]
    return f"usr/bin/python3.{max(versions)}" if versions else None


def _sources(packages: Tree) -> dict[str, bytes]:
    """Return the Python files that programs may import, by path."""
    program = _program(packages)
    if program is None:
        return {}
    version = program.rpartition(".")[2]
    found = {}
    for path, entry in packages.items():
        if not path.endswith(".py") or not isinstance(entry, File):
            continue
        if not path.startswith(("usr/lib/", "usr/share/")) or path.startswith(_OTHERS):
            continue
        own = _OWN.match(path)
        if own is None or own[1] == version:
            found[path] = entry.read()
    return found


def _name(path: str, program: str) -> str:
    """Return the path of the .pyc of `path` (PEP 3147)."""
    folder, _, name = path.rpartition("/")
    tag = f"cpython-3{program.rpartition('.')[2]}"
    return f"{folder}/__pycache__/{name.removesuffix('.py')}.{tag}.pyc"


def _key(seed: bytes, path: str, data: bytes) -> str:
    return hashlib.sha256(seed + os.fsencode(path) + b"\0" + data).hexdigest()


def _cached(place: Path) -> bytes | None:
    try:
        kept = place.read_bytes()
    except OSError:
        return None
    return kept[32:] if hashlib.sha256(kept[32:]).digest() == kept[:32] else None


def _compile(
    packages: Tree, program: str, sources: Mapping[str, bytes], target: Architecture
) -> dict[str, bytes]:
    """Return the byte code by the path of the source; empty for a file that does not compile."""
    library = f"usr/lib/python3.{program.rpartition('.')[2]}/"
    tree = Tree()
    for path, entry in packages.items():
        if path == program or (path.startswith(library) and path.endswith(".py")):
            tree.add(path, entry)
    for soname, path in shared_libraries.closure(packages, [program], target).items():
        needed = packages.get(path)
        assert isinstance(needed, File)
        tree.file(f"libraries/{soname}", needed.content, executable=True)
    for number, data in enumerate(sources.values()):
        tree.file(f"sources/{number}", data)
    tree.directory("output")
    with tempfile.TemporaryDirectory(prefix="notos-bytecode-") as scratch:
        root = Path(scratch)
        tree.write_to(root)
        libraries = root / "libraries"
        run(
            [
                *(libraries / target.loader_name, "--library-path", libraries, root / program),
                *("-s", "-S", "-B", "-W", "ignore", bytecode_compiler.__file__),
                str(len(os.sched_getaffinity(0))),
            ],
            env={"PYTHONHOME": str(root / "usr"), "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"},
            input="".join(_rows(root, sources)).encode(errors="surrogateescape"),
        )
        made = [root / "output" / str(number) for number in range(len(sources))]
        return {
            path: place.read_bytes() if place.exists() else b""
            for path, place in zip(sources, made, strict=True)
        }


def _rows(root: Path, sources: Mapping[str, bytes]) -> Iterator[str]:
    for number, path in enumerate(sources):
        if not re.search(r"[\t\r\n\v\f\x1c-\x1e\x85\u2028\u2029]", path):
            yield f"{root}/sources/{number}\t/{path}\t{root}/output/{number}\n"
