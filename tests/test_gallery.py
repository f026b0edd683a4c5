"""Rules for the configs in examples/machines; tests/gallery builds and boots them."""

from pathlib import Path

import pytest

from notos import loader
from tests.conftest import ROOT

CONFIGS = sorted((ROOT / "examples/machines").glob("*.yaml"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_a_short_config_with_a_test(config: Path) -> None:
    lines = [line for line in config.read_text().splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) <= 15
    assert loader.load(config).machine.name == config.stem
    assert (ROOT / "tests/gallery" / f"test_{config.stem.replace('-', '_')}.py").is_file()
