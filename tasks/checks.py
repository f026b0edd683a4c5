"""Linters, the type checker and the import contracts of layers."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from notos.errors import ToolError
from tasks import reporter
from tasks.developer_tools import install
from tasks.graph import Task, action, files

PYTHON = ("notos", "tasks", "tests", "examples", "benchmarks", "dodo.py")
SHELL = (
    "scripts/step",
    "scripts/stage1",
    "scripts/stage2",
    "scripts/switch",
    "scripts/timeline",
    "scripts/runvm.sh",
    "runit",
    "notos/vm/instrumented",
    "notos/system/tmpfiles/functions.sh",
    "doit",
    ".ci/run",
)


def task_check() -> Task:
    """lint and type-check Python, check import layers, shellcheck the scripts"""
    return {"actions": [action(install), action(check)]}


def check() -> None:
    """Run all linters in parallel, then print their findings in turn. Raises ToolError."""
    from concurrent.futures import ThreadPoolExecutor

    shells = [
        path for path in files(*SHELL) + [each for each in SHELL if Path(each).is_file()] if _is_shell(path)
    ]
    python = [each for each in PYTHON if Path(each).exists()]
    commands = (
        ["mypy", "--no-error-summary"],
        ["ruff", "check", "--quiet", *python],
        ["ruff", "format", "--check", "--quiet", *python],
        ["lint-imports", "--no-logo"],
        ["shellcheck", "-x", *sorted(shells)],
    )
    with ThreadPoolExecutor(len(commands)) as pool:
        ended = list(pool.map(_ended, commands))
    reporter.clear()
    for done in ended:
        if done.returncode:
            print(done.stdout.rstrip(), flush=True)
    if failed := [each[0] for each, done in zip(commands, ended, strict=True) if done.returncode]:
        raise ToolError(f"{', '.join(failed)} found something", hint="see its output above")


def _ended(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a linter of this environment; its output is in `stdout`."""
    words = [str(Path(sys.prefix, "bin", command[0])), *command[1:]]
    return subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )


def _is_shell(path: str) -> bool:
    with Path(path).open("rb") as stream:
        first = stream.readline()
    return first.startswith((b"#!", b"# shellcheck shell=")) and b"awk" not in first
