"""Rules for the modules of notos/ that import-linter does not check: their docstrings and tests.

The layers are contracts in pyproject.toml, which `./doit check` proves.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SKELETON = ROOT / "notos/skeleton/project"  # files of new projects
MODULES = sorted(
    path for path in (ROOT / "notos").rglob("*.py") if not path.is_relative_to(SKELETON) and path.read_text()
)
_TESTED = re.compile(r"^    (tests/\S+\.py): ([\w, ]+)$", re.MULTILINE)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text()), clean=False) or ""


def named(package: Path) -> Iterator[tuple[str, str]]:
    """Yield each module that a package's docstring names, and the test module that it names for it."""
    for tests, modules in _TESTED.findall(docstring(package / "__init__.py")):
        yield from ((each, tests) for each in modules.split(", "))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert docstring(path)


@pytest.mark.parametrize("path", [each for each in MODULES if each.name != "__init__.py"], ids=name)
def test_every_module_has_tests(path: Path) -> None:
    """They are in a test module of the same name, or in one that the package's docstring names."""
    own = ROOT / "tests" / path.relative_to(ROOT / "notos").with_name(f"test_{path.name}")
    others = [tests for module, tests in named(path.parent) if module == path.stem]
    assert own.exists() != bool(others), "either a test module of this name, or a line in the package"


@pytest.mark.parametrize("path", [each for each in MODULES if each.name == "__init__.py"], ids=name)
def test_what_a_package_names_exists(path: Path) -> None:
    for module, tests in named(path.parent):
        assert (path.parent / f"{module}.py").exists(), module
        assert (ROOT / tests).exists(), tests
