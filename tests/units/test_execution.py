"""The environment of processes. The facts are those of systemd.exec(5)."""

import pytest

from notos.errors import NotosError
from notos.units.execution import dynamic_name
from tests.units.made import plan, service, values


@pytest.mark.parametrize(
    ("settings", "key", "expected"),
    [
        ("Environment=A=b \"C=d e\" 'F=$G'", "env", [("A", "b"), ("C", "d e"), ("F", "$G")]),
        ("Environment=A=b\nEnvironment=A=c", "env", [("A", "c")]),
        ("Environment=A=b\nEnvironment=\nEnvironment=B=", "env", [("B", "")]),
        ('Environment="A=\\x41\\tb"', "env", [("A", "A\tb")]),
        (
            "EnvironmentFile=-/etc/default/x\nEnvironmentFile=/a*",
            "envfile",
            [("-", "/etc/default/x"), ("", "/a*")],
        ),
        ("PassEnvironment=A B", "passenv", [("A",), ("B",)]),
        ("UnsetEnvironment=A B=c", "unsetenv", [("A",), ("B=c",)]),
        ("User=www-data\nGroup=adm", "user", [("www-data",)]),
        ("User=0100", "user", [("100",)]),
        ("SupplementaryGroups=a b\nSupplementaryGroups=c", "supplementary", [("a", "b", "c")]),
        ("WorkingDirectory=-/a//b/", "cwd", [("-", "/a/b")]),
        ("WorkingDirectory=~", "cwd", [("", "~")]),
        ("RootDirectory=/srv/x", "root", [("/srv/x",)]),
        (
            "RuntimeDirectory=a b/c\nRuntimeDirectoryMode=0700",
            "dir",
            [("runtime", "a", "700"), ("runtime", "b/c", "700")],
        ),
        ("StateDirectory=a:b a:c", "dir", [("state", "a", "755", "b", "c")]),
        ("RuntimeDirectory=a\nRuntimeDirectoryPreserve=restart", "preserve", [("restart",)]),
        ("UMask=0027", "umask", [("0027",)]),
        (
            "LimitNOFILE=1024:4096\nLimitCORE=infinity",
            "limit",
            [("CORE", "infinity", "infinity"), ("NOFILE", "1024", "4096")],
        ),
        ("Nice=-5", "nice", [("-5",)]),
        ("OOMScoreAdjust=-900", "oom", [("-900",)]),
        ("IOSchedulingClass=idle", "io", [("3", "4")]),
        ("IOSchedulingPriority=7", "io", [("2", "7")]),
        ("CPUSchedulingPolicy=rr\nCPUSchedulingPriority=9", "cpusched", [("2", "9", "no")]),
        ("CPUSchedulingPolicy=batch\nCPUSchedulingResetOnFork=yes", "cpusched", [("3", "0", "yes")]),
        ("CPUAffinity=0-2\nCPUAffinity=5", "affinity", [("0-2,5",)]),
        ("TimerSlackNSec=1ms 5ns", "slackns", [("1000005",)]),
        ("CoredumpFilter=default private-huge", "coredumpfilter", [("33",)]),
        ("StandardOutput=append:/var/log/x", "stdout", [("append:/var/log/x",)]),
        ("StandardOutput=null", "stdout", [("null",)]),
        ("StandardOutput=journal", "stdout", []),
        ("StandardOutput=inherit", "stdout", []),
        ("StandardInput=socket", "stdout", [("inherit",)]),
        ("StandardInput=socket\nStandardOutput=journal", "stdout", [("journal",)]),
        ("StandardInput=file:/a", "stdout", []),
        ("StandardInput=file:/a", "stdin", [("file:/a",)]),
        ("StandardInputText=a\\tb %%\nStandardInputData=Y2 Q=", "stdindata", [("a\tb %\n",), ("cd",)]),
        ("StandardInputText=a\nStandardInputText=", "stdindata", []),
        ("StandardInputText=a", "stdin", [("data",)]),
        ("StandardInput=fd", "stdin", [("fd:stdin",)]),
        ("StandardInput=fd:a\nStandardOutput=fd:", "stdout", [("fd:stdout",)]),
        ("StandardError=journal", "stderr", [("journal",)]),
        ("StandardError=inherit", "stderr", []),
        ("StandardOutput=syslog+console", "stdout", []),
        ("SyslogIdentifier=%p", "syslogidentifier", [("x",)]),
        ("TTYPath=/dev/tty1\nTTYReset=yes", "tty", [("/dev/tty1",)]),
        ("IgnoreSIGPIPE=no", "ignoresigpipe", [("no",)]),
        ("IgnoreSIGPIPE=yes", "ignoresigpipe", []),
        ("Personality=x86", "personality", [("8",)]),
    ],
)
def test_lines(settings: str, key: str, expected: list[tuple[str, ...]]) -> None:
    assert values(settings, key) == expected


@pytest.mark.parametrize(
    "setting",
    [
        *("User=a:b", "User=-5", "User=a/b", "Group=%Z", "WorkingDirectory=a", "RootDirectory=../a"),
        *("User=65535", "WorkingDirectory=/a/../b"),
    ],
)
def test_what_systemd_refuses_is_an_error(setting: str) -> None:
    """These are the values for which config_parse returns ENOEXEC."""
    with pytest.raises(NotosError, match=rf"/x\.service:3: {setting.partition('=')[0]}= "):
        values(setting, "user")


def test_a_dynamic_user() -> None:
    lines = {
        line[0]: line[1:] for line in plan("[Service]\nExecStart=/a\nDynamicUser=yes\nProtectHome=yes\n")
    }
    assert lines["user"] == lines["group"] == ("x",)
    assert lines["dynamicuser"] == lines["nnp"] == lines["removeipc"] == ("yes",)
    assert (lines["protectsystem"], lines["protecthome"]) == (("strict",), ("yes",))
    assert lines["privatetmp"] == ("disconnected",)
    assert dynamic_name("a@b.service") == "a"
    assert dynamic_name("9.service").startswith("_du")


def test_accounts_that_must_exist() -> None:
    made = service("[Service]\nExecStart=/a\nUser=a\nGroup=b\nSupplementaryGroups=c 5\n")
    assert (made.users, made.groups) == (("a",), ("b", "c"))
    made = service("[Service]\nExecStart=/a\nUser=a\nDynamicUser=yes\n")
    assert (made.users, made.groups) == ((), ())


def test_odd_bytes_and_blanks() -> None:
    made = service('[Service]\nExecStart=/a "b\\tc\\nd\\\\e\\xff"\n')
    assert "start\t\t/a\t/a\tb\\tc\\nd\\\\e\udcff\n" in made.plan
