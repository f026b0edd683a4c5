"""Systemd units in a config: the units and packages of services and timers."""

from collections.abc import Callable
from pathlib import Path

import pytest

from notos import loader
from notos.config.model import Machine
from notos.features import registry
from notos.features.model import Features, Unit

Read = Callable[[str], Features]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Return a function that returns the features of a config with further keys."""
    monkeypatch.chdir(tmp_path)

    def features(text: str) -> Features:
        Path("c.yaml").write_text(f"name: x\n{text}\n")
        return registry.features(machine(Path("c.yaml")))

    return features


def machine(path: Path) -> Machine:
    return loader.load(path).machine


def optional(features: Features) -> dict[str, str | None]:
    return {each.name: each.closure for each in features.optional_packages}


def test_a_service_without_run_and_source_is_the_unit_of_its_name(read: Read) -> None:
    features = read(
        "services: {nginx: {}, web: {run: exec x}, sh: {unit: ./sh.service}}".replace("./sh", "bash")
    )
    units = {service.name: service.unit for service in features.services}
    assert units["nginx"] == Unit("nginx.service")
    assert units["web"] is None
    assert units["sh"] == Unit("bash.service")
    assert {each.name for each in features.services if each.log} >= {"nginx", "sh"}
    assert not next(each for each in features.services if each.name == "web").log


def test_its_package_is_optional_unless_the_config_lists_packages(read: Read) -> None:
    assert optional(read("services: {nginx: {}}")) == {"nginx": "depends"}
    assert optional(read("services: {smbd: {}}\nsystem: {packages: [samba]}")) == {"smbd": "depends"}
    assert optional(read("services: {nginx: {}}\nsystem: {packages: [nginx]}")) == {}
    assert optional(read("services: {nginx: {packages: []}}")) == {}
    features = read("services: {nginx: {packages: [nginx-light]}}")
    assert optional(features) == {}
    assert "nginx-light" in {each.name for each in features.packages}
    assert optional(read("services: {Nginx_1: {unit: nginx.service}}")) == {}, "no package has such a name"


def test_units_of_the_user_need_no_package_and_bring_their_sockets(read: Read, tmp_path: Path) -> None:
    for name in ("app.service", "app.socket", "job.timer", "job.service"):
        (tmp_path / name).write_text("")
    features = read(
        "services: {app: {unit: ./app.service}}\n"
        "timers: {job: {unit: ./job.timer}, logrotate: {unit: logrotate.timer}}"
    )
    assert optional(features) == {"logrotate": "depends"}
    app, job, logrotate = (unit for unit, _ in features.units)
    assert app == Unit("app.service", str(tmp_path / "app.service"), (str(tmp_path / "app.socket"),))
    assert job == Unit("job.timer", str(tmp_path / "job.timer"), (str(tmp_path / "job.service"),))
    assert logrotate == Unit("logrotate.timer")
    assert set(features.runit_sources) >= {str(each) for each in tmp_path.glob("[aj]*")}


def test_settings_are_text_as_in_a_drop_in(read: Read) -> None:
    features = read(
        "services:\n"
        "  nginx:\n"
        "    set:\n"
        "      {LimitNOFILE: 65536, NoNewPrivileges: true, Unit.After: [a.service, b], ExecStart: ['', /x]}\n"
        "    environment: {A: 1, B: two words, C: false}\n"
    )
    ((unit, keys),) = features.units
    assert keys == ("services", "nginx")
    assert unit.settings == {
        "LimitNOFILE": ("65536",),
        "NoNewPrivileges": ("true",),
        "Unit.After": ("a.service", "b"),
        "ExecStart": ("", "/x"),
    }
    assert unit.environment == {"A": "1", "B": "two words", "C": "false"}


def test_scripts_and_units_are_timers_side_by_side(read: Read) -> None:
    features = read("timers: {logrotate: {unit: logrotate.timer}, backup: {every: day, run: 'true'}}")
    (service,) = (each for each in features.services if each.name == "timers")
    assert service.files["table"] == "backup day 0 0 0 1 root\n"
    assert [each.name for each in service.timers] == ["logrotate"]
    assert [each.path for each in service.scripts] == ["scripts/backup"]
