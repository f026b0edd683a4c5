"""Atomic writes of files, links and folders: under a temporary name in the same folder, then renamed.

    .NAME.new       a file or link during the write; the next writer of NAME reuses it
    .new-XXXXXXXX   a folder during the write

A killed run leaves one of these, never an incomplete file; leftovers() finds them. A reader sees the old
content or the new. Concurrent writers of one file wait for each other.

With `durable`, the file also survives a crash of the host: content and name are on the disk when the call
returns (fsync(2)). This takes some milliseconds. It is for files that no build can restore (keys, the lock,
the user's own files) and for files that other hosts use (a published cache). The next build restores
everything else: it compares each target with the recorded result of its task.
"""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_SCRATCH = ".new-"


def beside(path: Path) -> Path:
    """Return the temporary name of `path` during the write."""
    return path.with_name(f".{path.name}.new")


def leftovers(folder: Path) -> list[Path]:
    """Return the temporary files and folders in `folder`, of killed and of running processes, sorted."""
    return sorted({*folder.glob(f"{_SCRATCH}*"), *folder.glob(".*.new")})


@contextmanager
def file(path: Path, *, mode: int | None = 0o644, durable: bool = False) -> Iterator[BinaryIO]:
    """Yield a stream; its content becomes the file `path`, unless the block raises an exception.

    The file gets `mode`, whatever the umask. None is for the user's own files: a replaced file keeps its
    mode, a new file gets 0666 without the bits of the umask. Raises OSError.
    """
    if mode is None:
        with suppress(FileNotFoundError):
            mode = path.stat().st_mode & 0o777
    new = beside(path)
    with _opened(new, 0o666 if mode is None else mode) as stream:
        try:
            if mode is not None:
                os.fchmod(stream.fileno(), mode)
            yield stream
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
    if durable:
        _sync(path.parent)


def write(path: Path, data: bytes | str, *, mode: int | None = 0o644, durable: bool = False) -> None:
    """Write `data` to the file `path`; text as UTF-8, `mode` as in file(). Raises OSError."""
    with file(path, mode=mode, durable=durable) as stream:
        stream.write(data.encode() if isinstance(data, str) else data)


def write_if_changed(path: Path, data: bytes | str, *, mode: int = 0o644, durable: bool = False) -> None:
    """Write `data` to the file `path`, unless it already has this content and mode.

    A missing parent folder is created. Raises OSError.
    """
    data = data.encode() if isinstance(data, str) else data
    try:
        if path.read_bytes() == data and path.stat().st_mode & 0o777 == mode:
            return
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    write(path, data, mode=mode, durable=durable)


def create(path: Path, data: bytes, *, mode: int) -> None:
    """Create the file `path` with the content `data`, durably. An existing file stays unchanged.

    Of two concurrent writers, the first wins. Raises OSError.
    """
    with scratch(path.parent) as folder:
        made = folder / path.name
        write(made, data, mode=mode, durable=True)
        with suppress(FileExistsError):
            os.link(made, path)
    _sync(path.parent)


def link(path: Path, target: str) -> None:
    """Create the symbolic link `path`; replace an existing file or link. Raises OSError."""
    new = beside(path)
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(path)


@contextmanager
def folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield an empty folder (0755); it becomes the folder `path`, unless the block raises an exception.

    An existing folder stays, since concurrent runs write the same content; with `replace`, it is replaced as
    a whole. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with scratch(path.parent) as new:
        new.chmod(0o755)
        yield new
        if replace and os.path.lexists(path):
            with scratch(path.parent) as old:
                path.rename(old / path.name)
                try:
                    new.rename(path)
                except BaseException:
                    (old / path.name).rename(path)
                    raise
            return
        try:
            new.rename(path)
        except OSError:
            if not path.is_dir():
                raise


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """Yield a new folder (0700) in `parent`, for files to move() elsewhere; remove it afterwards.

    Raises OSError.
    """
    import tempfile

    made = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=parent))
    try:
        yield made
    finally:
        remove_folder(made)


def move(made: Path, path: Path, *, mode: int = 0o644, durable: bool = False) -> None:
    """Set the mode of the file `made` and rename it to `path`, on the same file system. Raises OSError."""
    made.chmod(mode)
    if durable:
        _sync(made)
    made.replace(path)
    if durable:
        _sync(path.parent)


def remove_folder(path: Path) -> None:
    """Remove a folder recursively; do nothing if it is missing. Raises OSError."""
    import shutil

    if path.exists():
        for parent, _, _ in os.walk(path):
            make_writable(Path(parent))
        shutil.rmtree(path)


def make_writable(path: Path) -> None:
    """Make a folder writable for its owner: earlier versions of Notos wrote store folders as 0555.

    Raises OSError.
    """
    mode = path.stat().st_mode
    if mode & 0o700 != 0o700:
        path.chmod(mode | 0o700)


def _opened(new: Path, mode: int) -> BinaryIO:
    """Open, lock and empty the file `new`; wait while another process has it locked."""
    while True:
        handle = os.open(new, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            _tolerant(fcntl.flock, handle, fcntl.LOCK_EX)
            # The previous holder of the lock may have renamed or removed the opened file.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), os.lstat(new)):
                    os.ftruncate(handle, 0)
                    return os.fdopen(handle, "w+b")
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _tolerant(os.fsync, handle)
    finally:
        os.close(handle)


def _tolerant(call: Callable[..., None], *arguments: int) -> None:
    """Call `call`; ignore that the file system lacks it: some network shares have no locks or fsync."""
    try:
        call(*arguments)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
