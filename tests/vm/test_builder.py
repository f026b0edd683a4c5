"""The workshop: configs that it writes, locks that it starts from, what a failing build says."""

from pathlib import Path

import pytest
import yaml

from notos.errors import ConfigError, MachineError
from notos.vm.builder import INSTRUMENTED, Builder

BASE = "name: base\nssh: {server: dropbear}\n"


class Noting(Builder):
    """One that builds nothing, but notes what it would."""

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
def shop(tmp_path: Path) -> Noting:
    return Noting(tmp_path / "work")


def test_a_plain_config_is_built_as_it_is(shop: Noting, base: Path, tmp_path: Path) -> None:
    script, machine = shop.build(base)
    assert shop.built == [base]
    assert script == tmp_path / "work/build/base/runvm.sh"
    assert machine.name == "base"
    assert {path.name for path in (tmp_path / "work").iterdir()} == {".gitignore", "configs"}


def test_overrides_are_laid_on_it_each_once(shop: Noting, base: Path) -> None:
    _, one = shop.build(base, {"hostname": "other"})
    _, again = shop.build(base, {"hostname": "other"})
    _, two = shop.build(base, {"hostname": "another"})
    assert one == again
    assert one.hostname == "other"
    assert one.ssh.server == "dropbear"
    assert len({one.name, two.name, "base"}) == 3
    assert shop.built[0] == shop.built[1] != shop.built[2]
    names = [shop.build(base, {"name": "mine", "hostname": each})[1].name for each in ("a", "b", "a")]
    assert names[0] == names[2] != names[1]
    assert all(each.startswith("mine-") for each in names)


def test_what_has_no_ssh_has_the_backdoor(shop: Noting, base: Path) -> None:
    assert "backdoor" not in shop.build(base)[1].services
    assert "backdoor" in shop.build(base, instrumented=True)[1].services
    _, machine = shop.build(base, {"ssh": {"server": "none"}})
    assert (machine.ssh.server, list(machine.services)) == ("none", ["backdoor"])
    kernel = {"source": "linux-source-6.12", "options": {"VT": "y"}}
    _, machine = shop.build(base, {"kernel": kernel}, instrumented=True)
    assert machine.kernel.options == {"VT": "y", "VIRTIO_CONSOLE": "y"}
    base.write_text(f"{BASE}imports: [{INSTRUMENTED}]\n")
    assert shop.build(base, instrumented=True)[1].name == "base"
    assert shop.built[-1] == base


def test_the_base_s_lock_is_what_is_begun_from(shop: Noting, base: Path) -> None:
    base.with_suffix(".lock").write_text("one")
    shop.build(base, {"hostname": "other"})
    lock = shop.built[0].with_suffix(".lock")
    assert lock.read_text() == "one"
    lock.write_text("one, and what the overrides ask for")
    shop.build(base, {"hostname": "other"})
    assert lock.read_text() == "one, and what the overrides ask for"
    base.with_suffix(".lock").write_text("two")
    shop.build(base, {"hostname": "other"})
    assert lock.read_text() == "two"


def test_what_is_wrong_is_told(shop: Noting, base: Path, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="there is no config"):
        shop.build(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match='did you mean "hostname'):
        shop.build(base, {"hostnam": "x"})
    assert yaml.safe_load(base.read_text())["name"] == "base"


def test_a_failing_build_is_told_with_its_words(base: Path, tmp_path: Path) -> None:
    heard: list[str] = []
    shop = Builder(tmp_path / "work", heard.append)
    base.write_text("name: base\nsystem: {packages: [no-such-package-at-all]}\n")
    with pytest.raises(
        MachineError, match=r"(?s)cannot build .*config.yaml\n.*no-such-package-at-all"
    ) as caught:
        shop.build(base)
    assert "Traceback" not in str(caught.value)
    assert any("FAILED" in line for line in heard)
