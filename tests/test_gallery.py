"""Rules for the machines in examples/machines, and docs/gallery.md; tests/gallery builds and boots them."""

import re
import shlex
from pathlib import Path

import pytest

from notos import loader
from notos.errors import ToolError
from tasks import arguments, command_line, gallery
from tests.conftest import ROOT

MACHINES = gallery.machines(ROOT)


@pytest.mark.parametrize("folder", MACHINES, ids=lambda path: path.name)
def test_a_short_config_with_a_test(folder: Path) -> None:
    assert gallery.lines(folder / "config.yaml") <= 15
    for config in folder.glob("*.yaml"):
        assert loader.load(config).machine.name == (folder.name if config.stem == "config" else config.stem)
    test = ROOT / "tests/gallery" / f"test_{folder.name.replace('-', '_')}.py"
    assert "gallery.works(" in test.read_text()


@pytest.mark.parametrize("folder", MACHINES, ids=lambda path: path.name)
def test_a_readme_with_the_commands(folder: Path) -> None:
    """Its title, description, two commands that build and boot the machine, a try, and what to change."""
    text = (folder / "README.md").read_text()
    assert text.startswith("# ")
    assert 5 <= sum(1 for line in text.splitlines() if line.strip()) <= 12
    assert f"    ./doit --config examples/machines/{folder.name}/config.yaml runvm\n    ./result\n" in text
    tried, _, changes = text.partition("\nTry it from the host:\n\n")[2].partition("\n\n")
    assert changes.count("\n") == 1
    tasks = command_line.load({})
    for line in text.splitlines():
        if found := re.match(r"    \./doit ([^&]+)", line):
            words = arguments.parse(shlex.split(found[1])).words
            assert words[0] in tasks
    for path in re.findall(r"examples/machines/[\w./-]+", text):
        assert (ROOT / path).exists(), path
    assert tried.startswith("    ")


def test_the_page_is_the_one_that_the_code_writes() -> None:
    """All but the measured values: those are of the last whole run of ./doit test-gallery."""
    text = (ROOT / gallery.PAGE).read_text()
    figures = gallery.read(text)
    assert gallery.page(figures, ROOT) == text
    for name, known in figures.items():
        machine = loader.load(ROOT / gallery.MACHINES / name / "config.yaml").machine
        assert set(known["services"]) <= set(machine.services), name
        assert min(known["image"], known["build"], known["boot"]) > 0, name


def test_the_median_is_short() -> None:
    counts = sorted(gallery.lines(each / "config.yaml") for each in MACHINES)
    assert counts[len(counts) // 2] <= 12


def test_a_page_lists_each_machine_and_its_figures_can_be_read() -> None:
    known = {
        each.name: {"image": 12.5, "build": 9.0 + at, "boot": 7.5, "services": {"a-b": 1.0, "c": 22.1}}
        for at, each in enumerate(MACHINES)
    }
    first = MACHINES[0].name
    known[first] = {"image": 130.0, "build": 99.0, "boot": 7.5, "services": {}}
    text = gallery.page(known, ROOT)
    assert gallery.read(text) == known
    assert f"| [{first}](../examples/machines/{first}): " in text
    assert "| a-b 1.0, c 22.1 |\n" in text
    assert " s for images up to 100 MB)" in text


def test_a_machine_without_figures_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(ToolError, match=r"no figures of backup, "):
        gallery.write(tmp_path)
