"""Tests of a user's project: pytest, with the machines of notos.vm."""

import importlib.util
import os
import subprocess
import sys

from notos.errors import ToolError
from tasks import reporter
from tasks.config import CONFIG
from tasks.graph import Task, action
from tasks.usage import paths_from_caller, usage


def task_test() -> Task:
    """run the project's tests of the machine with pytest

    pytest builds the machine first. Arguments after -- go to pytest.
    """
    return {
        "actions": [action(test)],
        "pos_arg": "words",
        "meta": usage(words="[PATH ...] [-- PYTEST'S OPTIONS]", example="tests/test_machine.py -- -x"),
    }


def test(words: list[str]) -> None:
    """Run pytest with live output. Raises ToolError."""
    if importlib.util.find_spec("pytest") is None:
        raise ToolError(
            "pytest is not installed",
            hint=f"run {sys.executable} -m pip install 'notos[test]', or pip install pytest",
        )
    chosen = [] if str(CONFIG) == "config.yaml" else [f"--notos-config={CONFIG.absolute()}"]
    kept = {name: value for name, value in os.environ.items() if name not in ("NOTOS_CALLER", "NOTOS_CONFIG")}
    reporter.clear()
    words = [each for each in paths_from_caller(words) if each != "--"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "notos.vm.plugin", *chosen, *words], check=False, env=kept
    )
    if done.returncode:
        raise ToolError(f"pytest ended with status {done.returncode}", hint="see its output above")
