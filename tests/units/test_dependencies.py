"""Dependencies among the services of a machine. The facts are those of systemd.unit(5)."""

import pytest

from notos.errors import NotosError
from notos.units.plan import parsed
from notos.units.translate import translate
from tests.units.made import context, files

COMMAND = "[Service]\nExecStart=/bin/true\n"


def plan(units: dict[str, str], name: str = "x.service", **services: str) -> dict[str, tuple[str, ...]]:
    """Return the lines with services of the plan of a unit; `services` are runit's names by stem."""
    given = {f"{stem}.service": runit for stem, runit in services.items()}
    made = translate(name, files(units), context(services=given))
    return {line[0]: line[1:] for line in parsed(made.plan) if line[0] in KEYS}


KEYS = ("requires", "wants", "after", "bindsto", "partof", "conflicts", "reloadfrom", "mount")


def test_only_services_of_the_machine_count() -> None:
    unit = (
        "[Unit]\nAfter=network.target y.service\nAfter=z.service\nRequires=y.service\n"
        "Wants=w.service w.target\n"
        f"Conflicts=sendmail.service\nBindsTo=y.service\nPartOf=y.service z.service\n{COMMAND}"
    )
    assert plan({"x.service": unit}, y="yy", z="zed", x="x") == {
        **{"requires": ("yy",), "bindsto": ("yy",), "partof": ("yy", "zed"), "after": ("yy", "zed")}
    }


def test_names_of_a_unit() -> None:
    """An alias is the unit, and a socket is the service that it starts."""
    units = {
        "x.service": f"[Unit]\nAfter=b.service c.socket d@1.service network-online.target\n{COMMAND}",
        "a.service": f"{COMMAND}[Install]\nAlias=b.service\n",
        "c.service": COMMAND,
        "d@.service": COMMAND,
    }
    given = {**{"a.service": "a", "c.service": "c", "d@1.service": "d"}, "network-online.target": "network"}
    made = translate("x.service", files(units), context(services=given))
    assert ("after", "a", "c", "d", "network") in parsed(made.plan)


def test_the_other_unit_may_say_it() -> None:
    units = {
        "x.service": f"{COMMAND}[Install]\nAlias=also.service\n",
        "y.service": f"[Unit]\nBefore=x.service\n{COMMAND}",
        "z@.service": f"[Unit]\nBefore=%i.service\n{COMMAND}",
        "w.service": f"[Unit]\nBefore=also.service\n{COMMAND}",
        "v.service": f"[Unit]\nBefore=x.service\n{COMMAND}",
    }
    given = {"x.service": "x", "y.service": "y", "z@x.service": "z", "w.service": "w"}
    made = translate("x.service", files(units), context(services=given))
    assert ("after", "y", "z", "w") in parsed(made.plan)


def test_a_required_service_that_the_machine_does_not_run_is_an_error() -> None:
    units = {"x.service": f"[Unit]\nRequires=y.service\n{COMMAND}", "y.service": COMMAND}
    with pytest.raises(NotosError, match=r"x\.service:2: Requires= needs y\.service, which") as caught:
        plan(units)
    assert caught.value.hint == "add services: {y: {}}"
    assert plan({"x.service": units["x.service"]}) == {}  # no package has it
    assert plan(units, y="y") == {"requires": ("y",)}
    wanted = {**units, "x.service": f"[Unit]\nWants=y.service systemd-x.service\n{COMMAND}"}
    made = translate("x.service", files({**wanted, "systemd-x.service": COMMAND}), context())
    assert made.notes == ("x.service wants y.service, which the machine does not run",)


def test_a_required_socket_is_the_service_that_it_starts() -> None:
    units = {
        "x.service": f"[Unit]\nRequires=x.socket y.socket\n{COMMAND}",
        "y.service": COMMAND,
        **dict.fromkeys(("x.socket", "y.socket"), "[Socket]\nListenStream=80\n"),
    }
    with pytest.raises(NotosError, match=r"Requires= needs y\.socket, which") as caught:
        plan(units)
    assert caught.value.hint == "add services: {y: {}}"
    assert plan(units, y="y") == {"requires": ("y",)}


def test_instances_of_a_group() -> None:
    """As in postgresql@17-main.service."""
    unit = f"[Unit]\nPartOf=p.service\nReloadPropagatedFrom=p.service\nBefore=p.service\n{COMMAND}"
    units = {"p@.service": unit, "p.service": "[Service]\nType=oneshot\nExecStart=/bin/true\n"}
    assert plan(units, "p@1.service") == {}
    assert plan(units, "p@1.service", p="p") == {"partof": ("p",), "reloadfrom": ("p",)}


def test_namespaces_of_another_service() -> None:
    unit = f"[Unit]\nJoinsNamespaceOf=y.service\n{COMMAND}"
    assert plan({"x.service": unit}) == {}
    with pytest.raises(NotosError, match=r"shares namespaces with y\.service"):
        plan({"x.service": unit}, y="y")


def test_mounts_that_a_service_needs() -> None:
    units = {
        "x.service": f"[Unit]\nRequires=proc-fs-nfsd.mount var.mount\nWants=run.mount\n{COMMAND}",
        "proc-fs-nfsd.mount": "[Mount]\nWhat=nfsd\nWhere=/proc/fs/nfsd\nType=nfsd\n",
        "run.mount": "[Mount]\nWhat=a\nWhere=/run/a\nType=tmpfs\nOptions=ro\n",
    }
    made = translate("x.service", files(units), context())
    assert [line[1:] for line in parsed(made.plan) if line[0] == "mount"] == [
        *(("", "nfsd", "/proc/fs/nfsd", "nfsd", ""), ("-", "a", "/run/a", "tmpfs", "ro"))
    ]
