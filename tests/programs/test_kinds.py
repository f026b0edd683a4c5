"""Kinds of programs, and the packages that their builds need."""

from pathlib import Path

import pytest

from notos.programs import kinds


def source(folder: Path, **files: str) -> str:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return str(folder)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["pyproject.toml"], ["python"]),
        (["requirements.txt"], ["python"]),
        (["package.json"], ["npm"]),
        (["Cargo.toml", "Makefile"], ["cargo"]),
        (["go.mod", "package.json"], ["npm", "go"]),
        (["GNUmakefile"], ["make"]),
        (["README"], []),
    ],
)
def test_the_files_show_the_kind(files: list[str], found: list[str], tmp_path: Path) -> None:
    for each in files:
        (tmp_path / each).touch()
    assert [each.name for each in kinds.of(str(tmp_path))] == found


@pytest.mark.parametrize(
    ("project", "packages"),
    [
        ("[build-system]\nrequires = ['setuptools>=60', 'wheel']", ["python3-setuptools", "python3-wheel"]),
        ("[build-system]\nrequires = ['hatchling']", ["python3-hatchling"]),
        ("[build-system]\nrequires = ['flit_core >=3,<4']", ["flit"]),
        ("[build-system]\nrequires = ['poetry.core']", ["python3-poetry-core"]),
        ("[build-system]\nrequires = ['meson-python']", ["meson-python"]),
        ("[project]\nname = 'x'", ["python3-setuptools"]),
        ("[tool.ruff]\nline-length = 100", []),
        ("not TOML", []),
    ],
)
def test_a_project_needs_its_build_backend(project: str, packages: list[str], tmp_path: Path) -> None:
    folder = source(tmp_path, pyproject__toml=project)
    found = kinds.build_packages(folder, kinds.of(folder), named=True)
    assert list(found) == ["python3", "python3-pip", *packages]
    assert kinds.is_project(folder) == bool(packages)


def test_a_backend_that_is_pinned_is_no_package_of_debian(tmp_path: Path) -> None:
    folder = source(
        tmp_path,
        pyproject__toml="[build-system]\nrequires = ['uv_build']",
        requirements__txt="uv-build==1.0 --hash=sha256:00",
    )
    assert list(kinds.build_packages(folder, kinds.of(folder), named=False)) == ["python3", "python3-pip"]


def test_compilers_are_added_unless_the_config_names_packages(tmp_path: Path) -> None:
    folder = source(tmp_path, go__mod="module x")
    assert kinds.build_packages(folder, kinds.of(folder), named=False) == ("golang-go",)
    assert kinds.build_packages(folder, kinds.of(folder), named=True) == ()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "needs run"),
        ({"go__mod": "module x", "package__json": "{}"}, "has files of npm and go"),
        ({"package__json": '{"dependencies": {"a": "1"}}'}, "no package-lock.json"),
        ({"package__json": '{"dependencies": {}}'}, ""),
        ({"Cargo__toml": "[package]"}, "no Cargo.lock"),
        ({"go__mod": "module x\n\nrequire example.org/y v1.0.0\n"}, "neither go.sum nor vendor"),
        ({"go__mod": "module x\n"}, ""),
        ({"Makefile": "x:"}, ""),
    ],
)
def test_a_program_that_cannot_be_built(files: dict[str, str], said: str, tmp_path: Path) -> None:
    folder = source(tmp_path, **files)
    found = kinds.unclear("app", folder, kinds.of(folder))
    assert said in found
    assert bool(found) == bool(said)


@pytest.mark.parametrize(
    ("path", "good"),
    [("/usr/bin/a", True), ("/opt/a", True), ("/srv/a/b", True), ("/etc/a", False), ("/usr", False)],
)
def test_programs_are_below_three_folders(path: str, good: bool) -> None:
    assert bool(kinds.wrong_destination(path)) != good
