"""The folder node_modules of a program, as `npm ci --ignore-scripts` makes it, from tarballs in the cache.

Like npm, it leaves out links in tarballs and the first part of each path.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from notos.cache import Cache
from notos.debian.download import Download, Progress, fetch
from notos.errors import PackageError
from notos.formats import tar
from notos.programs import inside
from notos.programs.kinds import failed
from notos.programs.npm_lock import NpmLock, NpmPackage

_FILES = (b"0", b"\0", b"7", b"")
_CHUNK = 1 << 16
_SHEBANG = re.compile(rb"(#![^\n]+)\r\n")


def download(lock: NpmLock, cache: Cache, progress: Callable[[Progress], None] | None) -> None:
    """Fetch the tarballs that the cache lacks. Raises FetchError."""
    fetch(
        [
            Download(
                f"{each.name} {each.version}",
                each.urls[0],
                None,
                each.digest,
                gone="npm's configuration names the registry; `npm config get registry` shows it",
                wrong="somebody changed the package; `npm install --package-lock-only` locks it again",
                unreachable="npm's configuration names the registry; `npm config get registry` shows it",
                others=each.urls[1:],
                algorithm=each.algorithm,
            )
            for each in lock.packages
        ],
        cache,
        progress=progress,
    )


def lay_out(name: str, lock: NpmLock, cache: Cache, folder: Path) -> None:
    """Unpack all packages below `folder`, the source of the program `name`, and add links and programs.

    Raises NotosError, OSError.
    """
    for each in sorted(lock.packages, key=lambda each: each.path):
        title = f"the tarball of {each.name} {each.version}"
        with _named(name, title):
            _unpack(cache.download(each.digest, each.algorithm), _new(folder, each.path))
    for path, target in lock.links.items():
        with _named(name, f"the link {path}"):
            link = _new(folder, path)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(inside.real(folder, folder / target), link.parent))
    for path in sorted({each.path for each in lock.packages} | lock.links.keys()):
        programs = lock.programs.get(lock.links.get(path, path), {})
        for program, file in programs.items():
            with _named(name, f"the program {program} of {path}"):
                _link_program(folder, path, program, file)


@contextmanager
def _named(name: str, title: str) -> Iterator[None]:
    """Raise an error with the program's name and `title` for one that the files of a lock cause."""
    try:
        yield
    except (PackageError, OSError, ValueError) as error:
        raise failed(name, f"{title}: {error}") from error


def _new(folder: Path, path: str) -> Path:
    """Return the place of a package or link in the source `folder`. Raises ValueError outside of it."""
    place = folder / path
    if place.is_symlink():
        raise ValueError("a link is in its place")
    return inside.real(folder, place)


def development(lock: NpmLock) -> Iterator[str]:
    """Yield the folders of packages that only the build needs."""
    for each in lock.packages:
        if each.development:
            yield each.path


def with_scripts(lock: NpmLock) -> list[NpmPackage]:
    """Return the packages whose scripts for installation do not run."""
    return [each for each in lock.packages if each.scripts and not each.development]


def _unpack(tarball: Path, place: Path) -> None:
    """Write the files of a tarball below `place`. Raises PackageError, OSError."""

    def pieces() -> Iterator[bytes]:
        with tarball.open("rb") as stream:
            while piece := stream.read(_CHUNK):
                yield piece

    place.mkdir(parents=True, exist_ok=True)
    reader = tar.Reader(pieces(), ".gz", pax=True, open_end=True)
    for header in reader:
        parts = tar.normal(header.name).split("/")[1:]
        if header.kind not in _FILES or not parts:
            continue
        if ".." in parts or header.name.startswith("/"):
            raise PackageError(f"invalid path {header.name!r}")
        path = place.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(reader.read())
        path.chmod(0o755 if header.mode & 0o100 else 0o644)


def _link_program(folder: Path, package: str, program: str, file: str) -> None:
    """Make node_modules/.bin/PROGRAM, and the file that it leads to executable (bin-links of npm)."""
    above, _, inner = package.rpartition("node_modules/")
    name = program.rpartition("/")[2]
    target = os.path.normpath(f"{inner}/{file}")
    place = folder / f"{above}node_modules" / target
    if not target.startswith(f"{inner}/") or name in ("", ".", "..") or not place.is_file():
        return
    real = inside.real(folder, place)
    link = inside.real(folder, folder / f"{above}node_modules/.bin") / name
    link.parent.mkdir(exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(f"../{target}")
    real.chmod(0o755)
    data = real.read_bytes()
    if _SHEBANG.match(data):
        real.write_bytes(_SHEBANG.sub(rb"\1\n", data, count=1))
