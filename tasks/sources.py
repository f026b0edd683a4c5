"""The code of a task, found from imports without running it.

In tasks/, each function, class and constant counts by itself, with those that it uses. In notos/, a module
counts as a whole, with its packages, their data files, and all its imports, also those inside functions. Of a
library, the version counts. Comments and documentation do not count.

The hashes of files are compared first, so that an unchanged file is not parsed, and their states before that
(`remembered`), so that it is not read.
"""

import ast
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import Any

import notos
import tasks
from notos import atomic, home
from notos.structs import dataclass
from tasks import fingerprint, libraries

# Notos' packages, whose imports are followed; all other packages are libraries.
PACKAGES = {each.__name__: Path(str(each.__file__)).resolve().parent for each in (notos, tasks)}

# Not followed: the inputs that actions read with these are compared by value.
BY_VALUE = ("tasks.config", "tasks.inputs")

# The graph's files in a wheel: no data of the package notos.
_GRAPH = f"{home.PACKAGE}/graph"

# The function whose argument is a Python package with a program (notos/toolchain/wheel_program.py).
_PROGRAM = "wheel_program"


@dataclass
class Trace:
    """The code of a task: sha256 of its files, hashes of its parts, versions of libraries, all by name."""

    files: dict[str, str] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    libraries: dict[str, str] = field(default_factory=dict)


def trace(code: Iterable[Callable[..., Any] | Path]) -> Trace:
    """Return the code of functions of tasks/ or notos/, and of everything that other Python files import.

    Functions of other modules are left out: the files of extensions are file_deps.
    """
    walk = _Walk()
    for each in code:
        if isinstance(each, Path):
            walk.file(each)
        elif each.__module__.partition(".")[0] in PACKAGES:
            walk.name(each.__module__, each.__qualname__.partition(".")[0])
    made = walk.trace
    made.libraries[libraries.PYTHON] = libraries.version(libraries.PYTHON)
    return Trace(*(dict(sorted(each.items())) for each in (made.files, made.parts, made.libraries)))


def unchanged(files: Mapping[str, str], versions: Mapping[str, str]) -> bool:
    """Return True if the files and libraries of a trace are unchanged."""
    return bool(files) and all(
        [
            *(digest(name) == then for name, then in files.items()),
            *(libraries.version(name) == then for name, then in versions.items()),
        ]
    )


def differences(then: Trace, now: Trace) -> list[str]:
    """Return the changes between two traces in words: modules first, then libraries."""
    changed = sorted(
        {
            name.partition(":")[0]
            for name in then.parts.keys() | now.parts.keys()
            if then.parts.get(name) != now.parts.get(name)
        }
    )
    said = [f"{name} changed" for name in changed]
    for name in sorted(then.libraries.keys() | now.libraries.keys()):
        before, after = then.libraries.get(name), now.libraries.get(name)
        if before != after:
            said.append(f"{name} {before or 'none'} -> {after or 'none'}")
    return said


@cache
def digest(name: str) -> str:
    """Return the sha256 of a file in a trace, or of the names and contents of a folder's data files."""
    package, _, rest = name.partition("/")
    path = f"{PACKAGES[package]}/{rest}" if package in PACKAGES else name
    try:
        files = [Path(path)] if not name.endswith("/") else list(_data(path))
        now = [[os.fspath(each), *fingerprint.quick_of(os.stat(each))] for each in files]
        kept = _states.get(name)
        if kept is None or kept[1:] != now:
            kept = _states[name] = [_hashed(path, files), *now]
            _new.append(name)
    except OSError:
        return ""
    return str(kept[0])


def _hashed(path: str, files: list[Path]) -> str:
    import hashlib

    if files == [Path(path)]:
        return hashlib.sha256(files[0].read_bytes()).hexdigest()[:16]
    content = [(str(each.relative_to(path)), each.read_bytes()) for each in files]
    return hashlib.sha256(repr(content).encode()).hexdigest()[:16] if content else ""


@contextmanager
def remembered(file: Path) -> Iterator[None]:
    """Use the hashes of files in `file`, as long as their states are the same; save new ones after the block.

    The states are those of tasks/fingerprint.py, and the hash of each comes first.
    """
    with suppress(OSError, ValueError):
        _states.update(json.loads(file.read_bytes()))
    try:
        yield
    finally:
        if _new:
            with suppress(OSError):
                atomic.write(file, json.dumps(_states))
            _new.clear()


_states: dict[str, list[Any]] = {}
_new: list[str] = []


class _Walk:
    """A walk along names and imports that collects the parts of a trace."""

    def __init__(self) -> None:
        self.trace = Trace()
        self._seen: set[tuple[str, str]] = set()

    def name(self, module: str, name: str) -> None:
        """Add the part `name` of a module, or the module `name` of a package."""
        if (module, name) in self._seen or module in BY_VALUE:
            return
        self._seen.add((module, name))
        if _file(f"{module}.{name}"):
            self.module(f"{module}.{name}")
        if module.partition(".")[0] != tasks.__name__:
            self.module(module)
            return
        source = parse(module)
        if source is None or name not in source.bindings:
            return
        self._files(module)
        nodes = source.bindings[name]
        if all(isinstance(node, ast.Import | ast.ImportFrom) for node in nodes):
            for target in source.imports[name]:
                self.target(*target)
            return
        self.trace.parts[f"{_spelling(module)}:{name}"] = _hash(nodes)
        for node in nodes:
            self._used(node, source)

    def module(self, module: str) -> None:
        """Add a module of notos/ as a whole, with its imports. Of tasks/, only used parts count."""
        if (module, "") in self._seen or module in BY_VALUE:
            return
        self._seen.add((module, ""))
        source = parse(module)
        if source is None or module.partition(".")[0] == tasks.__name__:
            return
        self._files(module)
        self.trace.parts[_spelling(module)] = source.hash
        for target in source.targets:
            self.target(*target)
        self._programs(source.programs)

    def file(self, path: Path) -> None:
        """Add a Python file outside of Notos' packages, and its imports; nothing more if it is invalid."""
        self.trace.files[str(path)] = digest(str(path))
        with suppress(OSError, SyntaxError, ValueError):
            for node in ast.walk(_Running().visit(ast.parse(path.read_bytes()))):
                if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level):
                    for _, target in _imported(node, ""):
                        self.target(*target)

    def target(self, module: str, name: str) -> None:
        """Add the target of an import: a module, or a `name` in a module."""
        top = module.partition(".")[0]
        if top not in PACKAGES:
            for each in libraries.distributions(top):
                self.trace.libraries[each] = libraries.version(each)
        elif name:
            self.name(module, name)
        else:
            self.module(module)

    def _used(self, node: ast.AST, source: "_Source") -> None:
        """Add everything that a part of a module of tasks/ uses."""
        local: dict[str, list[tuple[str, str]]] = {}
        names: set[str] = set()
        attributes: set[tuple[str, str]] = set()
        nodes = list(ast.walk(node))
        for each in nodes:
            if isinstance(each, ast.Import | ast.ImportFrom):
                for name, target in _imported(each, source.package):
                    local.setdefault(name, []).append(target)
            elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
                attributes.add((each.value.id, each.attr))
            elif isinstance(each, ast.Name):
                names.add(each.id)
        for targets in local.values():
            for target in targets:
                self.target(*target)
        for name in names:
            if name not in local:
                self.name(source.module, name)
        for name, member in attributes:  # of a module of tasks/: project.add
            for module, inner in [*local.get(name, ()), *source.imports.get(name, ())]:
                whole = f"{module}.{inner}" if inner else module
                if whole.partition(".")[0] == tasks.__name__ and _file(whole):
                    self.name(whole, member)
        self._programs(_programs(nodes))

    def _programs(self, names: Iterable[str]) -> None:
        """Add Python packages whose programs are run."""
        for each in names:
            self.trace.libraries[each] = libraries.version(each)

    def _files(self, module: str) -> None:
        """Add the file of a module, the packages that contain it, and their data files."""
        names = module.split(".")
        for length in range(1, len(names) + 1):
            each = ".".join(names[:length])
            spelling = _spelling(each)
            if spelling in self.trace.files:
                continue
            self.trace.files[spelling] = digest(spelling)
            if length < len(names):
                self.module(each)
            if spelling.endswith("/__init__.py") and names[0] != tasks.__name__:
                folder = spelling.removesuffix("__init__.py")
                self.trace.files[folder] = digest(folder)
                if self.trace.files[folder]:
                    self.trace.parts[folder] = self.trace.files[folder]


@dataclass
class _Source:
    """A parsed module: its imports, the programs it runs, and the statements that bind each of its names."""

    module: str
    package: str
    tree: ast.Module
    hash: str
    targets: list[tuple[str, str]]
    programs: list[str]
    bindings: dict[str, list[ast.AST]] = field(default_factory=dict)
    imports: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


@cache
def parse(module: str) -> _Source | None:
    """Return a parsed module without comments and documentation; None if the module does not exist."""
    path = _file(module)
    if path is None:
        return None
    tree: ast.Module = _Running().visit(ast.parse(path.read_bytes()))
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    nodes = list(ast.walk(tree))
    targets = [
        target
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for _, target in _imported(node, package)
    ]
    made = _Source(module, package, tree, _hash([tree]), targets, _programs(nodes))
    for node in _top_level(tree.body):
        for name in _bound(node, package):
            made.bindings.setdefault(name, []).append(node)
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name, target in _imported(node, package):
                made.imports.setdefault(name, []).append(target)
    return made


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, also those inside if, try and with."""
    for node in body:
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            for part in ("body", "orelse", "finalbody"):
                yield from _top_level(getattr(node, part, []))
            for handler in getattr(node, "handlers", []):
                yield from _top_level(handler.body)
        else:
            yield node


def _bound(node: ast.stmt, package: str) -> Iterator[str]:
    """Yield the names that a statement binds."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (name for name, _ in _imported(node, package))
    else:
        for each in ast.walk(node):
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                yield each.id


def _imported(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each name that an import binds, with the imported module and the name in it, or ""."""
    if isinstance(node, ast.Import):
        for each in node.names:
            yield each.asname or each.name.partition(".")[0], (each.name, "")
        return
    above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    module = ".".join([*above, *([node.module] if node.module else [])])
    for each in node.names:
        yield each.asname or each.name, (module, "" if each.name == "*" else each.name)


def _programs(nodes: Iterable[ast.AST]) -> list[str]:
    """Return the Python packages whose programs are run. Raises TypeError for a name that is no literal."""
    found = []
    for each in nodes:
        if isinstance(each, ast.Call) and _name(each.func) == _PROGRAM:
            (argument,) = each.args
            if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
                raise TypeError(f"{_PROGRAM} needs a literal name, not {ast.unparse(argument)}")
            found.append(argument.value)
    return found


def _name(node: ast.expr) -> str:
    """Return the last name of an expression, for example `f` of `m.f`; "" for other expressions."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


class _Running(ast.NodeTransformer):
    """A transformer that removes docstrings and the code for type checkers."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        """Return the statement, or only its `else` if the rest is for type checkers."""
        made = self.generic_visit(node)
        return node.orelse if _name(node.test) == "TYPE_CHECKING" else made

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Return the statement; None if it is a string."""
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node


def _hash(nodes: Iterable[ast.AST]) -> str:
    import hashlib

    return hashlib.sha256("\n".join(map(ast.dump, nodes)).encode()).hexdigest()[:16]


@cache
def _file(module: str) -> Path | None:
    """Return the file of a module; None if the name is no module but, for example, a class in one."""
    package, *names = module.split(".")
    if package not in PACKAGES:
        return None
    path = PACKAGES[package].joinpath(*names)
    for file in (path / "__init__.py", path.with_suffix(".py") if names else path):
        if file.is_file():
            return file
    return None


def _spelling(module: str) -> str:
    """Return a file's name in a trace, for example notos/formats/cpio.py, independent of the folder."""
    package, file = module.partition(".")[0], _file(module)
    assert file is not None, f"{module} is a module"
    return f"{package}/{file.relative_to(PACKAGES[package]).as_posix()}"


def _data(folder: str) -> Iterator[Path]:
    """Yield a package's data files, sorted, without those of its sub-packages."""
    for each in sorted(os.scandir(folder), key=lambda each: each.name):
        if each.is_dir(follow_symlinks=False):
            is_apart = each.name == "__pycache__" or each.path == _GRAPH
            if not is_apart and not os.path.exists(f"{each.path}/__init__.py"):
                yield from _data(each.path)
        elif not each.name.endswith((".py", ".pyc")):
            yield Path(each.path)
