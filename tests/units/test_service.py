"""The section [Service]. systemd-analyze verify is the judge of combinations that systemd refuses."""

from pathlib import Path

import pytest

from notos.errors import NotosError
from tests.units.conftest import Systemd
from tests.units.made import lines, service, values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ExecStart=/a", ("simple",)),
        ("ExecStart=/a\nBusName=org.x", ("dbus", "org.x")),
        ("ExecStop=/a\nRemainAfterExit=yes", ("oneshot",)),
        ("ExecStart=/a\nType=notify-reload", ("notify-reload",)),
        ("ExecStart=/a\nType=forking\nType=foo", ("forking",)),
    ],
)
def test_types(text: str, expected: tuple[str, ...]) -> None:
    assert lines(f"[Service]\n{text}\n", "type") == [expected]


@pytest.mark.parametrize(
    ("settings", "key", "expected"),
    [
        ("", "timeout", [("start", "90000000"), ("stop", "90000000")]),
        ("Type=oneshot", "timeout", [("start", "infinity"), ("stop", "90000000")]),
        ("Type=oneshot\nTimeoutStartSec=5", "timeout", [("start", "5000000"), ("stop", "90000000")]),
        ("TimeoutSec=5\nTimeoutStopSec=0", "timeout", [("start", "5000000"), ("stop", "infinity")]),
        (
            "TimeoutStartSec=infinity\nTimeoutSec=1min",
            "timeout",
            [("start", "60000000"), ("stop", "60000000")],
        ),
        ("TimeoutAbortSec=5", "timeout", [("start", "90000000"), ("stop", "90000000"), ("abort", "5000000")]),
        ("TimeoutStartFailureMode=abort", "timeoutfailure", [("start", "abort")]),
        ("RuntimeMaxSec=1h", "runtimemax", [("3600000000",)]),
        ("RuntimeMaxSec=infinity", "runtimemax", []),
        ("WatchdogSec=1min", "watchdog", [("60000000",)]),
        ("WatchdogSec=1min", "notifyaccess", [("main",)]),
        ("Type=notify", "notifyaccess", [("main",)]),
        ("Type=notify\nNotifyAccess=all", "notifyaccess", [("all",)]),
        ("", "notifyaccess", []),
        ("PIDFile=/var/run/x.pid", "pidfile", [("/run/x.pid",)]),
        ("PIDFile=a/%N.pid", "pidfile", [("/run/a/x.pid",)]),
        ("PIDFile=/srv/x.pid", "pidfile", [("/srv/x.pid",)]),
        ("Restart=on-failure", "restart", [("on-failure",)]),
        ("Restart=no", "restart", []),
        ("", "restartsec", [("100000",)]),
        ("RestartSec=5min 20s", "restartsec", [("320000000",)]),
        ("RestartSec=10\nRestartMaxDelaySec=5", "restartsec", [("5000000",)]),
        ("RestartSteps=3\nRestartMaxDelaySec=9", "restartsteps", [("3", "9000000")]),
        ("RestartSteps=3", "restartsteps", []),
        ("", "startlimit", [("10000000", "5")]),
        ("StartLimitInterval=0\nStartLimitBurst=9", "startlimit", [("0", "9")]),
        ("SuccessExitStatus=143 TEMPFAIL SIGKILL", "success", [("143", "75", "SIG9")]),
        ("RestartPreventExitStatus=255\nRestartPreventExitStatus=", "restartprevent", []),
        ("RestartForceExitStatus=1 1 2", "restartforce", [("1", "2")]),
        ("KillMode=mixed", "killmode", [("mixed",)]),
        ("KillSignal=SIGQUIT", "killsignal", [("3",)]),
        ("KillSignal=RTMIN+3", "killsignal", [("37",)]),
        ("ReloadSignal=USR2", "reloadsignal", [("12",)]),
        ("SendSIGKILL=no", "sendsigkill", [("no",)]),
        ("SendSIGHUP=yes", "sendsighup", [("yes",)]),
        ("GuessMainPID=no", "guessmainpid", [("no",)]),
        ("RemainAfterExit=true", "remain", [("yes",)]),
        ("ExitType=cgroup", "exittype", [("cgroup",)]),
        ("OpenFile=/a:b:read-only\nOpenFile=/c", "openfile", [("/a", "b", "read-only"), ("/c", "c", "")]),
        (
            "ExecReload=/bin/kill -HUP $MAINPID",
            "reload",
            [("", "/bin/kill", "/bin/kill", "-HUP", "$MAINPID")],
        ),
        ("ExecCondition=/a", "execcondition", [("", "/a", "/a")]),
    ],
)
def test_lines(settings: str, key: str, expected: list[tuple[str, ...]]) -> None:
    assert values(settings, key) == expected


def test_limits_of_starts_in_the_section_unit() -> None:
    text = "[Unit]\nStartLimitIntervalSec=1min\nStartLimitBurst=2\n[Service]\nExecStart=/a\n"
    assert lines(text, "startlimit") == [("60000000", "2")]
    # There it is an unknown key, which systemd ignores.
    assert values("StartLimitIntervalSec=1min", "startlimit") == [("10000000", "5")]


COMBINATIONS = (
    *("", "ExecStart=", "ExecStop=/bin/true", "RemainAfterExit=yes", "ExecReload=/bin/true"),
    *("ExecStop=/bin/true\nType=simple", "ExecStop=/bin/true\nRemainAfterExit=yes"),
    *("ExecStart=/bin/true\nExecStart=/bin/true", "ExecStart=/bin/true\nExecStart=/bin/true\nType=oneshot"),
    *("ExecStart=/bin/true ; /bin/true", "ExecStart=/bin/true\nExecStart=\nExecStart=/bin/true"),
    *(
        "ExecStart=/bin/true\nType=oneshot\nRestart=always",
        "ExecStart=/bin/true\nType=oneshot\nRestart=on-failure",
    ),
    *("ExecStart=/bin/true\nType=dbus", "ExecStart=/bin/true\nType=dbus\nBusName=org.x"),
    *("ExecStart=/bin/true\nType=oneshot\nExitType=cgroup", "ExecStart=/bin/true\nExitType=cgroup"),
    *("ExecStart=-/nonexistent/", "ExecStart=/bin/true\nDynamicUser=maybe", "ExecStart=/bin/true\nUser=a/b"),
    *("ExecStart=/bin/true\nWorkingDirectory=a", "ExecStart=/bin/true\nWorkingDirectory=-a"),
    *("ExecStart=/bin/true\nRootDirectory=a", "ExecStart=/bin/true\nPIDFile=/run/../x"),
)


@pytest.mark.parametrize("text", COMBINATIONS)
def test_the_judge_of_combinations_is_systemd(text: str, systemd: Systemd, tmp_path: Path) -> None:
    path = tmp_path / "x.service"
    path.write_text(f"[Service]\n{text}\n")
    verdict = systemd.verify(path)
    try:
        service(path.read_text())
        refused = False
    except NotosError:
        refused = True
    assert refused == verdict.refused, verdict.text


def test_a_second_command_says_what_to_write() -> None:
    with pytest.raises(NotosError, match=r"services\.x\.set: ExecStart= is the second command") as caught:
        service("[Service]\nExecStart=/a\n", overrides={"ExecStart": "/b"})
    assert 'ExecStart: ["", "…"]' in caught.value.hint
    assert caught.value.keys == ("services", "x", "set", "ExecStart")


def test_the_bus() -> None:
    text = "[Service]\nExecStart=/a\nBusName=org.x\n"
    with pytest.raises(NotosError, match=r"Type=dbus needs the bus") as caught:
        service(text, services={})
    assert caught.value.hint == "add services: {dbus: {}}"
    assert service(text, services={"dbus.service": "dbus"}).readiness
    assert not service("[Service]\nExecStart=/a\n").readiness


def test_programs() -> None:
    made = service("[Service]\nExecStart=/a\nExecStartPre=-/b\nExecStop=/a\nExecReload=/c\n")
    assert made.programs == ("/a", "/c")
