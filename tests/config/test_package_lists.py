"""The lists of packages in a config: complete, and the places of packages that cannot be found."""

from pathlib import Path

import pytest

from notos import loader
from notos.config.package_lists import package_lists, system_names
from notos.errors import PackageError
from notos.features import registry
from notos.system import contents

CONFIG = """name: x
system:
  packages: [a1]
  scripts: {s: {run: x, packages: [b1]}}
initrd: {packages: [busybox-static, c1]}
services: {s: {run: x, packages: [d1]}}
timers: {t: {run: x, every: day, packages: [e1]}}
boot:
  early: {run: x, when: pre-mount, packages: [f1]}
  late: {run: x, packages: [g1]}
"""


def test_the_lists(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    machine = loader.load(path).machine
    assert {".".join(each.keys): (each.part, each.packages[-1].name) for each in package_lists(machine)} == {
        "system.packages": ("system", "a1"),
        "system.scripts.s.packages": ("script", "b1"),
        "initrd.packages": ("initrd", "c1"),
        "services.s.packages": ("system", "d1"),
        "timers.t.packages": ("system", "e1"),
        "boot.early.packages": ("initrd", "f1"),
        "boot.late.packages": ("system", "g1"),
    }
    assert system_names(machine) == {"a1", "d1", "e1", "g1"}


@pytest.mark.parametrize("name", ["a1", "b1", "c1", "d1", "e1", "f1", "g1"])
def test_an_error_of_a_package_has_its_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    line = next(number for number, text in enumerate(CONFIG.splitlines(), 1) if name in text)
    said = loader.load(path).explained(PackageError("no such package", package=name))
    assert f"{path}:{line}" in said


def test_packages_that_the_config_names_have_their_dependencies(tmp_path: Path) -> None:
    """Those of the initrd have the libraries of their programs."""
    path = tmp_path / "c.yaml"
    path.write_text(CONFIG)
    machine = loader.load(path).machine
    features = registry.features(machine)
    closures = {str(each.name): each.closure for each in contents.system_packages(machine, features)}
    assert {name: closures[name] for name in ("a1", "d1", "e1", "g1")} == dict.fromkeys(
        ("a1", "d1", "e1", "g1"), "depends"
    )
    assert {each.closure for each in contents.initrd_packages(machine, features)} <= {None, "elf"}
