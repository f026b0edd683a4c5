"""Tests of the benchmark framework: the clock, the table, the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import figures, measure
from benchmarks.__main__ import ALL
from benchmarks.figures import Figure
from tests.conftest import ROOT

FIGURE = Figure("no-op", "s", [0.2, 0.4, 0.3], 0.22, {"peer": [0.1, 0.1, 0.1]}, "note")


def test_a_figure_is_its_median_and_pairs_its_peers() -> None:
    assert FIGURE.median == 0.3
    assert FIGURE.ratio("peer") == pytest.approx(3)


def test_figures_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "new/bench.json"
    figures.dump([FIGURE], path)
    assert json.loads(path.read_text())["host"]["cores"] > 0
    assert figures.load(path) == {"no-op": FIGURE}
    path.write_text('{"figures": {"a": {"wrong": 1}}}')
    with pytest.raises(ValueError, match="no figures in"):
        figures.load(path)


def test_the_table_compares() -> None:
    before = {"no-op": Figure("no-op", "s", [0.6])}
    (line,) = figures.table([FIGURE], before).splitlines()[1:]
    assert line.split("  ")[0] == "no-op"
    assert "✗ 0.22" in line and "-50 %" in line and "peer 0.1 s (3.00)" in line and "note" in line
    assert "✓ 0.3" in figures.table([Figure("x", "s", [0.3], 0.3)], {})


def test_the_clock_counts_time_and_memory() -> None:
    idle = measure.run([sys.executable, "-c", "import time; time.sleep(0.2)"])
    large = measure.run([sys.executable, "-c", "x = b'x' * 100_000_000"])
    assert idle.seconds >= 0.2
    assert 100 < large.memory < 200
    assert idle.memory < large.memory
    with pytest.raises(RuntimeError, match="failed with 3: oops"):
        measure.run([sys.executable, "-c", "print('oops'); raise SystemExit(3)"])


def test_every_benchmark_says_what_it_measures() -> None:
    assert all(each.__doc__ for each in ALL)
    assert len({each.__name__ for each in ALL}) == len(ALL)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "such"], "no benchmark matches such; choose from cold, "),
        (["--against", "none.json"], "cannot compare with none.json: "),
    ],
)
def test_invalid_arguments_are_an_error(words: list[str], message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(message)
    assert "Traceback" not in done.stderr
