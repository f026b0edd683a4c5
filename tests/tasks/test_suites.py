"""Test suites: each test is in one suite, CI runs all suites, and a run shows its progress."""

import os
import pty
import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from notos.errors import ToolError
from tasks import gallery, suites
from tests.conftest import ROOT

# The last one ends when the run has shown how far it is.
SLOW = """
import pathlib, time, pytest
SHOWN = pathlib.Path(__file__).with_name("shown")
@pytest.mark.parametrize("number", range(4))
def test_slow(number):
    print("captured")
    while number == 3 and not SHOWN.exists():
        time.sleep(0.05)
    assert number != 2
"""


def ran_by(suite: suites.Suite) -> set[Path]:
    """Return the test files that the arguments of a suite select."""
    words = suites.pytest_words(suite)
    ignored = [ROOT / word.removeprefix("--ignore=") for word in words if word.startswith("--ignore=")]
    found = {path for each in suite.paths for path in (ROOT / each).rglob("test_*.py")}
    return {path for path in found if not any(path.is_relative_to(each) for each in ignored)}


def test_each_test_is_in_one_suite() -> None:
    """The quick ones are in the default suite, too."""
    named = [path for suite in suites.SUITES for path in ran_by(suite)]
    quick = [ROOT / path for suite in suites.SUITES for path in suite.quick]
    assert sorted(named) == sorted([*(ROOT / "tests").rglob("test_*.py"), *quick])
    assert set(quick) <= ran_by(suites.SUITES[0])
    assert all(ran_by(suite) for suite in suites.SUITES)


@pytest.mark.parametrize("broken", [False, True])
def test_only_a_whole_run_without_failures_writes_the_gallery(
    broken: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (suite,) = (each for each in suites.SUITES if each.figures)
    done: list[str] = []

    def run(words: list[str]) -> None:
        done.append("figures" if any(word.startswith("--figures=") for word in words) else "some tests")
        if broken:
            raise ToolError("pytest failed")

    monkeypatch.setattr(suites, "run", run)
    monkeypatch.setattr(gallery, "FIGURES", tmp_path / "figures")
    monkeypatch.setattr(gallery, "write", lambda: done.append("page"))
    for tests in (None, "tests/gallery/test_nginx.py"):
        with pytest.raises(ToolError) if broken else nullcontext():
            suites.test(suite, tests)
    assert done == (["figures", "some tests"] if broken else ["figures", "page", "some tests"])


def test_ci_runs_its_suites_within_its_time() -> None:
    """CI starts with the README's command. Its limit is 90 minutes; it once took 1.25 times these minutes."""
    text = (ROOT / ".ci/run").read_text()
    (found,) = re.findall(r"for suite in (.*); do", text)
    in_ci = [suite for suite in suites.SUITES if suite.in_ci]
    assert found.split() == [suite.task for suite in in_ci]
    assert "    ./doit test\n" in (ROOT / "README.md").read_text()
    (minutes,) = re.findall(r"^minutes=(\d+)$", text, re.MULTILINE)
    assert 1.5 * sum(suite.minutes for suite in in_ci) < int(minutes) < 90


def test_what_the_default_suite_leaves_out_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(suites, "run", ran.append)
    monkeypatch.setattr(gallery, "FIGURES", tmp_path / "figures")
    monkeypatch.setattr(gallery, "write", lambda: None)
    for suite in suites.SUITES:
        suites.test(suite)
    said = capsys.readouterr().out.splitlines()
    assert len(ran) == len(suites.SUITES)
    first, *others = suites.SUITES
    assert (first.task, first.minutes < 30) == ("test", True)
    assert said == [
        f"omitted: {each.proves} (./doit {each.task}, about {each.minutes} min)" for each in others
    ]


def output(folder: Path, *words: str, terminal: bool) -> str:
    """Return the output of a run of a few tests as a suite; one test fails."""
    (folder / "test_slow.py").write_text(SLOW)
    plain = [word for word in suites.pytest_words(suites.SUITES[-1]) if not word.startswith("tests/")]
    command = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(folder), *plain, *words, str(folder)]
    ours, theirs = pty.openpty() if terminal else os.pipe()
    said = ""
    with subprocess.Popen(command, cwd=ROOT, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # a terminal's other end is closed
                break
            if not data:
                break
            said += data.decode()
            if re.search(r"of 4 tests.*  \S*test_slow\.py::test_slow\[3\]", said):
                (folder / "shown").touch()
    os.close(ours)
    assert process.returncode == 1
    return said.replace("\r\n", "\n")


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_shows_its_progress_on_a_terminal(tmp_path: Path, workers: str) -> None:
    said = output(tmp_path, "-n", workers, terminal=True)
    lines = said.split("\r\x1b[K")
    state = rf"\d+:\d\d of about {suites.SUITES[-1].minutes} min  "
    assert any(re.match(rf"{state}[0-3] of 4 tests.*  test_slow.py::test_slow\[3\]$", each) for each in lines)
    assert any(each.startswith("FAILED ") and "test_slow[2]" in each for each in lines)
    assert any(re.match(rf"{state}4 of 4 tests, 1 failed\n", each) for each in lines)
    assert "captured" not in said.partition("FAILURES")[0]
    assert re.search(r"1 failed.*3 passed", said)


def test_a_run_shows_its_progress_in_a_log(tmp_path: Path) -> None:
    said = output(tmp_path, "--plain-seconds=0.2", terminal=False)
    states = re.findall(r"^\d+:\d\d of about \d+ min  (\d) of 4 tests(, 1 failed)?", said, re.MULTILINE)
    assert states[0] < states[-1] == ("4", ", 1 failed")
    assert "\x1b" not in said and "\r" not in said
    assert "FAILED test_slow.py::test_slow[2]\n" in said
