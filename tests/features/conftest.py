"""Fixtures of the tests of features."""

from collections.abc import Callable
from pathlib import Path

import pytest

from notos import loader
from notos.config.model import Machine

Load = Callable[[str], Machine]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Return a function that loads the lines of a config of the machine x."""

    def read(text: str) -> Machine:
        path = tmp_path / "c.yaml"
        path.write_text(f"name: x\n{text}")
        return loader.load(path).machine

    return read
