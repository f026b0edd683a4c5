"""Checks: linters and types, the suites of tests, benchmarks. Their tools are installed on first use."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from notos.errors import ToolError
from tasks import reporter
from tasks.graph import Task, files, params, step
from tasks.usage import TESTS, options, paths_from_caller, usage

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


@dataclass(frozen=True)
class Suite:
    """Tests that one command runs."""

    task: str
    proves: str
    minutes: int  # on two quiet cores
    paths: tuple[str, ...]  # what other suites name is left out of it
    parallel: bool = False  # whether its test files may run side by side


SUITES = (
    Suite("test", "everything but what the other suites prove", 10, ("tests",), parallel=True),
    Suite(
        "test-machines",
        "machines with a drive, switched while they run, building for others, and their test driver",
        8,
        ("tests/machines",),
        parallel=True,
    ),
    Suite(
        "test-kernels",
        "kernels compiled from source, and the machines that they boot",
        12,
        ("tests/kernels",),
    ),
    Suite("test-docs", "every command of the docs, and the machines that they describe", 6, ("tests/docs",)),
    Suite("test-fresh", "the README's two commands in fresh roots of Debian", 6, ("tests/fresh",)),
)


def task_check() -> Task:
    """lint and type-check Python, shellcheck the scripts"""
    return {"actions": [step(install), step(check)]}


def task_test() -> Task:
    """run the checks, then the tests, but for the suites below"""
    return _suite("test")


def task_test_machines() -> Task:
    """run the checks, then the longer tests of booted machines"""
    return _suite("test-machines")


def task_test_kernels() -> Task:
    """run the checks, then compile kernels and test their machines"""
    return _suite("test-kernels")


def task_test_docs() -> Task:
    """run the checks, then every command of the docs, and the machines that they describe"""
    return _suite("test-docs")


def task_test_fresh() -> Task:
    """run the checks, then try the README's two commands in fresh roots of Debian"""
    return _suite("test-fresh")


def _suite(name: str) -> Task:
    (suite,) = (each for each in SUITES if each.task == name)
    return {
        "basename": name,
        "actions": [(step(test), [suite])],
        "task_dep": ["check"],
        "params": options(TESTS),
        "meta": usage(example="--tests tests/boot"),
    }


def task_bench() -> Task:
    """measure the figures of docs/performance.md"""
    return {
        "actions": [step(bench)],
        "params": params(
            runs=(5, "how often each is measured"),
            only=("*", "which of them, a glob", "NAME"),
            against=("", "JSON of an earlier run to compare with", "FILE"),
            json=("build/bench.json", "where to write", "FILE"),
        ),
        "meta": usage(example="--only 'boot*' --runs 3"),
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
    # The environment that ./doit makes has no pip in it, nor has uv's.
    has_pip = Path(sys.prefix, "bin/pip").exists()
    uv = shutil.which("uv")
    if not has_pip and uv is None:
        run([sys.executable, "-m", "ensurepip", "--default-pip"])
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
        raise ToolError(f"{', '.join(failed)} found something", hint="see its output above")


def test(suite: Suite, tests: str | None = None) -> None:
    """Run a suite, or what --tests names, its output live; say what it leaves out. Raises ToolError."""
    if words := (tests or "").split():
        run([sys.executable, "-m", "pytest", *paths_from_caller(words)])
        return
    try:
        run([sys.executable, "-m", "pytest", *pytest_words(suite)])
    finally:
        for each in left_out(suite):
            print(f"left out: {each.proves} (./doit {each.task}, about {each.minutes} min)", flush=True)


def left_out(suite: Suite) -> list[Suite]:
    """Return the suites whose tests lie below the paths of `suite`."""
    return [each for each in SUITES if each != suite and all(_is_below(path, suite) for path in each.paths)]


def pytest_words(suite: Suite) -> list[str]:
    """Return the words that make pytest run a suite, several test files at a time, and show how far it is."""
    ignored = [f"--ignore={path}" for each in left_out(suite) for path in each.paths]
    # An emulated machine takes one processor; more than six would only wait for the longest file.
    workers = min(len(os.sched_getaffinity(0)), 6) if suite.parallel else 1
    side_by_side = ["-n", str(workers), "--dist=loadfile", "--no-loadscope-reorder"] if workers > 1 else []
    progress = ["-p", "tests.progress", f"--about={suite.minutes}", "-o", "console_output_style=classic"]
    return [*suite.paths, *ignored, *side_by_side, *progress]


def _is_below(path: str, suite: Suite) -> bool:
    return any(Path(path).is_relative_to(each) for each in suite.paths)


def _is_shell(path: str) -> bool:
    with Path(path).open("rb") as stream:
        return stream.read(2) == b"#!"


def run(command: Sequence[str]) -> None:
    """Run a command, its output live. Raises ToolError when it fails."""
    if _call(command):
        raise ToolError(
            f"{command[2] if command[1] == '-m' else command[0]} failed", hint="see its output above"
        )


def _call(command: Sequence[str]) -> int:
    reporter.clear()
    return subprocess.run(command, check=False).returncode
