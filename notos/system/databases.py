"""Databases that Debian's triggers make with programs of the packages, made while the system is built.

The programs are the machine's own, run through its ld.so as by bytecode.py, over a copy of the files that
they read. The results depend only on these files, and are kept in the cache:

    <cache>/databases/ab/abcdef…    a sha256, and the files with that hash: JSON, contents in base64 by path
"""

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from notos import atomic
from notos.architecture import Architecture
from notos.cache import Cache
from notos.debian.kinds import matcher
from notos.errors import ClosureError
from notos.formats import shared_libraries
from notos.formats.tree import File, Tree
from notos.process import run

_LIBRARIES = "libraries"  # the folder of the libraries that a program loads
_LAYOUT = 1  # increment when the results change for the same files


@dataclass(frozen=True)
class Database:
    """A database: globs of the program and of the files that it reads, its arguments, and its result.

    {lib} is the folder of libraries, {root} in `arguments` and `environment` the folder that stands for /.
    `printed` is the path of the result if the program prints it; otherwise the results are new files in
    `folder`. If `modules` is True, the program loads the files, which are libraries.
    """

    program: str
    reads: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    folder: str = ""
    printed: str = ""
    modules: bool = False


_PIXBUF = "{lib}/gdk-pixbuf-2.0"
_GTK = "{lib}/gtk-3.0/3.0.0"
DATABASES = (
    # Names and properties of hardware for udev: hwdb(7). systemd-hwdb would add the paths of the sources.
    Database(
        program="usr/bin/udevadm",
        reads=("usr/lib/udev/hwdb.d/*.hwdb",),
        arguments=("hwdb", "--update", "--usr", "--root={root}"),
        folder="usr/lib/udev",
    ),
    # MIME types: shared-mime-info(5)
    Database(
        program="usr/bin/update-mime-database",
        reads=("usr/share/mime/packages/*.xml",),
        arguments=("{root}/usr/share/mime",),
        environment=(("PKGSYSTEM_ENABLE_FSYNC", "0"),),
        folder="usr/share/mime",
    ),
    # Programs by the MIME types of their files
    Database(
        program="usr/bin/update-desktop-database",
        reads=("usr/share/applications/*.desktop",),
        arguments=("{root}/usr/share/applications",),
        folder="usr/share/applications",
    ),
    # Settings of GLib's programs
    Database(
        program="{lib}/glib-2.0/glib-compile-schemas",
        reads=("usr/share/glib-2.0/schemas/*.xml", "usr/share/glib-2.0/schemas/*.gschema.override"),
        arguments=("{root}/usr/share/glib-2.0/schemas",),
        folder="usr/share/glib-2.0/schemas",
    ),
    # Modules of GIO: without the list, each program loads all of them
    Database(
        program="{lib}/glib-2.0/gio-querymodules",
        reads=("{lib}/gio/modules/*.so",),
        arguments=("{root}/{lib}/gio/modules",),
        folder="{lib}/gio/modules",
        modules=True,
    ),
    # Formats of images
    Database(
        program=f"{_PIXBUF}/gdk-pixbuf-query-loaders",
        reads=(f"{_PIXBUF}/2.10.0/loaders/*.so",),
        environment=(("GDK_PIXBUF_MODULEDIR", f"{{root}}/{_PIXBUF}/2.10.0/loaders"),),
        printed=f"{_PIXBUF}/2.10.0/loaders.cache",
        modules=True,
    ),
    # Input methods of GTK 3
    Database(
        program="{lib}/libgtk-3-0*/gtk-query-immodules-3.0",
        reads=(f"{_GTK}/immodules/*.so",),
        environment=(("GTK_PATH", f"{{root}}/{_GTK}"),),
        printed=f"{_GTK}/immodules.cache",
        modules=True,
    ),
)


def add(packages: Tree, target: Architecture, cache: Cache) -> None:
    """Add the databases to `packages` (in the layout of unpack()) whose programs and files it has.

    Raises ClosureError, ToolError.
    """
    for each in DATABASES:
        program = next(iter(_matching(packages, [each.program], target)), None)
        if program is None:
            continue
        for path, data in _made(each, packages, program, target, cache).items():
            if path not in packages:
                packages.file(path, data)


def _matching(packages: Tree, globs: Iterable[str], target: Architecture) -> Iterator[str]:
    """Yield the files that match a glob; * does not match a slash."""
    filled = tuple(_filled(glob, target) for glob in globs)
    match = matcher(filled)
    depths = {glob.count("/") for glob in filled}
    for path, entry in packages.items():
        if path.count("/") in depths and isinstance(entry, File) and match(path):
            yield path


def _filled(text: str, target: Architecture, root: Path | None = None) -> str:
    return text.replace("{lib}", target.libraries).replace("{root}", str(root))


def _made(
    database: Database, packages: Tree, program: str, target: Architecture, cache: Cache
) -> dict[str, bytes]:
    """Return the files of a database by path, from the cache or made."""
    reads = list(_matching(packages, database.reads, target))
    if not reads:
        return {}
    if database.modules:
        reads = [path for path in reads if _is_complete(packages, path, target)]
    files = [program, *reads]
    needs = shared_libraries.closure(packages, files if database.modules else [program], target)
    digest = hashlib.sha256(f"{_LAYOUT} {database}".encode())
    for path in (*files, *needs.values()):
        digest.update(f"\0{path}\0{hashlib.sha256(_file(packages, path).read()).hexdigest()}".encode())
    place = cache.database(digest.hexdigest())
    found = _cached(place)
    if found is None:
        tree = Tree()
        for path in dict.fromkeys(files):
            tree.add(path, _file(packages, path))
        for soname, path in needs.items():
            tree.file(f"{_LIBRARIES}/{soname}", _file(packages, path).content, executable=True)
        found = _run(database, tree, program, reads, target)
        text = json.dumps({path: base64.b64encode(data).decode() for path, data in found.items()}).encode()
        place.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(place, hashlib.sha256(text).digest() + text)
    return found


def _file(packages: Tree, path: str) -> File:
    entry = packages.get(path)
    assert isinstance(entry, File), path
    return entry


def _is_complete(packages: Tree, path: str, target: Architecture) -> bool:
    """Return True if the machine has all libraries of a module."""
    try:
        shared_libraries.closure(packages, [path], target)
    except ClosureError:
        return False
    return True


def _cached(place: Path) -> dict[str, bytes] | None:
    try:
        kept = place.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(kept[32:]).digest() != kept[:32]:
        return None
    return {path: base64.b64decode(data) for path, data in json.loads(kept[32:]).items()}


def _run(
    database: Database, tree: Tree, program: str, reads: Sequence[str], target: Architecture
) -> dict[str, bytes]:
    """Return the files that the program makes of the files `reads` in `tree`, by path."""
    with tempfile.TemporaryDirectory(prefix="notos-database-") as scratch:
        root = Path(scratch)
        tree.write_to(root)
        libraries = root / _LIBRARIES
        folder = _filled(database.folder, target)
        printed = run(
            [
                *(libraries / target.loader_name, "--library-path", libraries, root / program),
                *(_filled(each, target, root) for each in database.arguments),
                *(root / path for path in reads if database.printed and database.modules),
            ],
            env={
                **{"LC_ALL": "C.UTF-8", "HOME": "/nonexistent"},
                **{name: _filled(value, target, root) for name, value in database.environment},
            },
        )
        if database.printed:
            return {_filled(database.printed, target): printed.replace(os.fsencode(root), b"")}
        made = Tree.from_directory(root / folder)
        files = ((f"{folder}/{path}", entry) for path, entry in made.items() if isinstance(entry, File))
        return {path: entry.read() for path, entry in files if path not in tree}
