"""Dataclasses without compiled code, judged by those of Python's library: the same classes, made by both."""

import copy
import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, field, fields, replace
from functools import partial
from itertools import product
from typing import Any, ClassVar

import pytest

from notos import structs
from tests.conftest import ROOT

FIELDS: dict[str, tuple[Any, ...]] = {
    "plain": (("a", int), ("b", str)),
    "defaults": (("a", int), ("b", str, "x"), ("c", tuple, ())),
    "factory": (("a", int, 0), ("b", dict, field(default_factory=dict))),
    "keywords": (("a", int, field(kw_only=True)), ("b", str)),
    "metadata": (("a", int, field(default=dataclasses.MISSING, metadata={"doc": "a"})),),
    "none": (),
}
OPTIONS: tuple[dict[str, bool], ...] = (
    {"frozen": True},
    {"frozen": True, "kw_only": True},
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "eq": False},
    {"frozen": True, "eq": False},
    {},
    {"kw_only": True},
    {"slots": True},
)
CALLS: tuple[tuple[tuple[Any, ...], dict[str, Any]], ...] = (
    ((), {}),
    ((1,), {}),
    ((1, "y"), {}),
    ((1, "y", (3,)), {}),
    ((1, 2, 3, 4), {}),
    ((), {"a": 1}),
    ((), {"b": "y", "a": 1}),
    ((1,), {"b": "y"}),
    ((1,), {"a": 1}),
    ((1,), {"z": 1}),
    ((), {"a": 1, "b": 2, "z": 3}),
)


def pair(described: tuple[Any, ...], **options: bool) -> tuple[Any, Any]:
    """Return the class with these fields, made by Python and by us. pickle finds both here."""
    made = []
    decorators: tuple[Any, Any] = (dataclasses.dataclass, structs.dataclass)
    for number, decorator in enumerate(decorators):
        annotations = {name: kind for name, kind, *_ in described}
        values = {name: copy.copy(rest[0]) for name, _, *rest in described if rest}
        body = {"__annotations__": annotations, "__module__": __name__, "__doc__": "A class.", **values}
        cls = decorator(**options)(type(f"Made{number}", (), body))
        cls.__qualname__ = cls.__name__
        globals()[cls.__name__] = cls
        made.append(cls)
    return made[0], made[1]


def result(call: Callable[[], Any]) -> Any:
    """Return what a call returns; of an error only its type, because the words are not compared."""
    try:
        return call()
    except (TypeError, AttributeError) as error:
        return type(error)


def shown(value: Any) -> str:
    return repr(value).replace("Made1", "Made0")


def instances(kind: str, options: dict[str, bool]) -> list[tuple[Any, Any]]:
    """Return the instances that both classes make of CALLS; both refuse the same calls."""
    classes = pair(FIELDS[kind], **options)
    made = []
    for arguments, named in CALLS:
        theirs, ours = (result(partial(cls, *arguments, **named)) for cls in classes)
        assert shown(theirs) == shown(ours)
        if not isinstance(theirs, type):
            made.append((theirs, ours))
    assert made
    return made


every = pytest.mark.parametrize(("kind", "options"), [*product(FIELDS, OPTIONS)])


@every
def test_fields_are_those_of_dataclasses(kind: str, options: dict[str, bool]) -> None:
    theirs, ours = pair(FIELDS[kind], **options)
    assert [(each.name, each.type, each.default, each.metadata) for each in fields(ours)] == [
        (each.name, each.type, each.default, each.metadata) for each in fields(theirs)
    ]
    assert ours.__match_args__ == theirs.__match_args__


@every
def test_instances_have_the_values_of_dataclasses(kind: str, options: dict[str, bool]) -> None:
    for theirs, ours in instances(kind, options):
        assert asdict(theirs) == asdict(ours)
        assert list(getattr(theirs, "__dict__", {})) == list(getattr(ours, "__dict__", {}))


@every
def test_copies_have_the_same_values(kind: str, options: dict[str, bool]) -> None:
    for _, ours in instances(kind, options):
        copies = [copy.copy(ours), copy.deepcopy(ours), replace(ours), pickle.loads(pickle.dumps(ours))]
        assert [repr(each) for each in copies] == [repr(ours)] * len(copies)


@every
def test_instances_are_compared_as_those_of_dataclasses(kind: str, options: dict[str, bool]) -> None:
    made = instances(kind, options)
    for theirs, ours in made:
        assert [theirs == each for each, _ in made] == [ours == each for _, each in made]
        assert (copy.copy(theirs) == theirs) == (copy.copy(ours) == ours)
        assert ours != theirs
        hashes = [result(partial(hash, each)) for each in (theirs, ours)]
        assert isinstance(hashes[0], int) == isinstance(hashes[1], int)
        if ours == (other := copy.copy(ours)):
            assert result(partial(hash, other)) == hashes[1]


@every
def test_instances_are_as_frozen_as_those_of_dataclasses(kind: str, options: dict[str, bool]) -> None:
    for theirs, ours in instances(kind, options):
        for each in fields(ours):
            for call in (partial(setattr, theirs, each.name, 1), partial(delattr, theirs, each.name)):
                assert result(call) == result(partial(call.func, ours, *call.args[1:]))


def test_factories_make_a_value_for_each_instance() -> None:
    _, ours = pair(FIELDS["factory"])
    assert ours().b is not ours().b


def test_a_value_may_be_missing() -> None:
    _, ours = pair(FIELDS["plain"])
    assert ours(dataclasses.MISSING, "x").a is dataclasses.MISSING


def test_methods_of_the_class_stay_and_fields_are_inherited() -> None:
    @structs.dataclass(frozen=True)
    class Named:
        KIND: ClassVar = "name"
        name: str

        def __repr__(self) -> str:
            return f"<{self.name}>"

    class More(Named):
        pass

    @structs.dataclass(frozen=True)
    class Sized(Named):
        size: int = 0

    assert repr(More("a")) == "<a>"
    assert Named("a") != More("a")
    assert Named("a") != Sized("a")
    assert Sized("a") == Sized("a", 0)
    assert [each.name for each in fields(Sized)] == ["name", "size"]

    @dataclasses.dataclass(frozen=True)
    class Theirs(Sized):
        place: str = "here"

    assert repr(Theirs("a")).endswith("Theirs(name='a', size=0, place='here')")
    with pytest.raises(TypeError, match="frozen"):

        @dataclasses.dataclass
        class _Thawed(Named):  # type: ignore[misc]
            pass


def test_what_is_not_supported_is_refused() -> None:
    with pytest.raises(TypeError, match="__post_init__"):

        @structs.dataclass
        class _Computed:
            a: int

            def __post_init__(self) -> None: ...

    for options in ({"init": False, "default": 1}, {"compare": False}, {"repr": False}, {"hash": True}):
        with pytest.raises(TypeError, match=r"_Partial\.a has options"):

            @structs.dataclass
            class _Partial:
                a: int = field(**options)  # type: ignore[misc]


def test_the_graph_loads_without_compiled_dataclasses() -> None:
    """So a new key of the config costs no time: see CONTRIBUTING.md."""
    script = """
import sys
from tasks import doit_version
doit_version.check()
import dodo
from dataclasses import is_dataclass
for name, module in sorted(sys.modules.items()):
    for cls in vars(module).values() if name.partition(".")[0] in ("notos", "tasks") else ():
        if isinstance(cls, type) and cls.__module__ == name and is_dataclass(cls):
            code = [each.__code__.co_filename for each in vars(cls).values() if hasattr(each, "__code__")]
            if "<string>" in code:
                print(f"{name}.{cls.__qualname__}")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    compiled = sorted(done.stdout.split())
    # Their instances are made by the ten thousand in a build, where compiled methods are faster.
    fast = [f"notos.formats.tree.{name}" for name in ("Device", "Directory", "File", "Symlink")]
    assert compiled == fast, "import dataclass from notos.structs"
