"""Paths that a source names, which must stay in its folder: lock files and links can name any other file."""

import os
from pathlib import Path


def fault(path: str) -> str:
    """Return why `path` is not a relative path of a file below a folder; "" if it is."""
    if not path.isprintable():
        return "has control characters"
    if path.startswith("/"):
        return "is an absolute path"
    if any(each in ("", ".", "..") for each in path.split("/")):
        return "is not a plain path below the source"
    return ""


def real(top: Path, path: Path) -> Path:
    """Return `path` without links. It may be missing.

    Raises ValueError if it is not in the folder `top`.
    """
    whole = Path(os.path.realpath(path))
    if not whole.is_relative_to(os.path.realpath(top)):
        raise ValueError(f"leads out of the source, to {whole}")
    return whole
