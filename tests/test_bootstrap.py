"""./doit: it makes .venv, from anywhere, and says in one line what it lacks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Project, copy_project


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    project = copy_project(tmp_path / "fresh")
    (project.root / "requirements.txt").write_text("# nothing\n")
    return project


def call(
    project: Project, *words: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [project.root / "doit", *words],
        cwd=cwd or project.root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_environment_is_made_once_and_again_when_requirements_change(fresh: Project) -> None:
    first = call(fresh, "list")
    assert "doit: making .venv" in first.stderr
    assert (fresh.root / ".venv/requirements.txt").exists()
    assert "making" not in call(fresh, "list").stderr
    (fresh.root / "requirements.txt").write_text("# something else\n")
    assert "making" in call(fresh, "list").stderr
    (fresh.root / ".venv/requirements.txt").unlink()  # as an interrupted one leaves it
    assert "making" in call(fresh, "list").stderr
    python = fresh.root / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/nonexistent/python3")  # as an upgrade of the host's Python leaves it
    assert "making" in call(fresh, "list").stderr
    assert not list(fresh.root.glob(".venv.*"))


def test_it_works_from_anywhere_and_configs_are_the_caller_s(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    (project.root / ".venv/bin").mkdir(parents=True)
    (project.root / ".venv/bin/python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (project.root / ".venv/bin/python").chmod(0o755)
    shutil.copy(project.root / "requirements.txt", project.root / ".venv/requirements.txt")
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    (elsewhere / "mine.yaml").write_text("name: mine\n")
    done = call(project, "config=mine.yaml", "list", cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    assert (project.root / "build/mine").is_dir()
    done = call(project, "config=none.yaml", "list", cwd=elsewhere)
    assert done.returncode == 3
    assert "none.yaml" in done.stderr


def test_without_python_it_says_what_to_install(fresh: Project, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "readlink", "dirname", "cmp", "mkdir", "rm", "sleep", "tail", "cp"):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    done = call(fresh, "list", PATH=str(tools))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("doit: no Python of 3.11 or newer here; install it")
    assert not (fresh.root / ".venv").exists()
    assert not list(fresh.root.glob(".venv.*"))


def test_the_requirements_are_pinned_with_hashes() -> None:
    for name in ("requirements.txt", "requirements-test.txt"):
        text = (ROOT / name).read_text()
        pinned = [line for line in text.splitlines() if "==" in line]
        assert len(pinned) >= 8
        assert all(line.endswith("\\") for line in pinned)
        assert "--index-url" not in text
