"""Programs, accounts and files that a unit names and the machine lacks."""

import pytest

from notos.features.join import join
from notos.features.model import Feature, Service, Unit
from notos.formats.tree import Tree
from notos.system import unit_needs
from notos.units.unit_files import UnitFiles

WEB = Unit("web.service")
PATH = "usr/lib/systemd/system/web.service"
UNIT = """[Service]
User=web
ExecStartPre=-/usr/bin/absent
ExecStart=/usr/sbin/web
EnvironmentFile=/etc/web.env
WorkingDirectory=/opt/web
"""
PLAN = """name\tweb.service
user\tweb
pre\t-\t/usr/bin/absent\t/usr/bin/absent
start\t\t/usr/sbin/web\t/usr/sbin/web
envfile\t\t/etc/web.env
cwd\t\t/opt/web
"""


def machine(*paths: str, users: str = "") -> unit_needs.Parts:
    trees = {"usr": Tree(), "etc": Tree(), "opt": Tree()}
    trees["etc"].text("passwd", users)
    trees["etc"].text("group", users)
    for path in paths:
        top, _, below = path.partition("/")
        trees[top].text(path if top == "usr" else below, "")
    return unit_needs.Parts(trees["usr"], trees["etc"], trees["opt"])


def said(machine: unit_needs.Parts, plan: str = PLAN, unit: Unit = WEB) -> list[str]:
    runit = Tree()
    runit.text("services/web/unit", plan)
    features = join([Feature(services=(Service("web", unit=unit, keys=("services", "web")),))])
    found = list(unit_needs.lacking(features, UnitFiles({PATH: UNIT.encode()}, {}, {}), runit, machine))
    assert all(each.keys == ("services", "web") for each in found)
    return [each.message for each in found]


def test_all_that_is_missing_at_its_line() -> None:
    assert said(machine()) == [
        f"/{PATH}:4: ExecStart: no package has the program /usr/sbin/web",
        f"/{PATH}:2: User: the user web does not exist",
        f"/{PATH}:5: EnvironmentFile: the file /etc/web.env does not exist",
        f"/{PATH}:6: WorkingDirectory: the folder /opt/web does not exist",
    ]
    assert said(machine("usr/sbin/web", "etc/web.env", "opt/web/x", users="web:x:1:1::/:\n")) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("user\tweb", "user\t1000"),
        ("user\tweb", "dynamicuser\tyes\nuser\tweb"),
        ("envfile\t\t", "envfile\t-\t"),
        ("cwd\t\t", "cwd\t-\t"),
        ("cwd\t\t/opt/web", "cwd\t\t/var/lib/web"),
        ("envfile\t\t/etc/web.env", "envfile\t\t/run/web.env"),
        ("envfile\t\t/etc/web.env", "envfile\t\t/etc/web/*.env"),
        ("start\t\t/usr/sbin/web", "start\t-\t/usr/sbin/web"),
        ("start\t\t/usr/sbin/web", "start\t\t/var/lib/web/bin/web"),
        ("start\t\t", "pre\t\t/usr/bin/install\t/usr/bin/install\t/usr/share/x\t/etc/web.env\nstart\t\t"),
    ],
)
def test_what_is_not_certain(old: str, new: str) -> None:
    more = ["usr/bin/install"] if "install" in new else []
    assert len(said(machine(*more), PLAN.replace(old, new, 1))) == 3


def test_a_value_of_the_config_is_named_by_its_key() -> None:
    unit = Unit("web.service", settings={"ExecStart": ("", "/usr/sbin/other")})
    plan = PLAN.replace("/usr/sbin/web", "/usr/sbin/other")
    assert (
        said(machine(), plan, unit)[0]
        == "services.web.set.ExecStart: no package has the program /usr/sbin/other"
    )


def test_a_script_whose_interpreter_is_missing() -> None:
    found = machine(users="web:x:1:1::/:\n")
    found.root.text("usr/sbin/web", "#!/usr/bin/python3\n")
    assert said(found)[0] == (
        f"/{PATH}:4: ExecStart: /usr/sbin/web is a script for /usr/bin/python3, which no package has"
    )
