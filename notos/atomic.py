"""Files and folders that are whole or absent: written beside their place, then renamed into it.

    .NAME.new       a file or link while it is written; the next writer of NAME reuses it
    .new-XXXXXXXX   a folder while it is written

A killed run leaves one of these and never half a file in its place; leftovers() finds them. A reader sees the
old content or the new. Writers of one file take turns.

With `durable`, the file also survives a crash of the host: content and name are on the disk when the call
returns (fsync(2)). This takes some milliseconds. It is for what no build can make again (keys, the lock, the
user's own files) and for what others rely on (a published cache). The next build makes everything else again:
it compares a target with what its task left.
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
    """Return the name that `path` has while it is written."""
    return path.with_name(f".{path.name}.new")


def leftovers(folder: Path) -> list[Path]:
    """Return what killed runs left in `folder`, and what other processes write there now; sorted."""
    return sorted({*folder.glob(f"{_SCRATCH}*"), *folder.glob(".*.new")})


@contextmanager
def file(path: Path, *, mode: int | None = 0o644, durable: bool = False) -> Iterator[BinaryIO]:
    """Yield a stream whose content becomes the file `path`, or nothing if the block raises.

    The file has `mode` whatever the umask is. With None, which is for the user's own files, it keeps the mode
    of the file that it replaces; a new file has what the umask leaves of 0666. Raises OSError.
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
    """Write `data` to the file `path`; text is UTF-8. Modes are those of file(). Raises OSError."""
    with file(path, mode=mode, durable=durable) as stream:
        stream.write(data.encode() if isinstance(data, str) else data)


def write_if_changed(path: Path, data: bytes | str, *, mode: int = 0o644, durable: bool = False) -> None:
    """Write `data` to the file `path`, unless it has these bytes and this mode; make its folder.

    Raises OSError.
    """
    data = data.encode() if isinstance(data, str) else data
    try:
        if path.read_bytes() == data and path.stat().st_mode & 0o777 == mode:
            return
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    write(path, data, mode=mode, durable=durable)


def create(path: Path, data: bytes, *, mode: int) -> None:
    """Write `data` to the file `path`, durably; a file of this name stays, so the first of two writers wins.

    Raises OSError.
    """
    with scratch(path.parent) as folder:
        made = folder / path.name
        write(made, data, mode=mode, durable=True)
        with suppress(FileExistsError):
            os.link(made, path)
    _sync(path.parent)


def link(path: Path, target: str) -> None:
    """Make the symbolic link `path`, in place of a file or link of this name. Raises OSError."""
    new = beside(path)
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(path)


@contextmanager
def folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder (0755) that becomes the folder `path`, or nothing if the block raises.

    Where `path` is a folder already, it stays: two runs that write one folder write the same. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with scratch(path.parent) as new:
        new.chmod(0o755)
        yield new
        try:
            new.rename(path)
        except OSError:
            if not path.is_dir():
                raise


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """Yield a new folder (0700) in `parent`, from which move() can take files; remove it afterwards.

    Raises OSError.
    """
    import tempfile

    made = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=parent))
    try:
        yield made
    finally:
        remove_folder(made)


def move(made: Path, path: Path, *, mode: int = 0o644, durable: bool = False) -> None:
    """Rename the file `made` to `path`, on the same file system, with `mode`. Raises OSError."""
    made.chmod(mode)
    if durable:
        _sync(made)
    made.replace(path)
    if durable:
        _sync(path.parent)


def remove_folder(path: Path) -> None:
    """Remove a folder and everything below it; nothing happens if it is missing. Raises OSError."""
    import shutil

    if path.exists():
        for parent, _, _ in os.walk(path):
            make_writable(Path(parent))
        shutil.rmtree(path)


def make_writable(path: Path) -> None:
    """Let the owner change a folder: earlier versions of Notos wrote those of the store as 0555.

    Raises OSError.
    """
    mode = path.stat().st_mode
    if mode & 0o700 != 0o700:
        path.chmod(mode | 0o700)


def _opened(new: Path, mode: int) -> BinaryIO:
    """Return the empty file `new`, open and locked; wait for another process that writes it."""
    while True:
        handle = os.open(new, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        try:
            _tolerant(fcntl.flock, handle, fcntl.LOCK_EX)
            # The process before has renamed or removed what was opened here.
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
    """Call `call`; a file system may lack it, as network shares do locks and the fsync of a folder."""
    try:
        call(*arguments)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
