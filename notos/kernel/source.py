"""A kernel's source: a verified tarball, unpacked once into the cache, with patches applied.

    <cache>/source/<key>/Makefile …     key: the tarball's hash and the patches'

The folder never changes afterwards; builds write elsewhere.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from notos import atomic
from notos.cache import Cache
from notos.debian import deb
from notos.errors import KernelError, PackageError, ToolError
from notos.formats import names, tar
from notos.formats.tree import CHUNK, File
from notos.process import run
from notos.toolchain.sandbox import Sandbox
from notos.toolchain.tools_tree import ToolsTree

LAYOUT = 1  # increment when the folder's contents change for the same tarball
SUFFIXES = (".tar", ".tar.xz", ".tar.gz", ".tar.zst")
_MAGIC = {b"\xfd7zXZ\0": ".xz", b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst"}


def key(sha256: str, patches: Sequence[bytes] = ()) -> str:
    """Return the key of a patched source, 32 hex digits; `sha256` is the hash of its tarball or .deb."""
    words = [f"layout {LAYOUT}", sha256, *(hashlib.sha256(each).hexdigest() for each in patches)]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]


def ensure(cache: Cache, archive: Path, sha256: str, patches: Sequence[Path], tools: ToolsTree) -> str:
    """Ensure that the cache has the source of `archive` (a .deb or a tarball) with `patches`; return its key.

    Raises PackageError for an archive that is broken or leaves its folder, KernelError for a patch that does
    not apply.
    """
    name = key(sha256, [each.read_bytes() for each in patches])
    folder = cache.source(name)
    if folder.is_dir():
        return name
    plain = cache.source(key(sha256))
    if not plain.is_dir():
        with atomic.folder(plain) as new:
            try:
                unpack(archive, new)
            except PackageError as error:
                raise PackageError(
                    f"kernel source {archive.name[:16]}…: {error.message}", keys=("kernel", "source")
                ) from error
    if patches:
        with atomic.folder(folder) as new:
            shutil.copytree(plain, new, symlinks=True, copy_function=_linked, dirs_exist_ok=True)
            for each in patches:
                apply(each, new, tools)
    return name


def _linked(source: str, target: str) -> None:
    """Make a hard link: patch(1) writes a new file and renames it, so `source` keeps its contents."""
    os.link(source, target, follow_symlinks=False)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the contents of the only folder in `archive` into `folder`, with mtimes. Raises PackageError."""
    pieces, suffix = _tarball(archive)
    reader = tar.Reader(pieces, suffix, pax=True)
    now = int(time.time())
    folders = {""}
    top: str | None = None
    for header in reader:
        first, _, path = tar.normal(header.name).partition("/")
        if top is None:
            top = first
        if first != top or first in ("", ".."):
            raise PackageError(f"{header.name} is outside of {top or 'the'}/: a source must be one folder")
        if not path:
            continue
        path = os.fsdecode(names.encode(path))
        parts = path.split("/")
        if any(part in ("", ".", "..") for part in parts):
            raise PackageError(f"{header.name} is outside of the source's folder")
        parent = "/".join(parts[:-1])
        if parent not in folders:
            _make_folders(folder, parent, folders, header.name)
        place = f"{folder}/{path}"
        if header.kind == b"5":
            _make_folders(folder, path, folders, header.name)
        elif header.kind == b"0":
            mode = 0o755 if header.mode & 0o100 else 0o644
            with open(
                os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb", buffering=0
            ) as stream:
                stream.write(reader.read())
                os.fchmod(stream.fileno(), mode)
                os.utime(stream.fileno(), (min(header.time, now),) * 2)
        elif header.kind == b"2":
            if header.link.startswith("/"):
                raise PackageError(f"{path} is a link that leaves the source: {header.link!r}")
            tar.check_target(path, header.link)
            os.symlink(header.link, place)
        else:
            raise PackageError(f"{header.name} is neither a file, a folder nor a symbolic link")
    if "scripts/kconfig" not in folders or not (folder / "Makefile").is_file():
        raise PackageError("it is not a kernel source: Makefile or scripts/kconfig is missing")


def _make_folders(root: Path, path: str, made: set[str], name: str) -> None:
    """Make `path` and its parents below `root`, through folders in `made` only and therefore never a link."""
    at = ""
    for part in path.split("/"):
        at = f"{at}/{part}" if at else part
        if at not in made:
            try:
                os.mkdir(root / at, 0o755)
            except FileExistsError:
                raise PackageError(f"{name} is below {at}, which is not a folder") from None
            made.add(at)


def _tarball(archive: Path) -> tuple[Iterator[bytes], str]:
    """Return the tarball's bytes and the suffix of its compression (".xz"; "" for none)."""
    with archive.open("rb") as stream:
        magic = stream.read(8)
    if magic == b"!<arch>\n":
        tree = deb.read(archive, wanted=lambda path: path.startswith("usr/src/") and path.endswith(SUFFIXES))
        found = [(path, entry) for path, entry in tree.items() if isinstance(entry, File)]
        if len(found) != 1:
            names = ", ".join(path for path, _ in found) or "none"
            raise PackageError(f"usr/src must have one tarball, but has {names}")
        path, entry = found[0]
        return iter([entry.read()]), path[path.rindex(".tar") + 4 :]
    suffix = next((each for start, each in _MAGIC.items() if magic.startswith(start)), "")
    return _file(archive), suffix


def _file(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while piece := stream.read(CHUNK):
            yield piece


def apply(patch: Path, folder: Path, tools: ToolsTree) -> None:
    """Apply `patch` to the source in `folder`. Raises KernelError with patch's message."""
    sandbox = Sandbox(
        tools,
        readable={"/patch": patch},
        writable={"/source": folder},
        folder="/source",
        environment={"TZ": "UTC"},
    )
    words = [
        "patch",
        "-p1",
        "--batch",
        "--forward",
        "--no-backup-if-mismatch",
        "--reject-file=-",
        "-i",
        "/patch",
    ]
    sandbox.prove()
    try:
        run(sandbox.command(words))
    except ToolError as error:
        output = [line.strip(" |") for line in error.message.splitlines()[1:]]
        shown = [
            line
            for line in output
            if "FAILED" in line
            or "can't find" in line
            or "malformed" in line
            or "garbage" in line
            or "dangerous" in line
            or "previously applied" in line
        ]
        reason = "; ".join(shown[:3] or output[-3:])
        raise KernelError(
            f"{patch} does not apply: {reason}",
            hint="it must fit this source, with -p1 paths",
            keys=("kernel", "patches"),
        ) from error
