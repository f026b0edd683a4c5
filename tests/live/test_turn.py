"""The script of a switch (scripts/switch/turn), in part: its wait for the first states of packages."""

import subprocess
from pathlib import Path

import pytest

from notos.live.status import script
from tests.conftest import ROOT, Tool

_STUBS = """
stopServices() { :; }
runAgain() { :; }
startServices() { echo started; }
turn
echo "status $?"
"""


def turned(root: Path, busybox: list[str], runner: str, longest: int) -> list[str]:
    """Return the output of the step `turn` with a runner of first states."""
    runit = root / "runit"
    (runit / "first-states").mkdir(parents=True)
    (runit / "first-state").write_text(f"#!/bin/sh\n{runner}")
    (runit / "first-state").chmod(0o755)
    (root / "activate").write_text("")
    folder, none = str(root), tuple[str, ...]()
    text = script(
        "turn",
        old=folder,
        new=folder,
        stop=none,
        start=none,
        again=none,
        limit=30,
        generation=0,
        longest=longest,
    )
    text = text.partition("if [ ! -L /etc ]; then")[0].replace("/etc/runit/", f"{runit}/")
    text = text.replace("export PATH=/usr/sbin:/usr/bin\n", "").replace("stat -c %Y $services", "echo 1")
    done = subprocess.run(
        [*busybox, "sh", "-c", text + _STUBS], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture
def busybox(tool: Tool) -> list[str]:
    return [str(word) for word in tool("busybox")]


@pytest.mark.parametrize("runner", ["sleep 1; echo made\n", "echo made; exit 1\n"])
def test_services_start_after_the_first_states(tmp_path: Path, busybox: list[str], runner: str) -> None:
    assert turned(tmp_path, busybox, runner, 60) == ["made", "started", "status 0"]


def test_no_service_starts_with_an_unfinished_state(tmp_path: Path, busybox: list[str]) -> None:
    """All processes of the runner are killed: no later change can meet the next run."""
    late = tmp_path / "late"
    runner = f"(sleep 4; touch {late}) &\nwait\n"
    assert turned(tmp_path, busybox, runner, 1) == [
        "the first states of packages took more than 1 s",
        "status 1",
    ]
    subprocess.run(["sleep", "4"], check=True)
    assert not late.exists()


def test_units_stop_in_the_reverse_of_after(tmp_path: Path, busybox: list[str]) -> None:
    text = (ROOT / "scripts/switch/turn").read_text()
    text = text[text.index("stopWave() {") : text.index("# Stop services and their runsv processes")]
    (tmp_path / "stop-order").write_text("web\ndb gone\n")
    for name in ("db", "own", "web", "app"):
        (tmp_path / name).mkdir()
        if name != "own":
            (tmp_path / name / "stop-seconds").touch()
    places = " ".join(str(tmp_path / name) for name in ("db", "own", "web", "app"))
    stub = 'stopUnit() { sleep 0.2; echo "${1##*/}"; }\n'
    script_ = f'{stub}{text.replace("/etc/runit/", f"{tmp_path}/")}places="{places}"\nstopUnits\n'
    done = subprocess.run(
        [*busybox, "sh", "-c", script_], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["app", "web", "db"]
