"""The code that a task's work is done by, found by its imports, as one hash per file; it runs nothing."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

Code = Callable[..., Any] | ModuleType | str

# What these say cannot change what a task makes: how things fail, which keys a config has (each task
# names the values it reads), how a process is started.
_NEUTRAL = {"notos", "notos.errors", "notos.machine", "notos.run"}

_IMPORT = re.compile(
    rb"^[ \t]*(?:from[ ]+(notos[\w.]*)[ ]+import[ ]+(\([^)]*\)|[^\n#]*)|import[ ]+(notos[\w.]*))",
    re.MULTILINE,
)
_NAME = re.compile(rb"\w+")


def hashes(code: Iterable[Code]) -> Mapping[str, str]:
    """The hash of each file that `code` stands in or imports from notos, at any depth, by the file's path.

    `code` are functions, modules, or names of modules, which are not imported for this.
    """
    pending = [_path(each) for each in code]
    found: dict[str, str] = {}
    while pending:
        path = pending.pop()
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
        if name not in found:
            found[name], imports = _scan(path)
            pending.extend(imports)
    return dict(sorted(found.items()))


@cache
def _scan(path: Path) -> tuple[str, tuple[Path, ...]]:
    """The hash of a source file, and the files of notos that it imports."""
    source = path.read_bytes()
    names: set[str] = set()
    for module, members, plain in _IMPORT.findall(source):
        package = (module or plain).decode()
        names.add(package)
        names.update(f"{package}.{member.decode()}" for member in _NAME.findall(members))
    files = (_module(name) for name in sorted(names - _NEUTRAL))
    return hashlib.sha256(source).hexdigest()[:16], tuple(file for file in files if file)


def _path(code: Code) -> Path:
    if isinstance(code, str):
        if file := _module(code):
            return file
        raise ValueError(f"there is no module {code}")
    if isinstance(code, ModuleType):
        return Path(str(code.__file__))
    return Path(code.__code__.co_filename)


@cache
def _module(name: str) -> Path | None:
    """The file of a module of ours; None when `name` is not one but, say, a class in one."""
    path = ROOT.joinpath(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None
