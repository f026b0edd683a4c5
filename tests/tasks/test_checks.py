"""`./doit check`: what each linter finds is shown, and the contracts of the layers hold."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Project, copy_project

MISTAKES = {
    "a module below that uses one above": (
        "notos/errors.py",
        "from notos.store import store\n",
        "what stands below it BROKEN",
    ),
    "a module that knows the graph": ("notos/live/ssh.py", "import doit\n", "does not know the graph BROKEN"),
    "two modules of a package that use each other": (
        "notos/formats/tree.py",
        "from notos.formats import nar\n",
        "import each other, directly or not BROKEN",
    ),
    "a package without a place": ("notos/astray/__init__.py", "\n", "astray"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_project(tmp_path_factory.mktemp("checked") / "notos")


def layers(project: Project) -> subprocess.CompletedProcess[str]:
    """Run import-linter as `./doit check` does."""
    program = Path(sys.executable).with_name("lint-imports")
    if not program.exists():
        pytest.skip("./doit check installs import-linter")
    environment = {**os.environ, "PYTHONPATH": str(project.root)}
    return subprocess.run(
        [program, "--no-logo", "--no-cache"],
        cwd=project.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_contracts_find(project: Project, mistake: str) -> None:
    path, line, says = MISTAKES[mistake]
    changed = project.root / path
    before = changed.read_text() if changed.exists() else None
    changed.parent.mkdir(exist_ok=True)
    changed.write_text(line if before is None else before + line)
    try:
        done = layers(project)
    finally:
        shutil.rmtree(changed.parent) if before is None else changed.write_text(before)
    assert done.returncode == 1
    assert says in done.stdout


def test_the_layers_are_kept() -> None:
    done = layers(Project(ROOT))
    assert done.returncode == 0, done.stdout
