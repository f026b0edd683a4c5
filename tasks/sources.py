"""The code that a task's work is done by, as one hash per function and file of ours; it runs nothing.

A task's own function counts by itself, with the functions of its file that it calls and the modules
of notos that it imports, and what these import in turn.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import notos

# Where the package notos is: in a checkout, or among what is installed.
ROOT = Path(notos.__file__).resolve().parent.parent

Code = Callable[..., Any] | ModuleType | str

# What these say cannot change what a task makes: how things fail, which keys a config has (each task
# names the values it reads), how a process is started.
_NEUTRAL = {"notos", "notos.errors", "notos.config.model", "notos.process"}

# A module that imports the first may read values of the second without importing it, as Machine.target's.
_BEHIND = {"notos.config.model": "notos.architecture"}

# Globals of a task's module that count by value.
_PLAIN = (str, bytes, int, float, tuple, frozenset)

_IMPORT = re.compile(
    rb"^[ \t]*(?:from[ ]+(notos[\w.]*)[ ]+import[ ]+(\([^)]*\)|[^\n#]*)|import[ ]+(notos[\w.]*))",
    re.MULTILINE,
)
_NAME = re.compile(rb"\w+")


def hashes(code: Iterable[Code]) -> Mapping[str, str]:
    """The hash of all that does the work of `code`, by the name of the function or the file's path.

    `code` are functions, modules, or names of modules, which are not imported for this.
    """
    pending: list[Path] = []
    found: dict[str, str] = {}
    for each in code:
        if isinstance(each, str | ModuleType):
            pending.append(_path(each))
        else:
            pending += _functions(each, found)
    while pending:
        path = pending.pop()
        name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
        if name not in found:
            found[name], imports = _scan(path)
            pending.extend(imports)
    return dict(sorted(found.items()))


def _functions(function: Callable[..., Any], found: dict[str, str]) -> list[Path]:
    """Add the hash of `function`, and of those of its module that it calls; the modules it imports."""
    name = f"{function.__module__}.{function.__qualname__}"
    if name in found:
        return []
    code = function.__code__
    names = _names(code)
    constants = {
        used: _stable(value)
        for used, value in function.__globals__.items()
        if used in names and isinstance(value, _PLAIN)
    }
    content = repr((_content(code, function.__doc__), sorted(constants.items())))
    found[name] = hashlib.sha256(content.encode()).hexdigest()[:16]
    modules: list[Path] = []
    for used in names:
        if used.startswith("notos") and used not in _NEUTRAL and (file := _module(used)):
            modules.append(file)
        value = function.__globals__.get(used)
        value = getattr(value, "__wrapped__", value)  # of @cache
        if isinstance(value, FunctionType) and value.__module__ == function.__module__:
            modules += _functions(value, found)
        elif isinstance(value, ModuleType | FunctionType | type):
            origin = value.__name__ if isinstance(value, ModuleType) else value.__module__
            if origin.startswith("notos") and origin not in _NEUTRAL and (file := _module(origin)):
                modules.append(file)
    return modules


def _content(code: CodeType, documentation: str | None = None) -> Any:
    """What a function does, without the lines that it stands on and its documentation."""
    constants = [_stable(each) for each in code.co_consts if documentation is None or each != documentation]
    return code.co_code.hex(), code.co_names, constants


def _stable(value: Any) -> Any:
    """A value whose repr is the same in every run: the order of a set is not."""
    if isinstance(value, CodeType):
        return _content(value)
    if isinstance(value, tuple | list):
        return [_stable(each) for each in value]
    if isinstance(value, frozenset | set):
        return sorted(repr(_stable(each)) for each in value)
    return value


def _names(code: CodeType) -> set[str]:
    """Global names that a function uses, and modules that it imports."""
    names = set(code.co_names)
    members = {
        name for each in code.co_consts if isinstance(each, tuple) for name in each if isinstance(name, str)
    }
    packages = {name for name in names if name.startswith("notos")}
    names |= {f"{package}.{member}" for package in packages for member in members}
    for each in code.co_consts:
        if isinstance(each, CodeType):
            names |= _names(each)
    return names


@cache
def _scan(path: Path) -> tuple[str, tuple[Path, ...]]:
    """The hash of a source file, and the files of notos that it imports."""
    source = path.read_bytes()
    names: set[str] = set()
    for module, members, plain in _IMPORT.findall(source):
        package = (module or plain).decode()
        names.add(package)
        names.update(f"{package}.{member.decode()}" for member in _NAME.findall(members))
    names.update(_BEHIND[name] for name in names & _BEHIND.keys())
    files = (_module(name) for name in sorted(names - _NEUTRAL))
    return hashlib.sha256(source).hexdigest()[:16], tuple(file for file in files if file)


def _path(code: ModuleType | str) -> Path:
    if isinstance(code, ModuleType):
        return Path(str(code.__file__))
    if file := _module(code):
        return file
    raise ValueError(f"there is no module {code}")


@cache
def _module(name: str) -> Path | None:
    """The file of a module of ours; None when `name` is not one but, say, a class in one."""
    path = ROOT.joinpath(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None
