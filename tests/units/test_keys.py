"""The table of keys. The list of keys in systemd's library is the judge, and each treatment is tried."""

import re

import pytest

from notos.errors import NotosError
from notos.units import keys
from notos.units.translate import translate
from tests.conftest import ROOT
from tests.units.conftest import Systemd
from tests.units.made import context, files, service, times

VALUES = {
    **{"StandardInputText": "a", "StandardInputData": "YQ==", "OOMPolicy": "kill"},
    **{"CPUAffinity": "0", "MemoryDenyWriteExecute": "yes", "SendSIGHUP": "yes", "StartLimitInterval": "7"},
    **dict.fromkeys(("KillSignal", "RestartKillSignal", "FinalKillSignal", "WatchdogSignal"), "SIGUSR1"),
    **dict.fromkeys(
        (
            *(
                "ReadWritePaths",
                "ReadOnlyPaths",
                "InaccessiblePaths",
                "ExecPaths",
                "NoExecPaths",
                "BindPaths",
            ),
            *("BindReadOnlyPaths", "TemporaryFileSystem", "RootDirectory", "WorkingDirectory", "TTYPath"),
            *("PIDFile", "EnvironmentFile", "OpenFile", "Symlinks", "ListenFIFO", "ListenSpecial"),
        ),
        "/x",
    ),
    **dict.fromkeys(("SendSIGKILL", "GuessMainPID", "IgnoreSIGPIPE", "MemoryZSwapWriteback"), "no"),
    **dict.fromkeys(("User", "Group", "SupplementaryGroups", "SocketUser", "SocketGroup"), "daemon"),
    **dict.fromkeys(("RuntimeDirectory", "StateDirectory", "CacheDirectory", "LogsDirectory"), "x"),
    **dict.fromkeys(("StandardInput", "StandardOutput", "StandardError"), "file:/x"),
    **dict.fromkeys(("TimeoutStartFailureMode", "TimeoutStopFailureMode"), "abort"),
    **dict.fromkeys(("RestartPreventExitStatus", "RestartForceExitStatus", "SuccessExitStatus"), "5"),
    **dict.fromkeys(("ListenStream", "ListenDatagram", "ListenSequentialPacket"), "@x"),
    **{"Type": "exec", "Restart": "always", "ExitType": "cgroup", "NotifyAccess": "all", "KillMode": "mixed"},
    **{"BusName": "org.x", "ReloadSignal": "USR2", "ConfigurationDirectory": "x", "UMask": "0027"},
    **{"Environment": "A=b", "PassEnvironment": "A", "UnsetEnvironment": "A", "SecureBits": "noroot"},
    **{"CapabilityBoundingSet": "CAP_KILL", "AmbientCapabilities": "CAP_KILL", "KeyringMode": "private"},
    **{"ProtectProc": "invisible", "ProcSubset": "pid", "SystemCallFilter": "~read", "Personality": "x86"},
    **{"SystemCallArchitectures": "native", "SystemCallLog": "read", "RestrictAddressFamilies": "AF_UNIX"},
    **{"IOSchedulingClass": "idle", "CPUSchedulingPolicy": "batch", "MountFlags": "slave"},
    **{"RuntimeDirectoryPreserve": "restart", "DeviceAllow": "/dev/null", "DevicePolicy": "closed"},
    **{"SocketProtocol": "mptcp", "BindIPv6Only": "both", "BindToDevice": "eth0", "IPTOS": "low-delay"},
    **{"Timestamping": "us", "TCPCongestion": "bbr", "FileDescriptorName": "x", "ListenNetlink": "route 1"},
    **{"SyslogIdentifier": "x", "ExecSearchPath": "/opt", "LimitNICE": "5", "CPUSchedulingPriority": "5"},
    **{
        "CoredumpFilter": "all",
        "TimerSlackNSec": "5",
        "MemoryMax": "1M",
        "CPUQuota": "20%",
        "CPUWeight": "5",
    },
}
# Settings without which a key has no effect.
WITH = {
    **dict.fromkeys(("RuntimeDirectoryMode",), "RuntimeDirectory=x"),
    "StateDirectoryMode": "StateDirectory=x",
    "CacheDirectoryMode": "CacheDirectory=x",
    "LogsDirectoryMode": "LogsDirectory=x",
    "ConfigurationDirectoryMode": "ConfigurationDirectory=x",
    "CPUQuotaPeriodSec": "CPUQuota=20%",
    "SystemCallErrorNumber": "SystemCallFilter=~read",
    "CPUSchedulingPriority": "CPUSchedulingPolicy=rr",
    "RestartSteps": "RestartMaxDelaySec=9",
    "RestartMaxDelaySec": "RestartSteps=9",
    "PermissionsStartOnly": "ExecStartPre=/bin/x",
    "Personality": "LockPersonality=yes",
    "IOSchedulingPriority": "IOSchedulingClass=2",
}


def value(key: str) -> str:
    """Return a value of a key that differs from its default."""
    if key in VALUES:
        return VALUES[key]
    if key.startswith("Exec"):
        return "x" if key == "ExecSearchPath" else "/bin/x"
    if key.endswith("Mode") and ("Directory" in key or "Socket" in key):
        return "0700"
    if key.startswith(
        ("Limit", "Memory", "Tasks", "Allowed", "Nice", "OOM", "IO", "Backlog", "Receive", "Send")
    ):
        return "7"
    return (
        "7"
        if re.search("Sec$|Burst|Steps|Priority|Probes|IPTTL|Mark|PipeSize|MaxConn|Errno|Number|Buffer", key)
        else "yes"
    )


def translated(section: str) -> list[str]:
    return [key for key, treatment in keys.TABLE[section].items() if treatment == "translated"]


def test_the_judge_of_the_table_is_systemd(systemd: Systemd) -> None:
    (path,) = systemd.tree.libraries.glob("systemd/libsystemd-core-*.so")
    sections = "|".join(keys.TABLE)
    found = set(re.findall(rb"\0((?:%s)\.[A-Z]\w+)(?=\0)" % sections.encode(), path.read_bytes()))
    theirs = {name.decode() for name in found}
    ours = {
        f"{section}.{key}" for section in keys.TABLE for key in (*keys.TABLE[section], *keys.ALIASES[section])
    }
    assert len(theirs) > 700
    assert ours == theirs


def test_an_older_name_is_one_of_a_known_key() -> None:
    for section, aliases in keys.ALIASES.items():
        assert {*aliases.values()} <= {*keys.TABLE[section]}
        assert not {*aliases} & {*keys.TABLE[section]}


BASE = "ExecStart=/bin/true\nExecStop=bare\n"


@pytest.mark.parametrize("key", translated("Service"))
def test_each_translated_key_of_a_service_changes_its_plan(key: str) -> None:
    before = service(f"[Service]\n{BASE}{WITH.get(key, '')}\n")
    setting = "Sockets=y.socket" if key == "Sockets" else f"{key}={value(key)}"
    commands = BASE.replace("ExecStart=/bin/true\n", "") if key == "ExecStart" else BASE
    units = {
        "x.service": f"[Service]\n{commands}{WITH.get(key, '')}\n{setting}\n",
        "y.socket": "[Socket]\nListenStream=1\n",
    }
    after = translate("x.service", files(units), context())
    assert (after.plan, after.seccomp) != (before.plan, before.seccomp)
    assert not after.notes, after.notes


@pytest.mark.parametrize("key", translated("Socket"))
def test_each_translated_key_of_a_socket_changes_the_plan(key: str) -> None:
    def plan(settings: str) -> str:
        units = {"x.service": f"[Service]\n{BASE}", "x.socket": f"[Socket]\nListenStream=80\n{settings}\n"}
        return translate("x.service", files(units), context()).plan

    if key == "Service":
        units = {
            "y.service": f"[Service]\n{BASE}",
            "x.socket": "[Socket]\nListenStream=80\nService=y.service\n",
        }
        assert translate("x.socket", files(units), context()).unit == "y.service"
        return
    setting = f"{key}={value(key)}"
    if key in ("Accept", "MaxConnections"):
        units = {
            "x@.service": f"[Service]\n{BASE}",
            "x.socket": f"[Socket]\nListenStream=80\nAccept=yes\n{setting}\n",
        }
        assert (
            f"accept\t{'64' if key == 'Accept' else '7'}\n"
            in translate("x.socket", files(units), context()).plan
        )
        return
    assert plan(setting) != plan("")


@pytest.mark.parametrize("key", translated("Timer"))
def test_each_translated_key_of_a_timer_changes_its_schedule(key: str) -> None:
    given = {"OnCalendar": "weekly", "Persistent": "yes", "FixedRandomDelay": "yes"}
    before = times("[Timer]\nOnCalendar=daily\n")
    if key == "Unit":
        with pytest.raises(NotosError, match=r"no package has the unit x\.target, which it starts"):
            times("[Timer]\nOnCalendar=daily\nUnit=x.target\n")
        return
    assert times(f"[Timer]\nOnCalendar=daily\n{key}={given.get(key, '7')}\n") != before


@pytest.mark.parametrize("section", ["Unit", "Service"])
def test_unsupported_keys_are_errors_and_others_are_notes(section: str) -> None:
    wanted = {"unsupported": [], "not enforced": [], "no effect": []}  # type: dict[str, list[str]]
    for key, treatment in keys.TABLE[section].items():
        if treatment != "translated":
            wanted[treatment].append(key)
    for key in wanted["unsupported"]:
        for harmless in ("", "no"):
            assert service(f"[Service]\n{BASE}[{section}]\n{key}={harmless}\n")
        with pytest.raises(NotosError, match=rf"/x\.service:5: {key}= is not supported") as caught:
            service(f"[Service]\n{BASE}[{section}]\n{key}=x\n")
        assert f"set: {{{key}: []}}" in caught.value.hint
        assert caught.value.keys == ("services", "x")
        assert service(f"[Service]\n{BASE}[{section}]\n{key}=x\n", overrides={f"{section}.{key}": []})
    for key in wanted["no effect"]:
        assert service(f"[Service]\n{BASE}[{section}]\n{key}=x\n").notes == ()
    several = "".join(f"{key}=x\n" for key in wanted["not enforced"])
    made = service(f"[Service]\n{BASE}[{section}]\n{several}")
    assert made.notes == (f"x.service: not enforced: {', '.join(wanted['not enforced'])}",)


def test_an_unknown_key_is_a_note_and_an_error_in_the_config() -> None:
    made = service(f"[Service]\n{BASE}Foo=bar\nX-Foo=bar\n")
    assert made.notes == (
        "/usr/lib/systemd/system/x.service:4: Foo= is an unknown key of [Service]; it is ignored",
    )
    with pytest.raises(NotosError, match=r"services\.x\.set: Foo= is not a key of \[Service\]") as caught:
        service(f"[Service]\n{BASE}", overrides={"Foo": "bar"})
    assert caught.value.keys == ("services", "x", "set", "Foo")


def test_the_section_of_a_key() -> None:
    assert keys.section_of("After", ("Service", "Unit")) == "Unit"
    assert keys.section_of("LimitNOFILE", ("Service", "Unit")) == "Service"
    assert keys.section_of("ReadWriteDirectories", ("Unit", "Service")) == "Service"
    assert keys.section_of("Foo", ("Service", "Unit")) == "Service"


def test_the_page_lists_the_keys_that_are_not_translated() -> None:
    """docs/units.md has a part for each treatment, and in it a list for each section."""
    parts = {
        "without an effect": "no effect",
        "that are not enforced": "not enforced",
        "that are errors": "unsupported",
    }
    page = (ROOT / "docs/units.md").read_text()
    for title, treatment in parts.items():
        part = page.partition(f"## Keys {title}\n")[2].partition("\n## ")[0]
        lists = re.findall(r"^`\[(\w+)\]`:(.*?)(?=\n\n|\Z)", part, re.MULTILINE | re.DOTALL)
        for section, text in lists:
            ours = [key for key, each in keys.TABLE[section].items() if each == treatment]
            assert re.findall(r"`(\w+)`", text) == ours
        shown = {section for section, _ in lists}
        others = {section for section in keys.TABLE if treatment in keys.TABLE[section].values()}
        assert shown == others - ({"Socket", "Timer", "Install"} if treatment == "no effect" else set())
