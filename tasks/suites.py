"""Test suites, with one task for each."""

import os
import shutil
import sys
from pathlib import Path

from notos.structs import dataclass
from tasks.developer_tools import run
from tasks.graph import Task, action
from tasks.usage import TESTS, options, paths_from_caller, usage


@dataclass(frozen=True)
class Suite:
    """The tests of one task."""

    task: str
    proves: str
    minutes: int  # on two quiet cores
    paths: tuple[str, ...]  # without those of other suites
    parallel: bool = False  # test files may run in parallel
    in_ci: bool = True  # False for long proofs, which developers run
    quick: tuple[str, ...] = ()  # test files that the default suite runs, too
    figures: bool = False  # a whole run without failures writes docs/gallery.md


SUITES = (
    Suite("test", "everything except the subjects of the other suites", 25, ("tests",), parallel=True),
    Suite(
        "test-machines",
        "machines with a drive, switches of running machines, remote builders, and the test driver",
        8,
        ("tests/machines",),
        parallel=True,
    ),
    Suite(
        "test-kernels",
        "kernels compiled from source, and machines with them",
        12,
        ("tests/kernels",),
    ),
    Suite(
        "test-gallery",
        "the machines in examples/machines",
        50,
        ("tests/gallery",),
        parallel=True,
        in_ci=False,
        quick=tuple(f"tests/gallery/test_{each}.py" for each in ("git", "mqtt", "nginx")),
        figures=True,
    ),
    Suite(
        "test-services",
        "daemons of Debian by their own units",
        30,
        ("tests/services",),
        parallel=True,
        in_ci=False,
    ),
    Suite("test-docs", "all commands and machines of the docs", 6, ("tests/docs",)),
    Suite("test-fresh", "the README's two commands in fresh Debian installations", 6, ("tests/fresh",)),
)


def task_test() -> Task:
    """run the checks, then all tests except the suites below"""
    return _suite("test")


def task_test_machines() -> Task:
    """run the checks, then the longer tests of booted machines"""
    return _suite("test-machines")


def task_test_kernels() -> Task:
    """run the checks, then compile kernels and test their machines"""
    return _suite("test-kernels")


def task_test_gallery() -> Task:
    """run the checks, then build, boot and use each machine in examples/machines; write docs/gallery.md"""
    return _suite("test-gallery")


def task_test_services() -> Task:
    """run the checks, then start, reload, restart and stop daemons of Debian by their own units"""
    return _suite("test-services")


def task_test_docs() -> Task:
    """run the checks, then all commands and machines of the docs"""
    return _suite("test-docs")


def task_test_fresh() -> Task:
    """run the checks, then the README's two commands in fresh Debian installations"""
    return _suite("test-fresh")


def _suite(name: str) -> Task:
    (suite,) = (each for each in SUITES if each.task == name)
    return {
        "basename": name,
        "actions": [(action(test), [suite])],
        "task_dep": ["check"],
        "params": options(TESTS),
        "meta": usage(example="--tests tests/boot"),
    }


def test(suite: Suite, tests: str | None = None) -> None:
    """Run a suite, or the tests of --tests, with live output. Print what it omits. Raises ToolError."""
    from tasks import gallery

    if words := (tests or "").split():
        run([sys.executable, "-m", "pytest", *paths_from_caller(words)])
        return
    if suite.figures:
        shutil.rmtree(gallery.FIGURES, ignore_errors=True)
    try:
        run([sys.executable, "-m", "pytest", *pytest_words(suite)])
        if suite.figures:
            gallery.write()
    finally:
        for each in left_out(suite):
            print(f"omitted: {each.proves} (./doit {each.task}, about {each.minutes} min)", flush=True)


def left_out(suite: Suite) -> list[Suite]:
    """Return the suites whose tests lie below the paths of `suite`."""
    return [each for each in SUITES if each != suite and all(_is_below(path, suite) for path in each.paths)]


def pytest_words(suite: Suite) -> list[str]:
    """Return pytest's arguments for a suite: parallel test files, and a plugin that shows the progress."""
    from tasks import gallery

    ignored = [f"--ignore={path}" for each in left_out(suite) for path in _omitted(each)]
    # A machine under TCG takes one processor. With more than six, the longest test file decides.
    workers = min(len(os.sched_getaffinity(0)), 6) if suite.parallel else 1
    side_by_side = ["-n", str(workers), "--dist=loadfile", "--no-loadscope-reorder"] if workers > 1 else []
    progress = ["-p", "tests.progress", f"--about={suite.minutes}", "-o", "console_output_style=classic"]
    figures = [f"--figures={gallery.FIGURES.absolute()}"] if suite.figures else []
    return [*suite.paths, *ignored, *side_by_side, *progress, *figures]


def _omitted(suite: Suite) -> list[str]:
    """Return the paths of a suite that the default suite omits: folders, or all files but the quick ones."""
    if not suite.quick:
        return list(suite.paths)
    found = (str(path) for each in suite.paths for path in sorted(Path(each).rglob("test_*.py")))
    return [path for path in found if path not in suite.quick]


def _is_below(path: str, suite: Suite) -> bool:
    return any(Path(path).is_relative_to(each) for each in suite.paths)
