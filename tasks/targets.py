"""Targets of tasks: written atomically, and removed by `clean`."""

from pathlib import Path

from notos import atomic
from tasks.config import DRIVE, FOLDER


def write_if_changed(path: str, data: bytes, *, mode: int = 0o644) -> None:
    """Write a target if its bytes or its mode differ."""
    atomic.write_if_changed(Path(path), data, mode=mode)


def sweep(dryrun: bool) -> None:
    """Remove the rest of this config's build folder: the store, and the remains of killed builds.

    Downloads, tools and config.lock stay, and so does the machine's drive, which a build cannot make again.
    """
    kept = {".lock", ".doit.db"}
    for path in sorted(Path(FOLDER).iterdir()):
        if path.name in kept:
            continue
        if path.name == DRIVE:
            print(f"keeping {path}, the machine's drive; remove it by hand")
            continue
        print(f"{'would remove' if dryrun else 'removing'} {path}")
        if dryrun:
            continue
        if path.is_dir() and not path.is_symlink():
            atomic.remove_folder(path)
        else:
            path.unlink()
