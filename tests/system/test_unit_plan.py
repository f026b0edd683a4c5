"""The lines of plans."""

from notos.features.join import join
from notos.features.model import Feature, Service, Unit, UnitTimer
from notos.formats.tree import Tree
from notos.system import unit_plan
from notos.system.unit_plan import Command, Line

PLAN = "name\tx.service\nstart\t-\t/usr/bin/x\tx\ta\\tb\\nc\\\\t\nnnp\tyes\n"


def test_fields_are_unescaped() -> None:
    assert list(unit_plan.lines(PLAN))[1] == Line("start", ("-", "/usr/bin/x", "x", "a\tb\nc\\t"))
    assert list(unit_plan.commands(PLAN)) == [Command("ExecStart", "-", "/usr/bin/x", ("x", "a\tb\nc\\t"))]


def test_places() -> None:
    x, t = Unit("x.service"), Unit("t.timer")
    timers = Service("timers", "timers", timers=(UnitTimer("t", t, ("timers", "t")),))
    features = join([Feature(services=(Service("x", unit=x, keys=("services", "x")), timers))])
    runit = Tree()
    runit.text("services/x/unit", PLAN)
    assert list(unit_plan.places(features)) == [
        (x, ("services", "x"), "services/x"),
        (t, ("timers", "t"), "services/timers/units/t.timer"),
    ]
    assert unit_plan.at(runit, "services/x") == PLAN
    assert unit_plan.at(runit, "services/timers/units/t.timer") == ""


def test_without_contexts_of_selinux() -> None:
    plan = "pre\t\t/usr/bin/install\tinstall\t-Z\t-d\t/run/x\nstart\t\t/usr/bin/x\tx\t-Z\nname\tx.service\n"
    kept = "pre\t\t/usr/bin/install\tinstall\t-d\t/run/x\nstart\t\t/usr/bin/x\tx\t-Z\nname\tx.service\n"
    assert unit_plan.without_labels(plan) == kept


def test_services_stop_in_the_reverse_of_after() -> None:
    plans = {
        "app": "name\tapp.service\nafter\tweb\tdb\n",
        "web": "after\tdb\tproxy\n",
        "db": "",
        "alone": "",
        "x": "after\ty\n",
        "y": "after\tx\n",  # a cycle
    }
    waves = unit_plan.stop_order(plans)
    assert [[each for each in wave if each not in "xy"] for wave in waves] == [["web"], ["db", "proxy"]]
    assert unit_plan.stop_order({"a": "after\ta\n", "b": ""}) == []
