"""doit boot-report: its boots, table, chart and comparison."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.conftest import Project

STEPS = {
    ("kernel", "kernel"),
    ("stage-1", "Loading kernel module virtio_blk"),
    ("stage-1", "Switching root filesystem"),
    ("stage-2", "setting up /etc"),
    ("runit 1", "10-hostname"),
    ("runit 1", "40-ssh-keys"),
    ("runit 2", "Running runsvdir"),
    ("sshd", "to the ssh banner"),
}


def test_a_report(built: Project, tmp_path: Path) -> None:
    first, picture = tmp_path / "first.json", tmp_path / "pictures/first.svg"
    words = ("--runs", "2", "--json", str(first), "--svg", str(picture))
    done = built.doit("boot-report", *words, ACCEL="tcg")
    assert "notos by tcg on " in done.stdout
    assert "to the ssh banner" in done.stdout
    report = json.loads(first.read_text())
    assert report["accelerator"] == "tcg"
    assert len(report["boots"]) == 2
    for boot in report["boots"]:
        path = boot["path"]
        assert sum(each["length"] for each in path) == pytest.approx(boot["total"])
        assert {(each["lane"], each["name"]) for each in path} >= STEPS
        assert {each["lane"] for each in path} == {lane for lane, _ in STEPS} | {"QEMU", "firmware"}
        # Clocks, lines and marks agree: no segment was clamped to zero.
        assert all(each["length"] > 0 for each in path)
        assert {each["name"] for each in boot["beside"]} - {"syslog"} == {"nix-daemon"}
        assert not boot["notes"]
    svg = ElementTree.parse(picture).getroot()
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"


def test_a_minimal_machine_compared_with_an_earlier_report(built: Project, tmp_path: Path) -> None:
    """Relative paths are relative to the caller's folder."""
    environment = {"ACCEL": "tcg", "NOTOS_CALLER": str(tmp_path)}
    config = f"config={built.root / 'examples/minimal.yaml'}"
    built.doit(config, "boot-report", "--runs", "1", environment=environment)
    folder = built.root / "build/minimal"
    (boot,) = json.loads((folder / "boot-report.json").read_text())["boots"]
    assert boot["path"][-1]["lane"] == "sshd"
    assert not boot["notes"]
    (folder / "boot-report.json").rename(tmp_path / "before.json")
    words = ("boot-report", "--runs", "1", "--against", "before.json", "--json", "now.json")
    done = built.doit(config, *words, environment=environment)
    assert "against: minimal by tcg" in done.stdout
    assert (tmp_path / "now.json").exists()
    assert (tmp_path / "now.svg").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--runs", "0"), "invalid --runs: 0"),
        (("--against", "none.json"), "none.json is not a boot report"),
    ],
)
def test_errors_come_before_a_boot(built: Project, words: tuple[str, ...], said: str) -> None:
    done = built.doit("boot-report", *words, check=False)
    assert done.returncode
    assert said in done.stdout
