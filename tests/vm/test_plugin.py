"""The plugin, in a separate run of pytest: lifetimes of machines, reports of failures."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.conftest import ROOT, Project
from tests.this_host import wait_until

Run = Callable[..., subprocess.CompletedProcess[str]]

HEAD = """
import os, pathlib, pytest
SCRIPT = {script!r}
def alive(pid):
    return pathlib.Path(f"/proc/{{pid}}").exists()
"""


@pytest.fixture
def run(tmp_path: Path, built: Project) -> Run:
    """Return a function that runs pytest on test files; their tests do not wait for machines to boot."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nnotos_accel = tcg\n")

    def call(*words: str, **files: str) -> subprocess.CompletedProcess[str]:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(HEAD.format(script=str(built.script)) + text)
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "notos.vm.plugin", "-p", "no:cacheprovider", *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    return call


SCOPES = """
seen = {}
def test_one(machine_factory):
    seen["own"] = machine_factory.at(SCRIPT).pid
    seen["module"] = machine_factory.at(SCRIPT, scope="module").pid
    assert machine_factory.at(SCRIPT, scope="module").pid == seen["module"]
    assert machine_factory.at(SCRIPT, scope="module", name="second").pid != seen["module"]
    session = machine_factory.at(SCRIPT, scope="session")
    path = pathlib.Path("session")
    assert not path.exists() or int(path.read_text()) == session.pid
    path.write_text(str(session.pid))
    assert len({machine.name for machine in machine_factory.machines()}) == 4
def test_two(machine_factory):
    assert not alive(seen["own"])
    shared = machine_factory.at(SCRIPT, scope="module")
    assert shared.pid == seen["module"]
    shared.crash()
    assert machine_factory.at(SCRIPT, scope="module").pid != seen["module"]
    pathlib.Path(f"module-{pathlib.Path(__file__).stem}").write_text(str(shared.pid))
"""
LAST = """
def test_of_another_module():
    assert not alive(pathlib.Path("module-test_a").read_text())
    assert not alive(pathlib.Path("module-test_b").read_text())
    assert alive(pathlib.Path("session").read_text())
"""


def test_machines_live_as_long_as_their_scope(run: Run, tmp_path: Path) -> None:
    done = run(test_a=SCOPES, test_b=SCOPES, test_c=LAST)
    assert done.returncode == 0, done.stdout
    assert not Path("/proc", (tmp_path / "session").read_text()).exists()


FAILING = """
def test_late(machine_factory):
    machine = machine_factory.at(SCRIPT, environment={"KERNEL_PARAMS": "systemConfig=/nix/store/none"})
    while not machine.console.find("rescue shell"):
        machine.console.wait(1)
def test_assertion(machine_factory):
    machine_factory.at(SCRIPT).wait_for_console("Entering stage-1")
    assert 1 == 2
@pytest.fixture
def broken(machine_factory):
    machine_factory.at(SCRIPT, words=["-no-such-option"])
def test_setup(broken):
    pass
def test_tolerated(machine_factory):
    machine = machine_factory.at(
        SCRIPT, environment={"KERNEL_PARAMS": "systemConfig=/nix/store/none"}, tolerated=["rescue"])
    machine.wait_for_console("rescue shell")
"""


def test_reports_of_failures(run: Run, tmp_path: Path) -> None:
    done = run("--junitxml=junit.xml", test_failing=FAILING)
    assert done.returncode == 1
    cases = {each.get("name"): each for each in ElementTree.parse(tmp_path / "junit.xml").iter("testcase")}
    reports = {
        name: [(each.tag, each.get("message", "")) for each in case if each.tag in ("error", "failure")]
        for name, case in cases.items()
    }
    # A failure that no call has raised fails the test at its end.
    ((tag, message),) = reports["test_late"]
    assert tag == "error" and "it is in the rescue shell: stage-1 failed: /nix/store/none" in message
    ((tag, message),) = reports["test_assertion"]
    assert (tag, "assert 1 == 2" in message) == ("failure", True)
    assert "Entering stage-1..." in "".join(cases["test_assertion"].itertext())
    ((tag, message),) = reports["test_setup"]
    assert tag == "error" and "QEMU has ended with status 1" in message
    assert reports["test_tolerated"] == []
    # The report shows the test's line and no code of the driver.
    assert "machine_factory.at(SCRIPT, words=" in done.stdout
    assert "def _until" not in done.stdout
    logs = tmp_path.glob(".notos/artefacts/*/machine/console.log")
    assert sorted(path.parent.parent.name for path in logs) == [
        f"test_failing.py--test_{name}" for name in ("assertion", "late", "setup", "tolerated")
    ]


KEPT = """
def test_kept(machine_factory):
    pathlib.Path("pid").write_text(str(machine_factory.at(SCRIPT).pid))
    assert 1 == 2
def test_passed(machine_factory):
    pathlib.Path("other").write_text(str(machine_factory.at(SCRIPT).pid))
"""


def test_notos_keep_keeps_the_machine_of_a_failed_test(run: Run, tmp_path: Path) -> None:
    done = run("--notos-keep", test_kept=KEPT)
    pid = int((tmp_path / "pid").read_text())
    try:
        assert done.returncode == 1
        assert f"machine still runs, as process {pid}\n  log in:  " in done.stdout
        assert f"  end it:  kill {pid}\n" in done.stdout
        assert Path(f"/proc/{pid}").exists()
        assert not Path("/proc", (tmp_path / "other").read_text()).exists()
        # It boots although no process reads its console any more.
        command = done.stdout.partition("log in:  ")[2].partition("\n")[0] + " hostname"

        def answer() -> bytes | None:
            said = subprocess.run(command, shell=True, capture_output=True, check=False)
            return None if said.returncode else said.stdout

        assert wait_until(answer, "no ssh server answers", tick=1) == b"notos\n"
    finally:
        os.kill(pid, 9)


def test_an_interrupted_session_leaves_nothing(run: Run, tmp_path: Path) -> None:
    text = """
def test_interrupted(machine_factory):
    pathlib.Path("pid").write_text(str(machine_factory.at(SCRIPT, scope="session").pid))
    raise KeyboardInterrupt
"""
    assert run(test_interrupted=text).returncode == 2
    assert not Path("/proc", (tmp_path / "pid").read_text()).exists()
