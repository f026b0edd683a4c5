"""The folders that a run writes to, checked before the run, so that it does not fail after minutes."""

import errno
import os
from pathlib import Path

from notos.errors import HostError
from tasks import image
from tasks.config import CACHE, FOLDER, LOCK

_MINE = "change its owner or mode, or build in a copy that you own"
_CACHE = "set NOTOS_CACHE to a folder that you own"
_SPLITS = ":;"  # separators of folders in ld.so's --library-path


def make() -> None:
    """Make the build folder and its parents. Raises HostError if that fails."""
    _make(Path(FOLDER), _MINE)


def look() -> None:
    """Raise HostError if a run could not write its outputs, or could not use the cache."""
    if not image.linked():
        for each in map(Path, (image.LINK, image.LINK_BESIDE)):
            _replaceable(each)
        _writable(Path.cwd(), _MINE)
    if not Path(LOCK).exists():
        _writable(Path(LOCK).absolute().parent, f"the build writes {Path(LOCK).name} there; {_MINE}")
    if any(each in str(CACHE.root) for each in _SPLITS):
        raise HostError(f"the cache folder {CACHE.root} has a colon or a semicolon in its path; {_CACHE}")
    _make(CACHE.root, _CACHE)


def _replaceable(link: Path) -> None:
    """Raise HostError if the path of the build's link holds a file or folder of the user."""
    if os.path.lexists(link) and not link.is_symlink():
        kind = "folder" if link.is_dir() else "file"
        raise HostError(
            f"{link.absolute()} is a {kind}, but the build writes a link there; move or rename it"
        )


def _make(folder: Path, hint: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if hint == _MINE and error.errno in (errno.ENOTDIR, errno.EEXIST):
            hint = "move or rename the file in its place"
        raise HostError(f"cannot make {folder.absolute()}: {error.strerror}; {hint}") from None
    _writable(folder, hint)


def _writable(folder: Path, hint: str) -> None:
    if os.access(folder, os.W_OK | os.X_OK):
        return
    import tempfile

    try:
        tempfile.TemporaryFile(dir=folder).close()  # access(2) ignores some causes
    except OSError as error:
        raise HostError(f"cannot write in {folder.absolute()}: {error.strerror}; {hint}") from None
