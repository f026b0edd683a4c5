"""root.squashfs: the toplevel's closure and its registration, packed by mksquashfs.

Compressing is what takes time, so the objects of a MiB and more are packed into a base, kept beside
the image under a name made of all that it depends on; the small objects are appended to a copy of
it. Both steps run in every build, so the bytes depend on the closure alone, not on what was kept.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from notos.run import run
from notos.store import Store, StoreObject, registration

LARGE = 1 << 20  # bytes of NAR; an object of this size goes into the base
REGISTRATION = "nix-path-registration"
OPTIONS = (
    *("-comp", "zstd", "-Xcompression-level", "15", "-b", "1M"),
    *("-no-xattrs", "-all-root", "-no-exports", "-keep-as-directory"),
    *("-all-time", "1", "-mkfs-time", "1", "-root-time", "1", "-root-mode", "0755"),
    *("-no-progress", "-quiet", "-no-recovery"),
)


def pack(image: Path, store: Store, closure: Sequence[StoreObject], mksquashfs: Sequence[str]) -> None:
    """Write `image` with every object of `closure` at its root, and the registration beside them.

    `mksquashfs` is the command's words. The image is written beside and renamed. Raises ToolError.
    """
    large = [each for each in closure if each.nar_size >= LARGE]
    small = [each for each in closure if each.nar_size < LARGE]
    base = _base(image.parent, store, large, mksquashfs)
    beside = image.with_name(f".{image.name}.new")
    listing = image.with_name(REGISTRATION)
    try:
        if base is None:
            beside.unlink(missing_ok=True)
        else:
            shutil.copyfile(base, beside)
        listing.write_bytes(registration(closure))
        listing.chmod(0o444)  # whatever the umask, which must not reach the image
        run([*mksquashfs, *_sources(store, small), listing, beside, *OPTIONS])
        beside.replace(image)
    finally:
        beside.unlink(missing_ok=True)
        listing.unlink(missing_ok=True)


def _base(
    folder: Path, store: Store, objects: Sequence[StoreObject], mksquashfs: Sequence[str]
) -> Path | None:
    """The packed `objects`, made unless it is there; older bases are removed. None for no objects."""
    if not objects:
        return None
    words = [*OPTIONS, mksquashfs[-1], *(each.path for each in objects)]
    key = hashlib.sha256("\n".join(words).encode()).hexdigest()[:32]
    base = folder / f"base-{key}.squashfs"
    digest = base.with_suffix(".sha256")
    if not _whole(base, digest):
        beside = folder / f".base-{key}.new"
        beside.unlink(missing_ok=True)
        try:
            run([*mksquashfs, *_sources(store, objects), beside, *OPTIONS])
            beside.replace(base)
        finally:
            beside.unlink(missing_ok=True)
        digest.write_text(_sha256(base))
    for old in folder.glob("base-*"):
        if old not in (base, digest):
            old.unlink()
    return base


def _sources(store: Store, objects: Sequence[StoreObject]) -> list[Path]:
    return [store.location(each) for each in objects]


def _whole(base: Path, digest: Path) -> bool:
    """Whether the base is the one that was made: it is not a task's target, so nobody else checks."""
    with contextlib.suppress(FileNotFoundError):
        return digest.read_text() == _sha256(base)
    return False


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
