"""The inputs of a task's actions besides files: recorded when read, and compared by later runs.

Actions get the config, and any other tree of frozen dataclasses, as a view. While a task runs, the view
records each field that is read: its path ("vm.memory") and its value. A list or a map is one value. A value
computed from many fields is an input by itself if its function is `recorded`. A dataclass that is a class
attribute counts as a field (Machine.target). A property is an input by its value, since its code may change.
A dataclass of a view has no methods, whose code would not be compared.

At other times, for example when tasks are declared, a view returns the present values and records nothing.
While a task module is imported, a view raises RuntimeError: a constant made then would not be recorded.
"""

import functools
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, fields, is_dataclass
from functools import partial
from pathlib import PurePath
from types import FunctionType
from typing import Any, TypeVar

from notos.features import plain as plain_values
from notos.structs import dataclass

T = TypeVar("T")
P = TypeVar("P")
Json = Any

# Keys that change no output, so no task depends on them: mirrors of signed packages and the age of their
# indexes, settings of compilers.
# tests/test_every_key.py proves it.
NEUTRAL = (
    *("build.jobs", "build.ccache", "build.compiler_prefix", "build.environment"),
    *("debian.mirror", "debian.security_mirror", "debian.check_valid_until"),
)

# The value of a missing path. It differs from all JSON values.
GONE = object()


@dataclass
class Record:
    """The inputs of actions: values of the config by path, and results of recorded functions by name.

    `causes` are the fields that each of those functions has read: they explain a change, and cause none.
    `parts` are digests of the parts that each has joined: they show which causes explain it. A field that it
    has read itself, and not a part, is in them as ":PATH".
    `classes` are names of the classes of all structs in these values, of which JSON has only the fields.
    """

    config: dict[str, Json] = field(default_factory=dict)
    values: dict[str, Json] = field(default_factory=dict)
    causes: dict[str, dict[str, Json]] = field(default_factory=dict)
    parts: dict[str, dict[str, str]] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)


_record: Record | None = None
_last = Record()
_loaded = False
_roots: dict[str, Any] = {}
_functions: dict[str, Callable[[], Any]] = {}
_derived: dict[str, "_Derived"] = {}


@contextmanager
def recording(record: Record | None = None) -> Iterator[Record]:
    """Record all reads in the block, in `record` or in a new record that `last` returns."""
    global _record, _last  # noqa: PLW0603 — only one task runs at a time, and its threads share the record
    before, _record = _record, Record() if record is None else record
    if record is None:
        _last = _record
    try:
        yield _record
    finally:
        _record = before


def last() -> Record:
    """Return the record of the last task."""
    return _last


def view(value: T, name: str = "") -> T:
    """Return a view of a frozen dataclass. Its paths begin with `name`, by default with no name."""
    _roots[name] = value
    made: T = _view(value, name)
    return made


def recorded(function: Callable[[], T]) -> Callable[[], T]:
    """Decorate a function whose result is an input, in place of the fields that it reads."""
    name = f"{function.__module__}.{function.__qualname__}"
    _functions[name] = function

    @functools.wraps(function)
    def call() -> T:
        return _computed(name, function)

    return call


def _computed(name: str, compute: Callable[[], T], *, with_fields: bool = False) -> T:
    """Return what `compute` returns, and record it as a whole; the fields that it reads are its causes.

    These fields are recorded too if `with_fields`.
    """
    if _record is None:
        return compute()
    outer, inner = _record, Record()
    with recording(inner):
        value = compute()
    outer.values[name] = plain(value)
    outer.classes[name] = _classes(value)
    if with_fields:
        outer.config.update(inner.config)
        outer.classes.update({path: inner.classes[path] for path in inner.config})
    outer.causes[name] = dict(inner.config)
    for causes in inner.causes.values():
        outer.causes[name].update(causes)
    outer.parts[name] = {key: each for parts in inner.parts.values() for key, each in parts.items()}
    outer.parts[name].update((f":{path}", "") for path in inner.config)
    return value


def derived(parts: Mapping[str, Callable[[], P]], join: Callable[[Iterable[P]], T], name: str) -> T:
    """Return the join of parts, each computed from the config, as a view. Its fields are inputs as a whole.

    Paths begin with `name`. A change of a field is explained by the fields of the config that changed and are
    read by the parts whose value for this field changed.
    """
    made: dict[str, P] = {}
    reads: dict[str, tuple[str, ...]] = {}
    for key, compute in parts.items():
        with recording(Record()) as record:
            made[key] = compute()
        reads[key] = tuple(record.config)
    _roots[name] = join(made.values())
    shown: Any = _Derived(_roots[name], name, made, reads)
    _derived[name] = shown
    return shown  # type: ignore[no-any-return]


def explaining(parts: Mapping[str, str], causes: Iterable[str]) -> list[str]:
    """Return those of `causes` that explain a change of a value which was joined from `parts`; else all.

    A field of the config that only parts with their saved digests read is no explanation.
    """
    near: set[str] = set()
    far: set[str] = set()
    for key, then in parts.items():
        path, _, part = key.partition(":")
        if not path:
            near.add(part)
            continue
        root, _, name = path.partition(".")
        if found := _derived.get(root):
            same = found.digest(name, part) == then
            (far if same else near).update(found.reads.get(part, ()))
    causes = list(causes)
    return [each for each in causes if each in near or each not in far] or causes


def at(path: str) -> Json:
    """Return the present value at a path, as a record has it; GONE if it does not exist."""
    value = _find(path)
    return value if value is GONE else _shallow(value)


def whole(path: str) -> Json:
    """Return the present value at a path, with all that is below it; GONE if it does not exist."""
    value = _find(path)
    return value if value is GONE else plain(value)


@functools.cache
def now(name: str) -> Json:
    """Return the present value of a recorded function or of a derived field; GONE if neither exists."""
    return plain(_functions[name]()) if name in _functions else whole(name)


def classes_at(path: str) -> str:
    """Return a digest of the classes of the present value at a path; of a struct only its own class."""
    return _shallow_classes(_find(path))


@functools.cache
def classes_now(name: str) -> str:
    """Return a digest of the classes of the present value of a recorded function or of a derived field."""
    return _classes(_functions[name]() if name in _functions else _find(name))


def same(then: Json, now: Json) -> bool:
    """Return True if two values have the same JSON. The order of maps counts, and True differs from 1."""
    if isinstance(then, str) or then is None or then is GONE or now is GONE:
        return bool(then is now or then == now)
    return json.dumps(then) == json.dumps(now)


def plain(value: Any) -> Json:
    """Return a value as JSON has it. Raises TypeError for what JSON cannot hold."""
    return plain_values.of(value, _converted)


def _converted(value: Any) -> Json:
    """Convert what only inputs may have: numbers with a fraction, sets, paths and bytes."""
    if isinstance(value, float):
        return value
    if isinstance(value, frozenset | set):
        return sorted(map(plain, value), key=json.dumps)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"an input of a task cannot be a {type(value).__name__}")


def _shallow(value: Any) -> Json:
    """Return a value as it is recorded: of a struct only its existence, since its fields count one by one."""
    return {} if _is_struct(value) else plain(value)


def _shallow_classes(value: Any) -> str:
    return _name(value) if _is_struct(value) else _classes(value)


def _classes(value: Any) -> str:
    """Return the names of the classes of all structs in a value, in their order; empty if it has none."""
    runs = itertools.groupby(_structs(value))
    return " ".join(f"{name}*{len(list(same))}" for name, same in runs)


def _structs(value: Any) -> Iterator[str]:
    if _is_struct(value):
        yield _name(value)
        value = [getattr(value, each.name) for each in fields(value)]
    elif hasattr(value, "_asdict"):  # a named tuple
        yield _name(value)
    elif isinstance(value, Mapping):
        value = value.values()
    elif isinstance(value, frozenset | set):
        value = sorted(value, key=lambda each: json.dumps(plain(each)))
    elif not isinstance(value, list | tuple):
        return
    for each in value:
        yield from _structs(each)


def _name(value: Any) -> str:
    cls = value.__class__  # of a view: the class that it shows
    return f"{cls.__module__}.{cls.__qualname__}"


def _is_struct(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def _find(path: str) -> Any:
    head, _, rest = path.partition(".")
    value, names = (_roots[head], rest) if head and head in _roots else (_roots.get("", GONE), path)
    for name in filter(None, names.split(".")):
        if not _is_struct(value) and not hasattr(value, "_asdict"):
            return GONE
        value = getattr(value, name, GONE)
    return value


def _note(path: str, value: Any) -> None:
    if _record is None:
        _refuse_import(path)
    elif not _is_neutral(path):
        _record.config[path] = _shallow(value)
        _record.classes[path] = _shallow_classes(value)


def _is_neutral(path: str) -> bool:
    return any(path == each or path.startswith(f"{each}.") for each in NEUTRAL)


def _member(shown: Any, path: str, member: Any) -> Any:
    """Return the value of a property of a view, and record it, since its code may change.

    Raises TypeError for a method, whose code would not be compared.
    """
    if not isinstance(member, property):
        raise TypeError(f"{path} is a method of a view; make it a property, or a function of a module")
    if _is_neutral(path):
        return member.__get__(shown)
    return _computed(path, partial(member.__get__, shown), with_fields=not isinstance(shown, _Derived))


def loaded() -> None:
    """Note that all modules of tasks/ are imported, so that reads need no check for it."""
    global _loaded  # noqa: PLW0603 — once in a process
    _loaded = True


def _refuse_import(path: str) -> None:
    """Raise RuntimeError if a module of tasks/ is being imported."""
    if _loaded:
        return
    frame = sys._getframe(2)
    while frame := frame.f_back:  # type: ignore[assignment]
        name = frame.f_globals.get("__name__", "")
        if frame.f_code.co_name == "<module>" and name.startswith("tasks."):
            raise RuntimeError(f"{name} reads {path} during import; read it in a function")


class _Derived:
    """A view of a value that is joined from parts: frozen dataclasses with the fields of the whole."""

    def __init__(
        self, value: Any, name: str, parts: Mapping[str, Any], reads: Mapping[str, tuple[str, ...]]
    ) -> None:
        self._value, self._name, self._parts, self.reads = value, name, parts, reads

    def digest(self, name: str, part: str) -> str:
        """Return a hash of a part's value of the field `name`; "" if there is no such part."""
        import hashlib

        if part not in self._parts:
            return ""
        value = json.dumps(plain(getattr(self._parts[part], name, None)))
        return hashlib.sha256(value.encode()).hexdigest()[:16]

    def __getattr__(self, name: str) -> Any:
        member = getattr(type(self._value), name, None)
        path = f"{self._name}.{name}"
        if isinstance(member, property | FunctionType):
            return _member(self, path, member)
        found = getattr(self._value, name)
        if _record is None:
            _refuse_import(path)
        else:
            _record.values[path] = plain(found)
            _record.classes[path] = _classes(found)
            _record.causes[path] = {each: at(each) for reads in self.reads.values() for each in reads}
            _record.parts[path] = {f"{path}:{part}": self.digest(name, part) for part in self._parts}
        return found


# Views ------------------------------------------------------------------------------------------------

_SELF = "_notos_view"  # an attribute of each view: the dataclass, its path, the views of its fields


def _view(value: Any, path: str) -> Any:
    made: Any = object.__new__(_class(type(value)))  # type: ignore[arg-type]
    object.__setattr__(made, _SELF, (value, path, {}))
    return made


def _read(self: Any, name: str) -> Any:
    value, path, views = object.__getattribute__(self, _SELF)
    found = getattr(value, name)
    where = _below(path, name)
    _note(where, found)
    if not _is_struct(found):
        return found
    if name not in views:
        views[name] = _view(found, where)
    return views[name]


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _value(self: Any) -> Any:
    """Return the dataclass of a view, and record all its fields."""
    value = object.__getattribute__(self, _SELF)[0]
    for each in fields(value):
        found = _read(self, each.name)
        if _is_struct(found):
            _value(found)
    return value


def _itself(value: T) -> T:
    return value


@functools.cache
def _class(cls: Any) -> type:
    """Return a subclass of a dataclass whose instances are views.

    To compare, hash, copy or pickle a view is to read all its fields.
    """
    names = tuple(each.name for each in fields(cls))

    def get(self: Any, name: str) -> Any:
        if name in names or _is_struct(getattr(cls, name, None)):
            return _read(self, name)
        if name == "__dict__":
            return {each: _read(self, each) for each in names}
        member = getattr(cls, name, None)
        if isinstance(member, property) or (isinstance(member, FunctionType) and not name.startswith("__")):
            path = object.__getattribute__(self, _SELF)[1]
            return _member(self, _below(path, name), member)
        if name == "__class__":  # dataclasses.replace then makes a plain dataclass
            return cls
        return object.__getattribute__(self, name)

    def equal(self: Any, other: Any) -> Any:
        shown = _value(other) if _SELF in getattr(type(other), "__slots__", ()) else other
        return _value(self) == shown

    return type(
        cls.__name__,
        (cls,),
        {
            "__slots__": (_SELF,),
            "__doc__": cls.__doc__,
            "__module__": cls.__module__,
            "__getattribute__": get,
            "__eq__": equal,
            "__hash__": lambda self: hash(_value(self)),
            "__reduce_ex__": lambda self, _protocol: (_itself, (_value(self),)),
        },
    )
