"""What every task module uses: this run's config, paths, actions, and when a task is up to date."""

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from doit.exceptions import InvalidDodoFile, TaskFailed

from notos import loader
from notos.cache import Cache
from notos.config.model import Machine
from notos.errors import NotosError
from notos.features import registry
from notos.features.model import Features
from notos.host import settings as host_settings
from tasks import output, usage
from tasks.session import HINTS
from tasks.sources import Code
from tasks.uptodate import Derived, Intact, Present, Settings, UnlessAsked

Task = dict[str, Any]


class _BrokenConfigError(InvalidDodoFile):  # type: ignore[misc]  # doit has no types
    """doit prints it as one message, without a traceback."""


def broken(error: NotosError) -> InvalidDodoFile:
    """Return what ends the run with `error` as its one message, at its line of the config."""
    return _BrokenConfigError(LOADED.explained(error))


def _config() -> Path:
    named = usage.CONFIG.get() or os.environ.get("NOTOS_CONFIG")
    if not named:
        return Path("config.yaml")
    path = usage.from_caller(named)
    # One spelling for one file, however it is named; a link before .. leads elsewhere.
    plain = Path(os.path.normpath(Path.cwd() / path))
    path = plain if _same(plain, path) else path
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _same(one: Path, other: Path) -> bool:
    """Return True if both paths lead to one file; False too where the folders above it cannot be searched."""
    try:
        return one.samefile(other)
    except OSError:
        return False


try:
    CONFIG = _config()
    LOADED = loader.load(CONFIG)
    HOST = host_settings.load()
    CACHE = Cache.default()
except NotosError as error:
    raise _BrokenConfigError(str(error)) from None

MACHINE: Machine = LOADED.machine
FEATURES: Features = registry.features(MACHINE)
LOCK = str(CONFIG.with_suffix(".lock"))
FOLDER = f"build/{MACHINE.name}"
DRIVE = "disk.img"  # made by runvm.sh


def named(creator: Callable[[], Task | Iterator[Task]]) -> Iterator[Task]:
    """The tasks of a creator called task_NAME, with its name and documentation; help shows all of it."""
    name = creator.__name__.removeprefix("task_")
    doc, _, more = inspect.cleandoc(creator.__doc__ or "").partition("\n")
    made = creator()
    if isinstance(made, dict):
        yield {"basename": name, "doc": doc, **made, "meta": {**made.get("meta", {}), "more": more}}
        return
    yield {"basename": name, "name": None, "doc": doc, "meta": {"more": more}}
    for each in made:
        yield {"basename": name, **each}


def build(*parts: str) -> str:
    """The path of a file that the build makes, in the one spelling by which doit knows it."""
    return "/".join([FOLDER, *parts])


def manifest(name: str) -> str:
    """The path of the manifest of a store object: what tasks that use the object depend on."""
    return build("manifests", f"{name}.json")


def files(*folders: str) -> list[str]:
    """All files below `folders` of the project, sorted; one of them may be a file itself."""
    found = [path for each in map(Path, folders) for path in ([each] if each.is_file() else each.rglob("*"))]
    return sorted(str(path) for path in found if path.is_file())


def step(action: Callable[..., None]) -> Callable[..., TaskFailed | None]:
    """An action that says in one line what went wrong; what only a bug can raise keeps its traceback."""

    @functools.wraps(action)
    def run(*args: Any, **kwargs: Any) -> TaskFailed | None:
        try:
            action(*args, **kwargs)
        except NotosError as error:
            return TaskFailed(usage.spoken(LOADED.explained(error)))
        except OSError as error:
            if isinstance(error, BrokenPipeError) and not output.is_read():
                raise SystemExit(output.UNREAD) from None
            if error.errno not in HINTS:
                raise
            where = error.filename or f"{FOLDER}, {CACHE.root} or /tmp"
            return TaskFailed(f"{where}: {error.strerror}: {HINTS[error.errno]}")
        return None

    return run


def params(**options: tuple[Any, str] | tuple[Any, str, str]) -> list[dict[str, Any]]:
    """A task's --options, each with its default, which determines its type, its help and its value's name.

    A value called FILE is completed as a path.
    """
    return [
        {
            "name": name,
            "long": name.replace("_", "-"),
            "default": default,
            "type": type(default),
            "help": text,
            "metavar": value[0] if value else "N" if isinstance(default, int) else "TEXT",
        }
        for name, (default, text, *value) in options.items()
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
