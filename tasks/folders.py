"""The folders that a run writes to: looked at first, so that nothing fails after minutes of work."""

import errno
import os
from pathlib import Path

from doit.exceptions import InvalidDodoFile

from tasks import image
from tasks.config import CACHE, FOLDER, LOCK

_MINE = "change its owner or mode, or work in a copy of yours"
_CACHE = "set NOTOS_CACHE to a folder of yours"
_SPLITS = ":;"  # what separates folders in ld.so's --library-path


class _UnwritableError(InvalidDodoFile):  # type: ignore[misc]  # doit has no types
    """doit prints it as one message, without a traceback."""


def make() -> None:
    """Make the build folder, with those above it. Raises what doit prints in one line."""
    _make(Path(FOLDER), _MINE)


def look() -> None:
    """Raise what doit prints in one line where a run could not write, or read again, what it makes."""
    if not image.linked():
        for each in map(Path, (image.LINK, image.LINK_BESIDE)):
            _replaceable(each)
        _writable(Path.cwd(), _MINE)
    if not Path(LOCK).exists():
        _writable(Path(LOCK).absolute().parent, f"{Path(LOCK).name} is made there; {_MINE}")
    if any(each in str(CACHE.root) for each in _SPLITS):
        raise _UnwritableError(
            f"the cache folder {CACHE.root} has a colon or a semicolon in its path; {_CACHE}"
        )
    _make(CACHE.root, _CACHE)


def _replaceable(link: Path) -> None:
    """Raise what doit prints in one line where the place of a link of ours has something of the user's."""
    if os.path.lexists(link) and not link.is_symlink():
        kind = "folder" if link.is_dir() else "file"
        raise _UnwritableError(
            f"{link.absolute()} is a {kind}: the build puts a link in its place; move or rename it"
        )


def _make(folder: Path, hint: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if hint == _MINE and error.errno in (errno.ENOTDIR, errno.EEXIST):
            hint = "move away the file in its place"
        raise _UnwritableError(f"cannot make {folder.absolute()}: {error.strerror}; {hint}") from None
    _writable(folder, hint)


def _writable(folder: Path, hint: str) -> None:
    if os.access(folder, os.W_OK | os.X_OK):
        return
    import tempfile

    try:
        tempfile.TemporaryFile(dir=folder).close()  # for what access(2) does not know
    except OSError as error:
        raise _UnwritableError(f"cannot write in {folder.absolute()}: {error.strerror}; {hint}") from None
