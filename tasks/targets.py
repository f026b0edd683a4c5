"""Files that tasks make: written beside and renamed, and removed by `clean`."""

from pathlib import Path

from notos import atomic
from tasks.config import DRIVE, FOLDER


def write_if_changed(path: str, data: bytes, *, mode: int = 0o644) -> None:
    """Write a target, unless it has these bytes and this mode."""
    atomic.write_if_changed(Path(path), data, mode=mode)


def sweep(dryrun: bool) -> None:
    """Remove all that is left of this config's build: the store, and what killed builds have left.

    Downloads, tools and config.lock stay; so does the machine's drive, which no build can make again.
    """
    kept = {".lock", ".doit.db"}
    for path in sorted(Path(FOLDER).iterdir()):
        if path.name in kept:
            continue
        if path.name == DRIVE:
            print(f"keeping {path}, which has what the machine wrote; remove it by hand")
            continue
        print(f"{'would remove' if dryrun else 'removing'} {path}")
        if dryrun:
            continue
        if path.is_dir() and not path.is_symlink():
            atomic.remove_folder(path)
        else:
            path.unlink()
