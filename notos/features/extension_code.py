"""The code of an extension: a Python file of the project, loaded by its path, and what it must define.

    extensions/NAME.py, or extensions/NAME/__init__.py, beside a config that names it

    Settings                                   a frozen dataclass of setting(...), if it has settings
    feature(machine, settings) -> Feature      what it adds to a machine
    outputs(machine, settings) -> [Output]     what it makes of a built machine
    CHECKS                                     its own rules for the config, by struct

It has `feature`, `outputs` or both. Its code is compiled from its source each time a config is loaded, and
no compiled code is written beside it.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

from notos.config import shapes
from notos.config.extensions import Found
from notos.config.reader import Check, Checks
from notos.config.types import missing
from notos.config.yaml_source import Consequence, Node, Problem
from notos.errors import ConfigError, NotosError
from notos.structs import dataclass

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

FOLDER = "extensions"  # beside the config
_PREFIX = "extension_"  # of the names of their modules in sys.modules


@dataclass(frozen=True, kw_only=True)
class NoSettings:
    """The settings of an extension that has none."""


class Code(NamedTuple):
    """The loaded code of the extension `name`."""

    name: str
    file: Path
    module: ModuleType

    @property
    def folder(self) -> Path:
        """The folder that paths in its values are relative to."""
        return self.file.parent

    @property
    def settings(self) -> type:
        """The dataclass of its settings."""
        return getattr(self.module, "Settings", NoSettings)

    @property
    def checks(self) -> Checks:
        """Its own rules for the config; an exception in one is a problem of the config."""
        own: Checks = getattr(self.module, "CHECKS", {})
        return {struct: self._guarded(check) for struct, check in own.items()}

    @property
    def files(self) -> tuple[Path, ...]:
        """Its Python files, sorted."""
        if self.file.name != "__init__.py":
            return (self.file,)
        return tuple(sorted(self.folder.rglob("*.py")))

    @property
    def all_files(self) -> tuple[Path, ...]:
        """Its files, sorted: of a package all that is in its folder."""
        if self.file.name != "__init__.py":
            return (self.file,)
        found = (each for each in self.folder.rglob("*") if "__pycache__" not in each.parts)
        return tuple(sorted(each for each in found if each.is_file()))

    def call(self, function: str, *arguments: Any) -> Any:
        """Return what its function returns; None if it has no such function. Raises ConfigError."""
        if not hasattr(self.module, function):
            return None
        try:
            return getattr(self.module, function)(*arguments)
        except (Exception, SystemExit) as error:
            raise ConfigError(self.explained(error)) from error

    def explained(self, error: BaseException) -> str:
        """Return where in the extension an exception comes from, and what it says, in one line."""
        return _explained(self.file, error)

    def _guarded(self, check: Check) -> Check:
        def run(struct: Any, node: Node) -> Iterator[Problem]:
            try:
                yield from check(struct, node)
            except (Exception, SystemExit) as error:
                yield Consequence(self.explained(error), node.place)

        return run


_loaded: dict[str, Code] = {}  # by the path of its file


def find(name: str, configs: Sequence[Path]) -> Found:
    """Load the extension `name` beside the first of `configs` that has it. Raises ConfigError."""
    files = [file for config in configs for file in _places(name, config)]
    try:
        file = next((each for each in files if each.is_file()), None)
    except OSError as error:  # a folder that must not be searched
        raise ConfigError(f"cannot read {error.filename}: {error.strerror}") from None
    if file is None:
        advice = missing(files[0], name)
        hint = "" if "?" in advice else f"create it, or {shown(files[1])}"
        raise ConfigError(f"{shown(files[0])} {advice}", hint=hint)
    code = _load(name, file.absolute())
    return Found(code.file, code.settings, code.checks)


def code(name: str, file: str) -> Code:
    """Return the code of an extension, loaded if necessary. Raises ConfigError if it cannot be loaded."""
    return _loaded.get(file) or _load(name, Path(file))


def shown(path: Path) -> str:
    """Return a path as messages show it: relative to the current folder, if it is below that."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _places(name: str, config: Path) -> tuple[Path, Path]:
    folder = config.parent / FOLDER
    return folder / f"{name}.py", folder / name / "__init__.py"


def _load(name: str, file: Path) -> Code:
    """Execute the file as a module. Raises ConfigError."""
    from importlib.util import module_from_spec

    whole = _PREFIX + name
    for each in [each for each in sys.modules if each == whole or each.startswith(f"{whole}.")]:
        del sys.modules[each]  # of an earlier load, maybe of another project's
    spec = _spec(whole, file)
    module = module_from_spec(spec)
    sys.modules[whole] = module
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)  # before Python's finder, which would read and write compiled code
    try:
        assert spec.loader is not None, "spec_from_file_location was given one"
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ConfigError(_explained(file, error)) from error
    loaded = Code(name, file, module)
    _check(loaded)
    _loaded[str(file)] = loaded
    return loaded


def _spec(name: str, file: Path) -> "ModuleSpec":
    from importlib.machinery import SourceFileLoader
    from importlib.util import spec_from_file_location

    class Loader(SourceFileLoader):
        """Compile the source each time: Python misses an edit of the same size in the same second."""

        def path_stats(self, path: Any) -> Mapping[str, Any]:
            raise OSError

    package = [str(file.parent)] if file.name == "__init__.py" else None
    spec = spec_from_file_location(
        name, file, loader=Loader(name, str(file)), submodule_search_locations=package
    )
    assert spec is not None, "a location with a loader has a spec"
    return spec


class _Finder:
    """Finds the modules of an extension that is a package (sys.meta_path)."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, _target: object = None) -> "ModuleSpec | None":
        """Return the spec of a module below an extension; None for all others."""
        if not name.startswith(_PREFIX) or not path:
            return None
        for folder in path:
            for file in (
                Path(folder, name.rpartition(".")[2]),
                Path(folder, f"{name.rpartition('.')[2]}.py"),
            ):
                found = file / "__init__.py" if file.suffix != ".py" else file
                if found.is_file():
                    return _spec(name, found)
        return None


def _check(code: Code) -> None:
    """Raise ConfigError unless the module has what an extension must have."""
    functions = ("feature", "outputs")
    file = shown(code.file)
    if not any(hasattr(code.module, each) for each in functions):
        raise ConfigError(
            f"{file} has no function feature",
            hint="write def feature(machine, settings), which returns a Feature",
        )
    for each in functions:
        if not callable(getattr(code.module, each, print)):
            raise ConfigError(
                f"{file}: {each} is not a function", hint=f"write def {each}(machine, settings)"
            )
    if not isinstance(getattr(code.module, "CHECKS", {}), Mapping):
        raise ConfigError(f"{file}: CHECKS is not a map", hint="write CHECKS = {Settings: function}")
    _check_settings(code.settings, file)


def _check_settings(settings: Any, file: str) -> None:
    parameters = getattr(settings, "__dataclass_params__", None)
    if (
        not isinstance(settings, type)
        or not is_dataclass(settings)
        or not getattr(parameters, "frozen", False)
    ):
        raise ConfigError(
            f"{file}: Settings is not a frozen dataclass",
            hint="write @dataclass(frozen=True) above the class",
        )
    for name, each in settings.__dataclass_fields__.items():
        if not isinstance(each.metadata.get("doc"), str):
            raise ConfigError(
                f"{file}: Settings.{name} has no description",
                hint=f'write {name}: … = setting("what it is", …)',
            )
    try:
        fields = shapes.struct(settings).fields
    except (TypeError, KeyError, NameError) as error:
        raise ConfigError(f"{file}: Settings: {error}", hint="notos/config/model.py has the types") from None
    from notos.features import values

    hints = get_type_hints(settings)
    for name, field in fields.items():
        if not field.required and (
            mistakes := list(values.wrong(field.default, hints[field.attribute], f"default of {name}"))
        ):
            raise ConfigError(f"{file}: Settings: {'; '.join(mistakes)}")


def _explained(file: Path, error: BaseException) -> str:
    import traceback

    if isinstance(error, SyntaxError) and error.filename:
        return f"{shown(Path(error.filename))}:{error.lineno or 1}: {error.msg}"
    top = str(file.parent) + "/" if file.name == "__init__.py" else str(file)
    lines = [
        f"{shown(Path(frame.filename))}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(top)
    ]
    text = " ".join(str(error).split())
    if not isinstance(error, NotosError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{lines[-1] if lines else shown(file)}: {text}"
