"""Fixtures of the tests in fresh roots."""

from pathlib import Path

import pytest

from notos import loader
from tests.conftest import ROOT, copy_project
from tests.fresh import roots


@pytest.fixture(scope="session")
def maker() -> roots.Maker:
    """Return the maker of roots, which stay in build/ for the next run."""
    folder = ROOT / "build/fresh"
    folder.mkdir(parents=True, exist_ok=True)
    made = roots.Maker(folder, loader.load(ROOT / "config.yaml").machine.debian)
    if why := made.forbidden():
        pytest.fail(why, pytrace=False)
    return made


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a user's home with only a clone of the project."""
    folder = tmp_path / "home"
    copy_project(folder / "notos")
    roots.give(folder)
    return folder
