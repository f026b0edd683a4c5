"""Statistics of boots: tables, JSON, comparison."""

from pathlib import Path

import pytest

from notos.boot_chart import report as boot_report
from notos.boot_chart.report import Report
from notos.boot_chart.timeline import BESIDE, Boot, Segment
from notos.errors import MachineError


def boot(*lengths: float, beside: float = 0.5) -> Boot:
    """Return a boot with QEMU, two steps of stage-1, and sshd."""
    names = [("QEMU", "QEMU"), ("stage-1", "mount"), ("stage-1", "switch"), ("sshd", "to the ssh banner")]
    path, start = [], 0.0
    for (lane, name), length in zip(names, lengths, strict=True):
        path.append(Segment(lane, name, start, length))
        start += length
    return Boot(path, [Segment(BESIDE, "nix-daemon", start - beside, beside)])


def report(*boots: Boot, accelerator: str = "tcg") -> Report:
    return Report("notos", accelerator, "a processor", boots)


THREE = report(boot(0.1, 0.2, 0.3, 1.0), boot(0.2, 0.1, 0.5, 1.1), boot(0.1, 0.4, 0.4, 0.9))


def test_medians_and_spread() -> None:
    switch = THREE.path[2]
    assert (switch.name, switch.median, switch.least, switch.most) == ("switch", 0.4, 0.3, 0.5)
    assert switch.deviation == pytest.approx(0.1)
    assert THREE.total.median == pytest.approx(1.8)
    assert THREE.end == pytest.approx(0.1 + 0.2 + 0.4 + 1.0)
    assert [lane.lane for lane in THREE.lanes] == ["QEMU", "stage-1", "sshd"]
    assert THREE.lanes[1].lengths == pytest.approx([0.5, 0.6, 0.8])


def test_steps_are_consecutive() -> None:
    ends = [each.start + each.median for each in THREE.path]
    assert [each.start for each in THREE.path] == pytest.approx([0, *ends[:-1]])
    (daemon,) = THREE.beside
    assert daemon.start + daemon.median == pytest.approx(THREE.end)


def test_a_missing_step_has_length_zero() -> None:
    short = Boot([Segment("QEMU", "QEMU", 0, 0.1), Segment("sshd", "to the ssh banner", 0.1, 1.0)])
    both = report(boot(0.1, 0.2, 0.3, 1.0), short)
    assert [each.lengths for each in both.path if each.name == "mount"] == [[0.2, 0.0]]


def test_the_table_adds_up() -> None:
    lines = boot_report.table(THREE).splitlines()
    rows = {line[:40].strip().rstrip(".0123456789").strip(): line for line in lines}
    assert "100.0 %" in next(line for line in lines if line.startswith("to the ssh banner"))
    assert "100.0" in next(line for line in lines if line.startswith("between the medians"))
    assert any(name.startswith("beside: nix-daemon") for name in rows)
    assert "against" not in lines[0]


def test_json_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new/report.json"
    boot_report.dump(THREE, path)
    assert boot_report.load(path).path == THREE.path
    assert boot_report.table(boot_report.load(path)) == boot_report.table(THREE)


def test_comparison_with_an_earlier_report() -> None:
    later = report(*(boot(0.1, 0.2, length, 1.0) for length in (0.9, 0.8, 0.9)))
    lines = boot_report.table(later, THREE).splitlines()
    assert next(line for line in lines if "switch" in line).endswith("+500 ≠")
    assert next(line for line in lines if "mount" in line).rstrip().endswith("+0")
    assert any("against: notos by tcg" in line for line in boot_report.remarks(later, THREE))
    other = report(*THREE.boots, accelerator="kvm")
    assert any("different processors" in line for line in boot_report.remarks(other, THREE))


def test_added_and_removed_steps_are_shown() -> None:
    short = report(Boot([Segment("QEMU", "QEMU", 0, 0.1), Segment("new", "step", 0.1, 1.0)]))
    lines = boot_report.table(short, THREE).splitlines()
    assert next(line for line in lines if line.startswith("  step")).endswith("new")
    assert [line.split()[-1] for line in lines if line.startswith("gone: stage-1, switch")] == ["-400"]


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", '{"format": 2}', '{"format": 1, "boots": []}', '{"format": 1, "boots": [{}]}'],
)
def test_not_a_report(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(MachineError, match="is not a boot report"):
        boot_report.load(path)
    with pytest.raises(MachineError, match="is not a boot report"):
        boot_report.load(tmp_path / "none.json")
