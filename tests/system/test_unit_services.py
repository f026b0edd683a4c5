"""Folders of services with systemd units, and what a switch compares of them."""

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from notos.architecture import AMD64
from notos.errors import FetchError, NotosError
from notos.features.join import join
from notos.features.model import Feature, Features, Service, Unit, UnitTimer
from notos.formats.tree import File, Tree
from notos.system import runit, unit_plan, unit_services
from notos.system.packaged_units import PackagedUnits
from tests.conftest import Tool

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Tree.from_directory(ROOT / "runit")
SOURCE.text("step", (ROOT / "scripts/step").read_text(), executable=True)
RUN_UNIT = "/nix/store/x-run-unit/run-unit"
FACTS = unit_services.Facts(AMD64, "host", SOURCE, RUN_UNIT)
UNITS = "usr/lib/systemd/system"
WEB = """[Unit]
After=db.service network.target
[Service]
ExecStart=/usr/sbin/web -c /etc/web.conf --root=/srv/web
"""
JOB = "[Service]\nType=oneshot\nExecStart=/usr/sbin/job\n"
TEXTS = {
    f"{UNITS}/web.service": WEB,
    f"{UNITS}/db@.service": "[Service]\nUser=db\nExecStart=/usr/sbin/db %i\n",
    f"{UNITS}/job.service": JOB,
    f"{UNITS}/job.timer": "[Timer]\nOnCalendar=daily\nPersistent=true\n",
}
OWNERS = {f"{UNITS}/{name}": name.partition(".")[0].rstrip("@") for name in ("web.service", "db@.service")}
OWNERS |= {f"{UNITS}/job.{kind}": "job" for kind in ("service", "timer")} | {"etc/init.d/old": "old-daemon"}
PACKAGED = PackagedUnits(
    {path: text.encode() for path, text in TEXTS.items()},
    {f"{UNITS}/www.service": "web.service"},
    {**OWNERS, f"{UNITS}/www.service": "web"},
    {"web": ("/etc/init.d/web", "/etc/web/web.conf", "/etc/default/web", "/etc/logrotate.d/web")},
)


def features(services: Mapping[str, Unit], timers: Mapping[str, Unit] = {}) -> Features:
    made = [Service(name, unit=unit, log=True, keys=("services", name)) for name, unit in services.items()]
    if timers:
        units = tuple(UnitTimer(name, unit, ("timers", name)) for name, unit in timers.items())
        made.append(Service("timers", "timers", files={"table": "a day 0 0 0 1 root\n"}, timers=units))
    return join([Feature(services=tuple(made))])


def built(found: Features) -> Tree:
    return runit.build(found, SOURCE, unit_services.build(found, PACKAGED, FACTS).folders)


def text(tree: Tree, path: str) -> str:
    entry = tree.get(path)
    assert isinstance(entry, File), path
    return entry.read().decode()


def test_a_service_has_its_plan_and_scripts() -> None:
    tree = built(features({"web": Unit("web.service"), "db": Unit("db@17-main.service")}))
    assert f"program={RUN_UNIT}\n" in text(tree, "services/web/run")
    assert {"run", "check", "finish", "unit", "reads", "control", "log"} <= set(
        tree.children()["services/web"]
    )
    plan = dict(unit_plan.lines(text(tree, "services/web/unit")))
    assert plan["name"] == ("web.service",)
    assert plan["after"] == ("db",), "by its name in runit"
    assert text(tree, "stop-order") == "db\n"
    (command,) = unit_plan.commands(text(tree, "services/db/unit"))
    assert command.words == ("/usr/sbin/db", "17-main")
    assert text(tree, "services/web/reads").split("\n") == [
        *("web/*", "default/web", "/usr/sbin/web", "web.conf", "/srv/web", "")
    ]


def test_how_long_a_stop_may_take() -> None:
    assert unit_services.stop_seconds("timeout\tstop\t5000000\nstop\t-\t/usr/bin/x\tx\n") == 20
    assert unit_services.stop_seconds("timeout\tstop\tinfinity\n") == 300
    assert unit_services.stop_seconds("") == 185


def test_settings_and_environment_of_the_config() -> None:
    unit = Unit(
        "www.service",
        settings={
            "LimitNOFILE": ("65536",),
            "Unit.After": ("job.service",),
            "ExecStart": ("", "/usr/sbin/web -x"),
        },
        environment={"A": 'say "hi" 100%', "B": "1"},
    )
    tree = built(features({"web": unit, "db": Unit("db@1.service"), "db2": Unit("job.service")}))
    lines = list(unit_plan.lines(text(tree, "services/web/unit")))
    assert ("limit", ("NOFILE", "65536", "65536")) in lines
    assert ("env", ("A", 'say "hi" 100%')) in lines
    assert ("env", ("B", "1")) in lines
    assert dict(lines)["after"] == ("db", "db2"), "systemd adds to it, and cannot reset it"
    commands = unit_plan.commands(text(tree, "services/web/unit"))
    assert [each.words for each in commands] == [("/usr/sbin/web", "-x")]


def test_a_unit_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.service").write_text("[Service]\nExecStart=/opt/app/serve\nNice=x\n")
    own = Unit("app.service", str(tmp_path / "app.service"))
    with pytest.raises(NotosError, match=r"app\.service:3: ") as caught:
        built(features({"app": own}))
    assert caught.value.keys == ("services", "app")
    (tmp_path / "app.service").write_text("[Service]\nExecStart=/opt/app/serve\n")
    assert text(built(features({"app": own})), "services/app/reads") == "/opt/app/serve\n"


def test_a_timer_runs_the_unit_that_it_starts() -> None:
    tree = built(features({}, {"job": Unit("job.timer", settings={"Timer.RandomizedDelaySec": ("1m",)})}))
    assert text(tree, "services/timers/table") == "a day 0 0 0 1 root\njob timer 60 1 0 0 root\n"
    assert text(tree, "services/timers/units/job.timer/times") == "calendar * * * * 0 0 0 local\n"
    assert "type\toneshot\n" in text(tree, "services/timers/units/job.timer/unit")
    assert f"program={RUN_UNIT}\n" in text(tree, "services/timers/scripts/job")
    assert "findTimer" in text(tree, "services/timers/units/times")


def test_a_unit_of_another_package() -> None:
    facts = replace(FACTS, who_has=lambda name: ["samba"] if name in ("smbd.service", "smb@.service") else [])
    for unit in ("smbd.service", "smb@one.service"):
        with pytest.raises(NotosError) as caught:
            unit_services.build(features({"smbd": Unit(unit)}), PACKAGED, facts)
        assert caught.value.message == f"no package of the machine has the unit {unit}; it is in samba"
        assert caught.value.hint == "add services.smbd.packages: [samba]"


def test_a_unit_that_cannot_be_searched_for() -> None:
    def fail(_: str) -> list[str]:
        raise FetchError("the mirror is away", hint="try again")

    for name, hint in (("wbe", 'did you mean "web.service"?; '), ("smbd", "")):
        with pytest.raises(NotosError) as caught:
            unit_services.build(
                features({name: Unit(f"{name}.service")}), PACKAGED, replace(FACTS, who_has=fail)
            )
        assert caught.value.message == f"no package has the unit {name}.service"
        assert hint in caught.value.hint
        assert "it was not searched for in the archive: the mirror is away" in caught.value.hint
        assert caught.value.keys == ("services", name)


def test_all_errors_at_once() -> None:
    wrong = {"wbe": Unit("wbe.service"), "old": Unit("old.service"), "bad": Unit("db@.service")}
    with pytest.raises(NotosError) as caught:
        built(features(wrong, {"x": Unit("jbo.timer")}))
    found = {each.keys: str(each) for each in caught.value.parts}
    assert set(found) == {("services", "wbe"), ("services", "old"), ("services", "bad"), ("timers", "x")}
    assert 'no package has the unit wbe.service: did you mean "web.service"?' in found["services", "wbe"]
    expected = "old-daemon has no unit old.service, only the init script /etc/init.d/old"
    assert expected in found["services", "old"]


@pytest.mark.parametrize("script", ["finish", "control/k"])
@pytest.mark.parametrize(
    ("line", "killed"),
    [("killmode\tprocess\n", False), ("killmode\tnone\n", False), ("killmode\tmixed\n", True), ("", True)],
)
def test_a_killed_run_unit_leaves_what_its_unit_leaves(
    tmp_path: Path, tool: Tool, script: str, line: str, *, killed: bool
) -> None:
    folder, group = tmp_path / "x", tmp_path / "cgroup/x"
    for each in (folder / "supervise", group):
        each.mkdir(parents=True)
    (folder / "supervise/stat").write_text("run\n")
    (folder / "unit").write_text(f"name\tx.service\nstart\t:\t/bin/x\tkillmode\tnone\n{line}")
    (group / "cgroup.kill").touch()
    text = (ROOT / "runit/unit" / script).read_text().replace("/sys/fs/cgroup/notos", f"{tmp_path}/cgroup")
    words = [*(str(word) for word in tool("busybox")), "sh", "-c", text, script, "-1", "9"]
    subprocess.run(words, cwd=folder, check=False, timeout=60)
    assert (group / "cgroup.kill").read_text() == ("1\n" if killed else "")
