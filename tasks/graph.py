"""What every task module uses: this run's config, paths, actions, and when a task is up to date."""

import errno
import functools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from doit import get_var
from doit.exceptions import InvalidDodoFile, TaskFailed

from notos import config
from notos.cache import Cache
from notos.errors import ConfigError, NotosError
from notos.machine import Machine
from tasks.sources import Code
from tasks.uptodate import Derived, Intact, Present, Settings, UnlessAsked

Task = dict[str, Any]


# What the user can mend; any other OSError is a bug of ours.
_HINTS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room there"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "check who may write there"),
}


class _BrokenConfigError(InvalidDodoFile):  # type: ignore[misc]  # doit has no types
    """doit prints it as one message, without a traceback."""


def from_caller(named: str) -> Path:
    """A path that the user named, from where he is: ./doit tells, for it changes to the project's folder."""
    return Path(os.environ.get("NOTOS_CALLER", ""), named)


def _config() -> Path:
    named = get_var("config") or os.environ.get("NOTOS_CONFIG")
    if named is None:
        return Path("config.yaml")
    path = from_caller(named)
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


try:
    CONFIG = _config()
    LOADED = config.load(CONFIG)
except ConfigError as error:
    raise _BrokenConfigError(str(error)) from None

MACHINE: Machine = LOADED.machine
LOCK = str(CONFIG.with_suffix(".lock"))
FOLDER = f"build/{MACHINE.name}"
CACHE = Cache.default()
DRIVE = "disk.img"  # made by runvm.sh


def named(creator: Callable[[], Task | Iterator[Task]]) -> Iterator[Task]:
    """The tasks of a creator called task_NAME, with its name and first line of documentation."""
    name = creator.__name__.removeprefix("task_")
    doc = (creator.__doc__ or "").strip().partition("\n")[0]
    made = creator()
    if isinstance(made, dict):
        yield {"basename": name, "doc": doc, **made}
        return
    yield {"basename": name, "name": None, "doc": doc}
    for each in made:
        yield {"basename": name, **each}


def build(*parts: str) -> str:
    """The path of a file that the build makes, in the one spelling by which doit knows it."""
    return "/".join([FOLDER, *parts])


def manifest(name: str) -> str:
    """The path of the manifest of a store object: what tasks that use the object depend on."""
    return build("manifests", f"{name}.json")


def files(*folders: str) -> list[str]:
    """All files below `folders` of the project, sorted."""
    found = [path for folder in folders for path in Path(folder).rglob("*") if path.is_file()]
    return sorted(map(str, found))


def step(action: Callable[..., None]) -> Callable[..., TaskFailed | None]:
    """An action that says in one line what went wrong; what only a bug can raise keeps its traceback."""

    @functools.wraps(action)
    def run(*args: Any, **kwargs: Any) -> TaskFailed | None:
        try:
            action(*args, **kwargs)
        except NotosError as error:
            return TaskFailed(str(error))
        except OSError as error:
            if error.errno not in _HINTS:
                raise
            where = f"{error.filename}: " if error.filename else ""
            return TaskFailed(f"{where}{error.strerror}: {_HINTS[error.errno]}")
        return None

    return run


def params(**options: tuple[Any, str]) -> list[dict[str, Any]]:
    """A task's --options, each with its default, which tells its type, and its help."""
    return [
        {
            "name": name,
            "long": name.replace("_", "-"),
            "default": default,
            "type": type(default),
            "help": text,
        }
        for name, (default, text) in options.items()
    ]


def settings(values: Any, *code: Code) -> Settings:
    """Up to date while `values` (plain JSON) and `code`, with all that it imports, stay as they are."""
    return Settings(values, code)


def intact() -> Intact:
    """Up to date while the task's targets, and the store objects that they name, stay as it left them."""
    return Intact()


def derived(compute: Callable[[], Any]) -> Derived:
    """Up to date while what `compute` makes (plain JSON) of earlier tasks' targets stays the same."""
    return Derived(compute)


def present(paths: Callable[[], Iterable[str | os.PathLike[str]]]) -> Present:
    """Up to date while the paths that this gives are there."""
    return Present(paths)


def unless_asked() -> UnlessAsked:
    """Not up to date when the command line names the task."""
    return UnlessAsked()


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
    from notos.store import make_writable

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
            make_writable(path)
            shutil.rmtree(path)
        else:
            path.unlink()
