"""Files that tasks make: written beside and renamed, and removed by `clean`."""

from pathlib import Path

from tasks.config import DRIVE, FOLDER


def write_if_changed(path: str, data: bytes, *, mode: int = 0o644) -> None:
    """Write a target, beside and renamed; one that has these bytes and mode stays as it is."""
    target = Path(path)
    try:
        if target.read_bytes() == data and target.stat().st_mode & 0o777 == mode:
            return
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.new")
    beside.write_bytes(data)
    beside.chmod(mode)
    beside.replace(target)


def sweep(dryrun: bool) -> None:
    """Remove all that is left of this config's build: the store, and what killed builds have left.

    Downloads, tools and config.lock stay; so does the machine's drive, which no build can make again.
    """
    from notos.store.store import remove_folder

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
            remove_folder(path)
        else:
            path.unlink()
