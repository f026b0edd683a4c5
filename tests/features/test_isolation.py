"""No code outside of notos/config and notos/features reads the part of a config that belongs to a feature."""

import ast
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from notos.config import shapes
from notos.config.model import Machine
from notos.config.shapes import ListOf, MapOf, Scalar, Shape, Struct
from notos.features import registry

ROOT = Path(__file__).resolve().parents[2]
OWNED = [key for module in registry.MODULES for key in module.KEYS]
WHOLE = ("vars", "asdict", "astuple", "getattr")  # functions that read a struct by its fields
INSIDE = (ROOT / "notos/config", ROOT / "notos/features")
OUTSIDE = sorted(
    path
    for folder in ("notos", "tasks", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
    if not any(path.is_relative_to(each) for each in INSIDE)
)


def structs(shape: Shape) -> Iterator[str]:
    """Yield the names of the config's structs that a value of `shape` may have in it."""
    match shape:
        case Struct():
            yield shape.cls.__name__
            for each in shape.fields.values():
                yield from structs(each.shape)
        case ListOf():
            yield from structs(shape.item)
        case MapOf():
            yield from structs(shape.value)
        case Scalar():
            pass


MACHINE = shapes.struct(Machine).fields
OTHER_STRUCTS = {name for key in registry.OTHER_KEYS for name in structs(MACHINE[key].shape)}
OWNED_STRUCTS = {name for key in OWNED for name in structs(MACHINE[key].shape)} - OTHER_STRUCTS


def is_machine(node: ast.expr, names: set[str]) -> bool:
    """Return True for `machine`, MACHINE, and an attribute of that name."""
    if isinstance(node, ast.Name):
        return node.id in names
    return isinstance(node, ast.Attribute) and node.attr in ("machine", "MACHINE")


def reads(source: str) -> list[str]:
    """Return what a module reads of features' part of the config, and of all of it by a struct's fields.

    Names of a machine are those that are called so, arguments annotated as Machine of the config's model, and
    what is assigned from one of them.
    """
    tree = ast.parse(source)
    names = {"machine", "MACHINE"}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "notos.config.model":
            found += [
                f"{node.lineno}: import {each.name}" for each in node.names if each.name in OWNED_STRUCTS
            ]
        elif isinstance(node, ast.arg) and isinstance(node.annotation, ast.Name | ast.Constant):
            kind = node.annotation.id if isinstance(node.annotation, ast.Name) else node.annotation.value
            if kind == "Machine":
                names.add(node.arg)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and is_machine(node.value, names):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(each.id for each in targets if isinstance(each, ast.Name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in OWNED and is_machine(node.value, names):
            found.append(f"{node.lineno}: {ast.unparse(node)}")
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in WHOLE and node.args:
            found += [f"{node.lineno}: {ast.unparse(node)}"] if is_machine(node.args[0], names) else []
    return found


def test_each_key_of_the_config_has_one_owner() -> None:
    keys = [*OWNED, *registry.OTHER_KEYS]
    assert sorted(keys) == sorted(each.name for each in fields(Machine))


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_features_read_it(path: Path) -> None:
    assert reads(path.read_text()) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("if machine.nix.enable: pass", "1: machine.nix"),
        ("SSH = MACHINE.ssh.server", "1: MACHINE.ssh"),
        ("x = loader.load(path).machine.disk", "1: loader.load(path).machine.disk"),
        ("def f(m: Machine):\n  return m.services", "2: m.services"),
        ("def f(m: 'Machine'):\n  return m.etc", "2: m.etc"),
        ("whole = MACHINE\nx = whole.time_servers", "2: whole.time_servers"),
        ("vars(MACHINE)", "1: vars(MACHINE)"),
        ("getattr(machine, name)", "1: getattr(machine, name)"),
        ("from notos.config.model import Machine, Network", "1: import Network"),
        ("MACHINE.vm.memory, MACHINE.kernel.source, features.services", None),
        ("from notos.config.model import Machine, Package, Port", None),
    ],
)
def test_the_check_can_fail(source: str, found: str | None) -> None:
    assert reads(source) == ([found] if found else [])
