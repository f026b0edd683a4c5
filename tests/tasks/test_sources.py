"""The hash of a task's code: it moves with what the code does, and with nothing else."""

import os
import subprocess
import sys
from types import FunctionType

import pytest

from tasks import sources
from tests.conftest import ROOT

BEFORE = """
LEVEL = 3

def work(rows):
    'Do it.'
    return [row + 700 for row in rows if row in {"a", "b"}], LEVEL, helper()

def helper():
    return 1
"""


def work(text: str) -> FunctionType:
    names: dict[str, FunctionType] = {"__name__": "made"}  # type: ignore[dict-item]
    exec(compile(text, "made.py", "exec"), names)
    return names["work"]


@pytest.mark.parametrize(
    ("old", "new"),
    [("700", "701"), ("LEVEL = 3", "LEVEL = 4"), ("return 1", "return 2"), ('"b"', '"c"')],
)
def test_what_the_code_does_counts(old: str, new: str) -> None:
    assert sources.hashes([work(BEFORE.replace(old, new))]) != sources.hashes([work(BEFORE)])


@pytest.mark.parametrize(("old", "new"), [("Do it.", "Do it well."), ("LEVEL = 3", "# why\n\nLEVEL = 3")])
def test_words_and_lines_do_not(old: str, new: str) -> None:
    assert sources.hashes([work(BEFORE.replace(old, new))]) == sources.hashes([work(BEFORE)])


def test_it_is_the_same_in_every_process() -> None:
    """The order of a set is not."""
    code = "from tests.tasks.test_sources import *; print(sources.hashes([work(BEFORE)]))"
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in range(4)
    }
    assert len(said) == 1
    assert b"made.work" in next(iter(said))


@pytest.mark.parametrize(
    "module",
    ["notos.outputs.qemu.script", "notos.kernel.requirements", "notos.live.nix_builder", "notos.system.etc"],
)
def test_what_a_machine_s_architecture_is_counts(module: str) -> None:
    """A module reads it as Machine.target, without importing notos.architecture."""
    assert "notos/architecture.py" in sources.hashes([module])
