"""Views: every way to read a tree of dataclasses is recorded."""

import ast
import copy
import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, astuple, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from notos.config.model import Disk, DiskSize, Machine, MachineName, Nix, Vm
from tasks import differences, inputs
from tasks.uptodate import Unchanged
from tests.conftest import ROOT, clean_environment


@dataclass(frozen=True)
class Inner:
    number: int = 1
    names: tuple[str, ...] = ("a",)

    @property
    def double(self) -> int:
        return self.number * 2


@dataclass(frozen=True)
class Neutral:
    jobs: int = 1


@dataclass(frozen=True)
class Outer:
    shared: ClassVar[Inner] = Inner(7)
    inner: Inner = field(default_factory=Inner)
    other: Inner | None = None
    table: Mapping[str, Inner] = field(default_factory=lambda: {"x": Inner()})
    build: Neutral = field(default_factory=Neutral)


@pytest.fixture(autouse=True)
def roots() -> Iterator[None]:
    before = dict(inputs._roots)
    yield
    inputs._roots.clear()
    inputs._roots.update(before)


def read(action: Callable[[Any], Any], value: Any = None) -> dict[str, Any]:
    """Return the recorded reads of a function."""
    shown = inputs.view(Outer() if value is None else value)
    with inputs.recording() as record:
        action(shown)
    return record.config


ALL_INNER = {"inner": {}, "inner.number": 1, "inner.names": ["a"]}
ALL = {**ALL_INNER, "other": None, "table": {"x": {"number": 1, "names": ["a"]}}, "build": {}}
WAYS: list[tuple[Callable[[Any], Any], dict[str, Any]]] = [
    (lambda view: view.inner.number, {"inner": {}, "inner.number": 1}),
    (lambda view: view.inner, {"inner": {}}),
    (lambda view: view.other is None, {"other": None}),
    (lambda view: view.shared.number, {"shared": {}, "shared.number": 7}),
    (lambda view: view.inner.double, {"inner": {}, "inner.number": 1}),
    (lambda view: getattr(view, "other", 3), {"other": None}),
    (lambda view: view.table["x"].number, {"table": ALL["table"]}),
    (lambda view: vars(view.inner), ALL_INNER),
    (lambda view: asdict(view.inner), ALL_INNER),
    (lambda view: astuple(view.inner), ALL_INNER),
    (lambda view: repr(view.inner), ALL_INNER),
    (lambda view: hash(view.inner), ALL_INNER),
    (lambda view: view.inner == Inner(), ALL_INNER),
    (lambda view: Inner() == view.inner, ALL_INNER),
    (lambda view: Inner(2) in (view.inner,), ALL_INNER),
    (lambda view: replace(view.inner, number=2), {"inner": {}, "inner.names": ["a"]}),
    (copy.deepcopy, ALL),
    (lambda view: pickle.dumps(view.inner), ALL_INNER),
    (lambda view: [getattr(view.inner, each.name) for each in fields(view.inner)], ALL_INNER),
    (lambda view: view.build.jobs, {"build": {}}),  # one of the keys that change no output
    (lambda view: isinstance(view, Outer) and is_dataclass(view), {}),
]


@pytest.mark.parametrize(("way", "recorded"), WAYS)
def test_every_way_of_reading_is_recorded(way: Callable[[Any], Any], recorded: dict[str, Any]) -> None:
    assert read(way) == recorded


def test_a_view_is_what_it_shows() -> None:
    machine = Machine(name=MachineName("m"), disk=Disk(size=DiskSize("1G")), nix=Nix(enable=True))
    view = inputs.view(machine)
    assert view == machine and machine == view and view == inputs.view(machine)
    assert view != replace(machine, vm=Vm(memory=300))
    assert asdict(view) == asdict(machine)
    assert repr(view) == repr(machine)
    assert isinstance(view, Machine) and view.__class__ is Machine
    assert copy.deepcopy(view) == machine and pickle.loads(pickle.dumps(view)) == machine
    assert replace(view, vm=Vm(memory=300)) == replace(machine, vm=Vm(memory=300))
    assert {view.ssh: 1}[machine.ssh] == 1
    with pytest.raises(AttributeError):
        view.name = "x"  # type: ignore[misc, assignment]


def test_a_computed_value_counts_as_a_whole() -> None:
    view = inputs.view(Outer())

    @inputs.recorded
    def large() -> bool:
        return view.inner.number > 5

    with inputs.recording() as record:
        assert large() is False
    assert record.config == {}
    (name,) = record.values
    assert record.values[name] is False
    assert record.causes[name] == {"inner": {}, "inner.number": 1}
    assert inputs.last() is record


@dataclass(frozen=True)
class Pint:
    number: int = 1


@dataclass(frozen=True)
class Litre:
    number: int = 1


@dataclass(frozen=True)
class Holder:
    """Structs of any class, alone and in a list and a map."""

    one: Any = None
    some: tuple[Any, ...] = ()
    table: Mapping[str, Any] = field(default_factory=dict)


def again(action: Callable[[Any], Any], before: Any, after: Any) -> list[str]:
    """Return the reasons for a second run of an action that reads a view, after a change of its value."""
    inputs.classes_now.cache_clear()
    inputs.now.cache_clear()
    task = cast(Any, None)
    condition = Unchanged([action])
    view = inputs.view(before)
    with inputs.recording():
        action(view)
    saved = json.loads(json.dumps(condition._saved()))
    assert condition(task, saved)
    inputs.view(after)
    reasons = condition.reasons(task, saved)
    assert condition(task, saved) == (not reasons)
    return reasons


@pytest.mark.parametrize(
    ("action", "name"),
    [
        (lambda view: view.one.number, "one"),
        (lambda view: view.some, "some"),
        (lambda view: view.table, "table"),
        (lambda view: [view.one, view.some, view.table], "one"),
    ],
)
def test_a_struct_of_another_class_is_a_change(action: Callable[[Any], Any], name: str) -> None:
    one, two = (Holder(each(), (1, [each()]), {"x": each()}) for each in (Pint, Litre))
    assert again(action, one, one) == []
    assert f"{name}: values of other classes" in again(action, one, two)


def test_an_edit_of_a_property_is_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its module is in no trace of an action that reads it by a view."""
    with inputs.recording() as record:
        assert inputs.view(Outer()).inner.double == 2
    assert record.values == {"inner.double": 2}
    condition = Unchanged([test_an_edit_of_a_property_is_a_change])
    saved = json.loads(json.dumps(condition._saved()))
    inputs.now.cache_clear()
    monkeypatch.setattr(Inner, "double", property(lambda self: self.number * 3))
    assert condition.reasons(cast(Any, None), saved) == ["double: 2 -> 3"]
    inputs.now.cache_clear()


def test_a_method_of_a_view_is_refused() -> None:
    """Its code would not be compared."""

    @dataclass(frozen=True)
    class Methods:
        def twice(self) -> int:
            return 2

    with pytest.raises(TypeError, match="twice is a method of a view"):
        inputs.view(Methods()).twice()


def test_what_is_compared() -> None:
    inputs.view(Outer())
    assert inputs.at("inner") == {}
    assert inputs.at("inner.number") == 1
    assert inputs.at("inner.gone") is inputs.GONE
    assert inputs.at("other.number") is inputs.GONE
    assert inputs.now("no.such.function") is inputs.GONE
    # Python has these as equal, and YAML, which they are written to, has not.
    assert not inputs.same(True, 1)
    assert not inputs.same({"a": True}, {"a": 1})
    assert not inputs.same([1], [1.0])
    assert not inputs.same({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert not inputs.same("x", inputs.GONE)
    assert inputs.same({"a": [1, None]}, {"a": [1, None]})
    with pytest.raises(TypeError, match="an input of a task cannot be a function"):
        inputs.plain(lambda: None)
    with pytest.raises(TypeError, match="an input of a task cannot be a dict"):
        inputs.plain({1: "a", "1": "b"})
    assert inputs.plain(test_what_is_compared) == "tests.tasks.test_inputs.test_what_is_compared"


def test_a_constant_made_at_import_is_refused(tmp_path: Path) -> None:
    """An action would read it without a record."""
    (tmp_path / "config.yaml").write_text("name: x\n")
    code = (
        "import sys, types\nfrom tasks.config import MACHINE\nprint(MACHINE.name)\n"
        "module = types.ModuleType('tasks.made_up')\n"
        "exec(compile('from tasks.config import MACHINE\\nHOSTNAME = MACHINE.hostname', 'made_up', 'exec'), "
        "vars(module))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**clean_environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "x\n"
    assert "tasks.made_up reads hostname during import; read it in a function" in done.stderr


# Names of tasks.config that are no views: constant in a project, or without effect on outputs.
NO_VIEWS = {
    "CACHE",
    "CONFIG",
    "DRIVE",
    "FOLDER",
    "HOST",
    "LOCK",
    "build",
    "explained",
    "gives",
    "manifest",
    "place",
}


@pytest.mark.parametrize("path", sorted((ROOT / "tasks").glob("*.py")), ids=lambda path: path.stem)
def test_nothing_that_is_read_is_kept(path: Path) -> None:
    """A cached function would give actions a value that was read when the task was declared."""
    tree = ast.parse(path.read_text())
    views = {
        each.asname or each.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "tasks.config"
        for each in node.names
    } - NO_VIEWS
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any("cache" in ast.unparse(e) for e in node.decorator_list):
            assert not views & {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}, node.name


PACKAGE = {"name": "python3", "closure": "elf", "only": []}
DIFFERENCES: list[tuple[str, Any, Any, list[str]]] = [
    ("vm.memory", 256, 300, ["vm.memory: 256 -> 300"]),
    ("vm.memory", 256, 256, []),
    ("nix.enable", False, True, ["nix.enable: false -> true"]),
    ("network.dns", ["a"], ["a", "b"], ["network.dns: added b"]),
    ("network.dns", ["a", "b"], ["b"], ["network.dns: removed a"]),
    ("network.dns", ["a", "b"], ["b", "a"], ["network.dns: order changed"]),
    ("system.packages", [], [PACKAGE], ["system.packages: added python3"]),
    ("system.packages", [PACKAGE], [], ["system.packages: removed python3"]),
    (
        "system.packages",
        [PACKAGE],
        [{**PACKAGE, "closure": "depends"}],
        ["system.packages.python3.closure: elf -> depends"],
    ),
    ("kernel.options", {}, {"EXT4_FS": "y"}, ["kernel.options.EXT4_FS: added (y)"]),
    ("kernel.options", {"EXT4_FS": "y"}, {}, ["kernel.options.EXT4_FS: removed (y)"]),
    ("kernel.options", {"EXT4_FS": "y"}, {"EXT4_FS": "m"}, ["kernel.options.EXT4_FS: y -> m"]),
    ("vm.forward", {"1": 1, "2": 2}, {"2": 2, "1": 1}, ["vm.forward: order changed"]),
    ("network.address", None, "10.0.2.15/24", ["network.address: added (10.0.2.15/24)"]),
    ("disk", None, {"size": "1G"}, ["disk: added (size: 1G)"]),
    ("etc.motd.text", "a\nb", "c", ["etc.motd.text: changed"]),
    ("etc.motd.text", "", "c", ['etc.motd.text: "" -> c']),
]


@pytest.mark.parametrize(("key", "then", "now", "said"), DIFFERENCES)
def test_changes_are_explained_by_key(key: str, then: Any, now: Any, said: list[str]) -> None:
    assert differences.lines(key, then, now) == said
