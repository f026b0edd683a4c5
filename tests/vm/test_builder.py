"""The builder: the configs that it writes, the locks that it copies, errors of a failing build."""

from pathlib import Path

import pytest
import yaml

from notos.errors import ConfigError, MachineError
from notos.vm.builder import INSTRUMENTED, Builder

BASE = "name: base\nssh: {server: dropbear}\n"


class Recorder(Builder):
    """A builder that records the configs instead of building them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, print)
        self.built: list[Path] = []

    def _run_doit(self, path: Path) -> None:
        self.built.append(path)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(BASE)
    return path


@pytest.fixture
def builder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path / "work")


def test_a_config_without_overrides_is_built_unchanged(builder: Recorder, base: Path, tmp_path: Path) -> None:
    script, machine = builder.build(base)
    assert builder.built == [base]
    assert script == tmp_path / "work/build/base/runvm.sh"
    assert machine.name == "base"
    assert {path.name for path in (tmp_path / "work").iterdir()} == {".gitignore", "configs"}


def test_overrides_are_merged_onto_the_config(builder: Recorder, base: Path) -> None:
    _, one = builder.build(base, {"hostname": "other"})
    _, again = builder.build(base, {"hostname": "other"})
    _, two = builder.build(base, {"hostname": "another"})
    assert one == again
    assert one.hostname == "other"
    assert one.ssh.server == "dropbear"
    assert len({one.name, two.name, "base"}) == 3
    assert builder.built[0] == builder.built[1] != builder.built[2]
    names = [builder.build(base, {"name": "mine", "hostname": each})[1].name for each in ("a", "b", "a")]
    assert names[0] == names[2] != names[1]
    assert all(each.startswith("mine-") for each in names)


def test_a_machine_without_ssh_gets_the_backdoor(builder: Recorder, base: Path) -> None:
    assert "backdoor" not in builder.build(base)[1].services
    assert "backdoor" in builder.build(base, instrumented=True)[1].services
    _, machine = builder.build(base, {"ssh": {"server": "none"}})
    assert (machine.ssh.server, list(machine.services)) == ("none", ["backdoor"])
    kernel = {"source": "linux-source-6.12", "options": {"VT": "y"}}
    _, machine = builder.build(base, {"kernel": kernel}, instrumented=True)
    assert machine.kernel.options == {"VT": "y", "VIRTIO_CONSOLE": "y"}
    base.write_text(f"{BASE}imports: [{INSTRUMENTED}]\n")
    assert builder.build(base, instrumented=True)[1].name == "base"
    assert builder.built[-1] == base


def test_the_lock_of_the_base_is_copied(builder: Recorder, base: Path) -> None:
    base.with_suffix(".lock").write_text("one")
    builder.build(base, {"hostname": "other"})
    lock = builder.built[0].with_suffix(".lock")
    assert lock.read_text() == "one"
    lock.write_text("one, and what the overrides ask for")
    builder.build(base, {"hostname": "other"})
    assert lock.read_text() == "one, and what the overrides ask for"
    base.with_suffix(".lock").write_text("two")
    builder.build(base, {"hostname": "other"})
    assert lock.read_text() == "two"


def test_errors_in_configs(builder: Recorder, base: Path, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"config .* does not exist"):
        builder.build(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match='did you mean "hostname'):
        builder.build(base, {"hostnam": "x"})
    assert yaml.safe_load(base.read_text())["name"] == "base"


def test_a_failing_build_shows_its_output(base: Path, tmp_path: Path) -> None:
    heard: list[str] = []
    builder = Builder(tmp_path / "work", heard.append)
    base.write_text("name: base\nsystem: {packages: [no-such-package-at-all]}\n")
    with pytest.raises(
        MachineError, match=r"(?s)cannot build .*config.yaml\n.*no-such-package-at-all"
    ) as caught:
        builder.build(base)
    assert "Traceback" not in str(caught.value)
    assert any("FAILED" in line for line in heard)
