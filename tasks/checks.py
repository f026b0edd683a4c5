"""What proves that all is well: linters and types, and the tests. Their tools are installed on first use."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from doit import get_var

from notos.errors import ToolError
from tasks import reporter
from tasks.graph import Task, files, params, step

REQUIREMENTS = ("requirements-test.txt", "requirements-docs.txt")  # the second adds to the first
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
    "doit",
    ".ci/run",
)


def task_check() -> Task:
    """lint and type-check Python, shellcheck the scripts"""
    return {"actions": [step(install), step(check)]}


def task_test() -> Task:
    """check, then run the tests: doit test [tests=PATH or pytest's words]"""
    return {"actions": [step(test)], "task_dep": ["check"]}


def task_bench() -> Task:
    """measure what docs/performance.md quotes: doit bench [--only NAME] [--runs N] [--against FILE]"""
    return {
        "actions": [step(bench)],
        "params": params(
            runs=(5, "how often each is measured"),
            only=("*", "which of them, a glob"),
            against=("", "JSON of an earlier run to compare with"),
            json=("build/bench.json", "where to write"),
        ),
        "meta": {"quiet": True},
    }


def bench(runs: int, only: str, against: str, json: str) -> None:
    """Run the benchmarks, their output live. Raises ToolError."""
    compared = ["--against", against] if against else []
    words = ["--runs", str(runs), "--only", only, "--json", json, *compared]
    run([sys.executable, "-m", "benchmarks", *words])


def install() -> None:
    """Have the test tools in the environment that doit runs in. Raises ToolError."""
    digest = hashlib.sha256(b"".join(Path(each).read_bytes() for each in REQUIREMENTS)).hexdigest()
    stamp = Path(sys.prefix, ".notos-requirements-test")
    if stamp.exists() and stamp.read_text() == digest:
        return
    reporter.clear()
    print("installing the test tools into", sys.prefix, flush=True)
    words = ["--quiet", "--require-hashes", "--no-deps", *(f"-r{each}" for each in REQUIREMENTS)]
    # An environment that uv made has no pip in it.
    has_pip = Path(sys.prefix, "bin/pip").exists()
    uv = shutil.which("uv")
    if has_pip or uv is None:
        run([sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *words])
    else:
        run([uv, "pip", "install", "--python", sys.executable, *words])
    stamp.write_text(digest)


def check() -> None:
    """Run every linter, and name those that found something."""
    shells = [
        path for path in files(*SHELL) + [each for each in SHELL if Path(each).is_file()] if _is_shell(path)
    ]
    python = [each for each in PYTHON if Path(each).exists()]
    commands = (
        ["ruff", "check", "--quiet", *python],
        ["ruff", "format", "--check", "--quiet", *python],
        ["mypy", "--no-error-summary"],
        ["shellcheck", "-x", *sorted(shells)],
    )
    failed = [each[0] for each in commands if _call([str(Path(sys.prefix, "bin", each[0])), *each[1:]])]
    if failed:
        raise ToolError(f"{', '.join(failed)} found something", hint="it is told above")


def test() -> None:
    """Run pytest, its output live. Raises ToolError."""
    words = (get_var("tests") or "").split()
    run([sys.executable, "-m", "pytest", *words])


def _is_shell(path: str) -> bool:
    with Path(path).open("rb") as stream:
        return stream.read(2) == b"#!"


def run(command: Sequence[str]) -> None:
    """Run a command, its output live. Raises ToolError when it fails."""
    if _call(command):
        raise ToolError(f"{command[2] if command[1] == '-m' else command[0]} failed", hint="it is told above")


def _call(command: Sequence[str]) -> int:
    reporter.clear()
    return subprocess.run(command, check=False).returncode
