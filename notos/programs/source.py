"""The source of a program: which files of its folder count, their hash, and a copy for a build.

Neither the hash nor the copy has the times of files.
"""

import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from notos.errors import NotosError
from notos.features.files import is_excluded
from notos.programs import inside
from notos.programs.kinds import failed

# Names that version control, package managers, compilers and editors make.
IGNORED = (
    *(".git", ".hg", ".svn", ".bzr"),
    *(".venv", "venv", "__pycache__", "*.pyc", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox"),
    "node_modules",
    *("*.egg-info", ".DS_Store", "*.swp", "*~", ".#*"),
)
_CHUNK = 1 << 20  # bytes


def walk(folder: str, left_out: Sequence[str]) -> Iterator[str]:
    """Yield the relative paths of all that counts in `folder`, sorted, folders before what they contain.

    `left_out` are patterns as in `exclude`, besides IGNORED. One that begins with a slash is a path from the
    top of the folder. Links are not followed. Raises OSError.
    """
    excluded = _excluded(left_out)

    def below(prefix: str) -> Iterator[str]:
        with os.scandir(f"{folder}/{prefix}") as scanned:
            found = sorted(scanned, key=lambda each: os.fsencode(each.name))
        for each in found:
            path = prefix + each.name
            if not excluded(path):
                yield path
                if each.is_dir(follow_symlinks=False):
                    yield from below(f"{path}/")

    yield from below("")


def _excluded(left_out: Sequence[str]) -> Callable[[str], bool]:
    """Return a function that returns True for a relative path that is left out, without its parents."""
    patterns = (*IGNORED, *(each for each in left_out if not each.startswith("/")))
    tops = frozenset(each.lstrip("/") for each in left_out if each.startswith("/"))
    return lambda path: path in tops or is_excluded(path, patterns)


def fault(folder: str, path: Path, left_out: Sequence[str]) -> str:
    """Return why the file `path` does not count in `folder`; "" if it does.

    A link must lead to a file that counts too: nothing else shows a change of it.
    """
    top, excluded = Path(os.path.realpath(folder)), _excluded(left_out)
    try:
        real = inside.real(top, path)
        written = Path(os.path.normpath(path)).relative_to(os.path.normpath(folder))
    except ValueError:
        return f"is outside of {folder}, or a link that leads out"
    for each in (written, real.relative_to(top)):
        for above in (each, *each.parents):
            if excluded(str(above)):
                return "is excluded from the source"
    return ""


def digest(folder: str, left_out: Sequence[str]) -> str:
    """Return a hash of the names, kinds, rights to execute, and contents of all that counts: 64 hex digits.

    Raises OSError.
    """
    whole = hashlib.sha256()
    for path in walk(folder, left_out):
        place = f"{folder}/{path}"
        state = os.lstat(place)
        if stat.S_ISLNK(state.st_mode):
            kind, content = "link", hashlib.sha256(os.fsencode(os.readlink(place)))
        elif stat.S_ISREG(state.st_mode):
            kind = "program" if state.st_mode & stat.S_IXUSR else "file"
            with open(place, "rb") as stream:
                content = hashlib.file_digest(stream, "sha256")
        else:
            kind, content = "folder" if stat.S_ISDIR(state.st_mode) else "other", hashlib.sha256()
        whole.update(os.fsencode(path) + f"\0{kind} {content.hexdigest()}\n".encode())
    return whole.hexdigest()


def copy(name: str, folder: str, left_out: Sequence[str], place: Path, time: int) -> None:
    """Copy all that counts in `folder` to the new folder `place`, writable, with one `time`.

    `name` is that of the program. Raises OSError, and NotosError for a device, a socket or a pipe.
    """
    place.mkdir(parents=True)
    made = [place]
    for path in walk(folder, left_out):
        source, target = f"{folder}/{path}", place / path
        state = os.lstat(source)
        if stat.S_ISLNK(state.st_mode):
            target.symlink_to(os.readlink(source))
        elif stat.S_ISDIR(state.st_mode):
            target.mkdir()
        elif stat.S_ISREG(state.st_mode):
            shutil.copyfile(source, target)
            target.chmod(0o755 if state.st_mode & stat.S_IXUSR else 0o644)
        else:
            hint = f"remove it, or write exclude: [{path}]"
            raise failed(name, f"{source} is not a file, folder or link", hint)
        made.append(target)
    for each in reversed(made):
        os.utime(each, (time, time), follow_symlinks=False)


def unreadable(name: str, error: OSError) -> NotosError:
    """Return the error for a file of the program `name` that cannot be read."""
    return failed(name, f"cannot read {error.filename}: {error.strerror}")
