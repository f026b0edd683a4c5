"""The inputs of a task's actions besides files: recorded when read, and compared by later runs.

The config, and any other tree of frozen dataclasses, reaches actions as a view. While a task runs, each
field that is read is recorded by its path ("vm.memory"), with its value; lists and maps count as a whole.
A dataclass that is an attribute of a class counts as a field (Machine.target).
A value that is computed of many fields is an input by itself if its function is `recorded`.

At all other times, as when tasks are declared, a view gives the present values and records nothing. It
refuses to be read while a task module is imported: a constant that is made then would reach actions unseen.
"""

import functools
import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, fields, is_dataclass
from pathlib import PurePath
from types import FunctionType
from typing import Any, TypeVar

from notos.features import plain as plain_values
from notos.structs import dataclass

T = TypeVar("T")
P = TypeVar("P")
Json = Any

# What changes no output, so no task depends on it: where signed packages come from, how this host compiles.
# tests/test_every_key.py proves it.
NEUTRAL = ("build", "debian.mirror", "debian.security_mirror")

# What a missing path has in place of a value; no value in JSON equals it.
GONE = object()


@dataclass
class Record:
    """The inputs of actions: values of the config by path, and results of recorded functions by name.

    `causes` are the fields that each of those functions has read: they explain a change, and cause none.
    `parts` are digests of the parts that each has joined: they tell which causes explain it.
    """

    config: dict[str, Json] = field(default_factory=dict)
    values: dict[str, Json] = field(default_factory=dict)
    causes: dict[str, dict[str, Json]] = field(default_factory=dict)
    parts: dict[str, dict[str, str]] = field(default_factory=dict)


_record: Record | None = None
_last = Record()
_roots: dict[str, Any] = {}
_functions: dict[str, Callable[[], Any]] = {}
_derived: dict[str, "_Derived"] = {}


@contextmanager
def recording(record: Record | None = None) -> Iterator[Record]:
    """Record all reads in the block, in `record` or in a new record that `last` returns."""
    global _record, _last  # noqa: PLW0603 — one task runs at a time, its threads read for it
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
    """Return a view of a frozen dataclass: the root of paths that begin with `name`, or of all others."""
    _roots[name] = value
    made: T = _view(value, name)
    return made


def recorded(function: Callable[[], T]) -> Callable[[], T]:
    """Make what `function` returns an input as a whole, in place of the fields that it reads."""
    name = f"{function.__module__}.{function.__qualname__}"
    _functions[name] = function

    @functools.wraps(function)
    def call() -> T:
        if _record is None:
            return function()
        outer, inner = _record, Record()
        with recording(inner):
            value = function()
        outer.values[name] = plain(value)
        outer.causes[name] = inner.config
        for causes in inner.causes.values():
            outer.causes[name].update(causes)
        outer.parts[name] = {key: each for parts in inner.parts.values() for key, each in parts.items()}
        return value

    return call


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
    """Return what a recorded function returns now, or a field of a derived value; GONE if neither exists."""
    return plain(_functions[name]()) if name in _functions else whole(name)


def same(then: Json, now: Json) -> bool:
    """Return True if two values are the same in JSON, to the order of a map: True is not 1 there."""
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
    elif not any(path == each or path.startswith(f"{each}.") for each in NEUTRAL):
        _record.config[path] = _shallow(value)


def _refuse_import(path: str) -> None:
    """Raise RuntimeError if a module of tasks/ is being imported."""
    frame = sys._getframe(2)
    while frame := frame.f_back:  # type: ignore[assignment]
        name = frame.f_globals.get("__name__", "")
        if frame.f_code.co_name == "<module>" and name.startswith("tasks."):
            raise RuntimeError(f"{name} reads {path} as it is imported; read it in a function")


class _Derived:
    """A view of a value that is joined from parts: frozen dataclasses with the fields of the whole."""

    def __init__(
        self, value: Any, name: str, parts: Mapping[str, Any], reads: Mapping[str, tuple[str, ...]]
    ) -> None:
        self._value, self._name, self._parts, self.reads = value, name, parts, reads

    def digest(self, name: str, part: str) -> str:
        """Return a hash of a part's value of the field `name`; "" if there is no such part."""
        if part not in self._parts:
            return ""
        value = json.dumps(plain(getattr(self._parts[part], name, None)))
        return hashlib.sha256(value.encode()).hexdigest()[:16]

    def __getattr__(self, name: str) -> Any:
        member = getattr(type(self._value), name, None)
        if isinstance(member, property):
            return member.__get__(self)  # it reads fields
        if isinstance(member, FunctionType):
            return functools.partial(member, self)
        found = getattr(self._value, name)
        path = f"{self._name}.{name}"
        if _record is None:
            _refuse_import(path)
        else:
            _record.values[path] = plain(found)
            _record.causes[path] = {each: at(each) for reads in self.reads.values() for each in reads}
            _record.parts[path] = {f"{path}:{part}": self.digest(name, part) for part in self._parts}
        return found


# Views ------------------------------------------------------------------------------------------------

_SELF = "_notos_view"  # a view's own attribute: the dataclass, its path, the views of its fields


def _view(value: Any, path: str) -> Any:
    made: Any = object.__new__(_class(type(value)))  # type: ignore[arg-type]
    object.__setattr__(made, _SELF, (value, path, {}))
    return made


def _read(self: Any, name: str) -> Any:
    value, path, views = object.__getattribute__(self, _SELF)
    found = getattr(value, name)
    where = f"{path}.{name}" if path else name
    _note(where, found)
    if not _is_struct(found):
        return found
    if name not in views:
        views[name] = _view(found, where)
    return views[name]


def _value(self: Any) -> Any:
    """Return the dataclass of a view, all of which is recorded."""
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

    They are compared, hashed, copied and pickled as what they show, all of which counts as read then.
    """
    names = tuple(each.name for each in fields(cls))

    def get(self: Any, name: str) -> Any:
        if name in names or _is_struct(getattr(cls, name, None)):
            return _read(self, name)
        if name == "__dict__":
            return {each: _read(self, each) for each in names}
        if name == "__class__":  # dataclasses.replace makes one of these
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
