"""Units as a whole. systemd-analyze verify is the judge of the settings that systemd ignores or refuses."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from notos.debian.unpack import Aside
from notos.errors import NotosError
from notos.units.names import LIMITS
from notos.units.plan import parsed
from notos.units.timers import timer
from notos.units.translate import translate
from tests.units.conftest import Systemd
from tests.units.made import FOLDER, context, files, lines, plan, service

BASE = "[Service]\nExecStart=/bin/true\n"

# Values of keys, valid and not, in the themes of systemd's own tests.
BOOLEANS = ("yes", "no", "1", "0", "on", "off", "TRUE", "f", "maybe", "2", "yes no", "")
TIMES = (
    *("5", "1s", "1.5h", "2min 200ms", "infinity", "5 5", "", "1y 12month", "-5", "5x", "3.", ".5s", "1us"),
    *("55s500ms", "2weeks", "1 min30s", "0", "infinityx", "12.34.56", "+5", "1,5", "5µs"),
)
SIZES = ("1", "1K", "1.5G", "1G 512M", "1T1G", "infinity", "", "-1", "1X", "10M10G", "1.K", "5B", "K", "0")
MODES = ("0755", "644", "7777", "17777", "0o755", "8", "rwx", "", "-1", "755 755")
SIGNALS = (
    "TERM",
    "SIGTERM",
    "15",
    "0",
    "65",
    "64",
    "RTMIN",
    "RTMIN+3",
    "RTMAX-30",
    "RTMIN+99",
    "FOO",
    "term",
    "",
)
NUMBERS = ("0", "1", "-1", "19", "20", "-20", "-21", "x", "0x10", "010", "1 2", "", "99999999999")
PATHS = (
    *("/a", "a", "/a/../b", "//a//b/", "-/a", "/a b", '"/a b"', "/%n", "/%%", "%t/x", "/%!", "/a /b c", ""),
    *("+/a", "-+/a", "+-/a", "/%Z", "/a\\x20b"),
)
TABLE = {
    **dict.fromkeys(
        (
            *("RemainAfterExit", "SendSIGKILL", "PrivateNetwork", "ProtectClock"),
            *("GuessMainPID", "CPUSchedulingResetOnFork", "RemoveIPC", "NoNewPrivileges", "MountAPIVFS"),
            *("PrivateDevices", "ProtectKernelTunables", "LockPersonality", "RestrictRealtime"),
            *("MemoryDenyWriteExecute", "RestrictSUIDSGID", "IgnoreSIGPIPE", "PrivateMounts", "NonBlocking"),
        ),
        BOOLEANS,
    ),
    **dict.fromkeys(
        (
            *("TimeoutStopSec", "TimeoutStartSec", "TimeoutSec", "RestartSec", "WatchdogSec"),
            *("RuntimeMaxSec", "TimeoutAbortSec", "RestartMaxDelaySec", "StartLimitInterval"),
        ),
        TIMES,
    ),
    **dict.fromkeys(("MemoryMax", "MemoryHigh", "MemoryLow", "MemorySwapMax"), (*SIZES, "10%", "101%", "0%")),
    **dict.fromkeys(("UMask", "RuntimeDirectoryMode", "StateDirectoryMode"), MODES),
    **dict.fromkeys(("KillSignal", "FinalKillSignal", "RestartKillSignal", "ReloadSignal"), SIGNALS),
    **dict.fromkeys(("Nice", "OOMScoreAdjust", "IOSchedulingPriority", "CPUSchedulingPriority"), NUMBERS),
    **dict.fromkeys(
        ("ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths"), PATHS
    ),
    **{
        f"Limit{name}": ("1", "1:2", "2:1", "infinity", "1:infinity", "infinity:1", "1K", "5s", "x", "", "-1")
        for name in LIMITS
    },
    "LimitNICE": ("+19", "-20", "+20", "-21", "5", "41", "40:+0"),
    "TasksMax": ("1", "0", "infinity", "10%", "101%", "x", "", "1.5%", "12.345%", "5‰", "7‱", "-3"),
    "CPUQuota": ("20%", "120%", "0%", "x", "", "1.5%", "20", "-1%", "1000000%"),
    "CPUWeight": ("1", "10000", "0", "10001", "idle", "", "x"),
    "IOWeight": ("1", "10000", "0", "10001", "default", "", "x"),
    "Type": ("notify", "simple", "foo", "", "Notify", "idle"),
    "Restart": ("always", "no", "on-failure", "yes", "on-abort", ""),
    "KillMode": ("mixed", "none", "all", ""),
    "NotifyAccess": ("all", "exec", "main", "none", "no", "yes"),
    "ExitType": ("main", "cgroup", "x"),
    "KeyringMode": ("private", "shared", "inherit", "x"),
    "IOSchedulingClass": ("idle", "best-effort", "2", "x", "none", "realtime", ""),
    "CPUSchedulingPolicy": ("idle", "rr", "other", "fifo", "batch", "x", ""),
    "StandardOutput": (
        "null",
        "journal",
        "file:/x",
        "file:x",
        "append:/a/b",
        "syslog",
        "socket",
        "fd",
        "x:y",
    ),
    "StandardInput": ("null", "tty", "file:/x", "append:/x", "fd:a", "x", "tty-force", "socket"),
    "Environment": (
        "A=b",
        '"A=b c" D=e',
        "A",
        "1A=b",
        "A=b=c",
        '"A=b',
        "A=\\x41",
        "A=\\q",
        "A='b'\"c\"",
        "=",
    ),
    "EnvironmentFile": ("/a", "-/a", "a", "", "--/a", "/a b", "-a"),
    "PassEnvironment": ("A B", "A=b", "1A", '"A B"', ""),
    "UnsetEnvironment": ("A", "A=b", "1A", '"A=b c"', "A=b 2"),
    "SupplementaryGroups": ("a b",),
    "RuntimeDirectory": (
        *(
            "a",
            "a/b",
            "/a",
            "../a",
            "a:b",
            "a:b:ro",
            "a b:c",
            '"a b"',
            "private/x",
            "a:/b",
            "%N",
            ".",
            "a:b:rw",
        ),
        "",
    ),
    "ConfigurationDirectory": ("a", "a:b", "a/../b"),
    "CapabilityBoundingSet": ("CAP_CHOWN", "~CAP_KILL cap_chown", "", "~", "CHOWN", "63", "64", "5 x"),
    "AmbientCapabilities": ("CAP_CHOWN", "FOO"),
    "SecureBits": ("noroot keep-caps", "noroot-locked"),
    "SystemCallFilter": (
        "@system-service",
        "~@foo",
        "read:EPERM",
        "~read:EPERM write:kill",
        "~open:99999",
        "x:",
    ),
    "SystemCallErrorNumber": ("EPERM", "kill", "EFOO", "4095", "4096", "-1", "5"),
    "SystemCallLog": ("@chown", "~read"),
    "RestrictAddressFamilies": ("AF_INET AF_UNIX", "~AF_FOO", "none", "inet", "AF_INET none"),
    "RestrictNamespaces": ("yes", "no", "net mnt", "~user", "foo", "net foo", "~yes"),
    "ProtectSystem": ("yes", "strict", "full", "no", "x", "STRICT"),
    "ProtectHome": ("yes", "read-only", "tmpfs", "x"),
    "ProtectProc": ("invisible", "default", "x", "yes"),
    "ProcSubset": ("pid", "all", "x"),
    "PrivateTmp": ("yes", "disconnected", "connected", "x"),
    "PrivateUsers": ("yes", "self", "identity", "x"),
    "MountFlags": ("slave", "shared", "private"),
    "BindPaths": (
        *("/a", "/a:/b", "/a:/b:rbind", "/a:/b:norbind", "/a:/b:x", "-/a:/b", "a:/b", "/a:b", "/a:/b /c:/d"),
        *('"/a b:/c"', "", "/a:"),
    ),
    "TemporaryFileSystem": ("/a", "/a:ro", "a", "/a:ro,mode=0700 /b", '"/a b:ro"'),
    "DeviceAllow": (
        "/dev/null",
        "/dev/null rw",
        "/dev/null rx",
        "char-rtc r",
        "block-* rwm",
        "null",
        "/tmp/x r",
    ),
    "DevicePolicy": ("auto", "closed", "strict", "x"),
    "CPUAffinity": ("0", "0-3", "0,2 4", "x", "3-1", ""),
    "AllowedCPUs": ("0-3", "x", ""),
    "SuccessExitStatus": ("1 2 SIGKILL", "TEMPFAIL 250", "256", "FOO", "TERM", "RTMIN+1", ""),
    "RestartPreventExitStatus": ("255", "-1 5"),
    "RestartForceExitStatus": ("SIGABRT",),
    "PIDFile": ("/run/x.pid", "x.pid", "", "%N.pid"),
    "BusName": ("org.example.X", "x"),
    "SyslogIdentifier": ("%N", "a b"),
    "RestartSteps": ("0", "5", "x"),
    "OpenFile": ("/a", "/a:b", "/a:b:read-only", "/a:b:foo", "a", "/a::append,graceful"),
    "RuntimeDirectoryPreserve": ("yes", "no", "restart", "x"),
    "ExecSearchPath": ("/a:/b",),
    "Personality": ("x86", "aarch64", "", "native"),
    "StandardInputText": ("a\\tb", "\\q", "%Z"),
    "StandardInputData": ("YQ==", "Y Q = =", "!", "YQ"),
    "CoredumpFilter": ("all", "default private-huge", "0x33", "33 elf-headers", "foo"),
    "TimerSlackNSec": ("5", "10us", "x", "1ms 5ns"),
    "OOMPolicy": ("continue", "stop"),
}
# Words of systemd's messages about a value that it takes, or about the whole unit.
NO_FAULT = re.compile("obsolete|legacy directory|please use|Support for|deprecated|unsafe|insecure")
UNIT = {
    "ConditionPathExists": (*PATHS, "|/a", "!/a", "|!/a", "!|/a", "| /a"),
    "ConditionFileNotEmpty": tuple(filter(None, PATHS)),
    "AssertPathExists": PATHS,
    "ConditionKernelCommandLine": ("!x", "| ! x"),
    "ConditionACPower": ("yes", "x"),
    "StartLimitIntervalSec": TIMES,
    "StartLimitBurst": ("1", "x", "-1"),
    "After": ("a.service b.target", "a", "x@.service", "a/b.service", "%p.socket"),
    "Requires": ("%i.mount", "foo.bar"),
}


def settings(table: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a section; an empty value stands first, as it removes what stands before it."""
    for key, values in table.items():
        yield from (f"{key}={value}" for value in sorted(values, key=bool))


def test_the_judge_of_ignored_settings_is_systemd(systemd: Systemd, tmp_path: Path) -> None:
    """The lines of the notes are those about which systemd-analyze warns."""
    text = "\n".join((*("[Unit]", *settings(UNIT)), *(BASE, *settings(TABLE)), "Type=simple", ""))
    (tmp_path / "x.service").write_text(text)
    verdict = systemd.verify(tmp_path / "x.service")
    assert not verdict.refused, verdict.text
    theirs = {line for line, message in verdict.lines.items() if not NO_FAULT.search(message)}
    made = service(text)
    ours = {int(line) for note in made.notes for line in re.findall(r"/x\.service:(\d+): ", note)}
    numbered = text.splitlines()
    assert (
        sorted(f"{numbered[at - 1]}  # only ours" for at in ours - theirs)
        + sorted(f"{numbered[at - 1]}  # only theirs: {verdict.lines[at]}" for at in theirs - ours)
        == []
    )


def test_every_error_is_reported_with_its_place() -> None:
    text = (
        "[Unit]\nConditionCPUFeature=x\n[Service]\nExecStart=/a/\nUser=a/b\nRootImage=/x\nEnvironment=A=%b\n"
    )
    with pytest.raises(NotosError) as caught:
        service(text)
    found = [each.message.removeprefix("/usr/lib/systemd/system/x.service:") for each in caught.value.parts]
    assert found == [
        "6: RootImage= is not supported",
        "4: ExecStart= has a folder as the program: /a/",
        "5: User= a/b is not a user or group",
        "2: ConditionCPUFeature= cannot be tested in this machine",
        "7: Environment= %b (the boot ID) is not known at build time",
    ]
    assert {each.keys for each in caught.value.parts} == {("services", "x")}


def test_settings_of_the_config_are_a_last_drop_in() -> None:
    units = {
        "x.service": "[Service]\nExecStart=/a\nEnvironment=A=1\nLimitNOFILE=1\nUser=a\n",
        "x.service.d/z.conf": "[Service]\nLimitNOFILE=2\nEnvironment=B=2\n[Unit]\nAfter=dbus.service\n",
    }
    given = {
        **{"LimitNOFILE": "3", "Environment": ["C=3", "A=4"], "ExecStart": ["", "/b"], "User": []},
        **{"After": "y.service", "Unit.StartLimitBurst": "9", "Service.Nice": "5"},
    }
    services = {"dbus.service": "dbus", "y.service": "y"}
    made = translate("x.service", files(units), context(overrides=given, services=services))
    found = parsed(made.plan)
    for line in (
        *(
            ("limit", "NOFILE", "3", "3"),
            ("env", "B", "2"),
            ("env", "C", "3"),
            ("env", "A", "4"),
            ("nice", "5"),
        ),
        *(("start", "", "/b", "/b"), ("after", "dbus", "y"), ("startlimit", "10000000", "9")),
    ):
        assert line in found
    assert "user" not in {line[0] for line in found}
    assert made.files == ("usr/lib/systemd/system/x.service", "usr/lib/systemd/system/x.service.d/z.conf")


def test_a_mistake_in_the_config_is_an_error_there() -> None:
    for given, message in (
        ({"LimitNOFILE": "x"}, "LimitNOFILE= x: not an integer"),
        ({"Restart": "sometimes"}, "Restart= sometimes: not one of no, always"),
        ({"Foo": "1"}, r"Foo= is not a key of \[Service\]"),
    ):
        with pytest.raises(NotosError, match=rf"^services\.x\.set: {message}") as caught:
            service(BASE, overrides=given)
        assert caught.value.keys == ("services", "x", "set", *given)


def test_a_unit_of_the_user() -> None:
    text = f"{BASE}Nice=x\n"
    with pytest.raises(NotosError, match=r"^units/x\.service:3: Nice= x: not an integer"):
        translate("x.service", files({}, own={"x.service": text}), context())
    made = translate("x.service", files({}, own={"x.service": BASE}), context())
    assert made.files == ("units/x.service",)


@pytest.mark.parametrize("name", ["y.service", "x", "y@.service", "x.target"])
def test_an_unknown_unit_has_the_config_s_place(name: str) -> None:
    with pytest.raises(NotosError) as caught:
        translate(name, files({"x.service": BASE, "y@.service": BASE, "x.target": "[Unit]\n"}), context())
    assert caught.value.keys == ("services", "x")


def test_a_plan_comes_back() -> None:
    made = service("[Service]\nExecStart=/a \"b\\tc\\nd\\\\\" ''\n")
    assert ("start", "", "/a", "/a", "b\tc\nd\\", "") in parsed(made.plan)
    with pytest.raises(ValueError, match="invalid escape"):
        parsed("a\tb\\x\n")


# Units in the manner of Debian's packages, and the lines of their plans that matter.


def test_a_web_server() -> None:
    text = """[Unit]
Description=A web server
After=network-online.target nss-lookup.target
Wants=network-online.target
ConditionFileIsExecutable=/usr/sbin/nginx

[Service]
Type=forking
PIDFile=/run/nginx.pid
ExecStartPre=/usr/sbin/nginx -t -q -g 'daemon on; master_process on;'
ExecStart=/usr/sbin/nginx -g 'daemon on; master_process on;'
ExecReload=/usr/sbin/nginx -g 'daemon on; master_process on;' -s reload
ExecStop=-/sbin/start-stop-daemon --quiet --stop --retry QUIT/5 --pidfile /run/nginx.pid
TimeoutStopSec=5
KillMode=mixed

[Install]
WantedBy=multi-user.target
"""
    assert plan(text, "nginx.service") == [
        ("name", "nginx.service"),
        ("condition", "", "FileIsExecutable", "/usr/sbin/nginx"),
        ("type", "forking"),
        ("pidfile", "/run/nginx.pid"),
        ("pre", "", *["/usr/sbin/nginx"] * 2, "-t", "-q", "-g", "daemon on; master_process on;"),
        ("start", "", *["/usr/sbin/nginx"] * 2, "-g", "daemon on; master_process on;"),
        ("reload", "", *["/usr/sbin/nginx"] * 2, "-g", "daemon on; master_process on;", "-s", "reload"),
        (
            *("stop", "-", *["/sbin/start-stop-daemon"] * 2, "--quiet", "--stop", "--retry", "QUIT/5"),
            *("--pidfile", "/run/nginx.pid"),
        ),
        ("timeout", "start", "90000000"),
        ("timeout", "stop", "5000000"),
        ("restartsec", "100000"),
        ("startlimit", "10000000", "5"),
        ("killmode", "mixed"),
    ]


def test_a_group_of_databases() -> None:
    text = """[Unit]
AssertPathExists=/etc/postgresql/%I/postgresql.conf
PartOf=postgresql.service
ReloadPropagatedFrom=postgresql.service
[Service]
Type=forking
ExecStart=-/usr/bin/pg_ctlcluster --skip-systemctl-redirect %i start
TimeoutStartSec=0
PIDFile=/run/postgresql/%i.pid
OOMScoreAdjust=-900
"""
    name = "postgresql@17-main.service"
    services = {name: "postgresql", "postgresql.service": "all"}
    units = {"postgresql@.service": text, "postgresql.service": "[Service]\nExecStart=/bin/true\n"}
    made = translate(name, files(units), context(service="postgresql", services=services))
    found = parsed(made.plan)
    for line in (
        ("assert", "", "PathExists", "/etc/postgresql/17/main/postgresql.conf"),
        ("partof", "all"),
        ("reloadfrom", "all"),
        ("timeout", "start", "infinity"),
        ("pidfile", "/run/postgresql/17-main.pid"),
    ):
        assert line in found
    assert lines(text, "start", name)[0][3:] == ("--skip-systemctl-redirect", "17-main", "start")


# Units of systemd itself, which the tools tree has.
REFUSED_HERE = re.compile(
    "is not supported|not known at build time|needs a hostname|needs the bus|no ExecStart=|does not run"
)


def test_the_judge_of_systemd_s_own_units(systemd: Systemd, own_units: Aside, tmp_path: Path) -> None:
    """Notos and systemd warn about the same lines of all services and timers of the package systemd."""
    kinds = (".service", ".timer", ".socket")
    inside = {path: data.decode() for path, data in own_units.units.items() if path.endswith(kinds) and data}
    texts = {path.rpartition("/")[2]: text for path, text in inside.items() if path.startswith(f"{FOLDER}/")}
    texts |= {name: f"{text}\nUnknownKey=1\n" for name, text in texts.items() if name.endswith(".service")}
    links = {path: target for path, target in own_units.links.items() if path.endswith(kinds)}
    made = files(texts, links)
    names = [name.replace("@.", "@a.") for name in texts if not name.endswith(".socket")]
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    done = systemd.run("systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in names))
    theirs = {*re.findall(rf"^{tmp_path}/(\S+:\d+): (?!.*(?:{NO_FAULT.pattern}))", done.stderr, re.MULTILINE)}
    ours: set[str] = set()
    translated: set[str] = set()
    for name in names:
        try:
            found = (timer if name.endswith(".timer") else translate)(name, made, context())
        except NotosError as error:
            assert all(REFUSED_HERE.search(each.message) for each in error.parts or (error,)), error
            continue
        translated.add(made.load(name).files[0].rpartition("/")[2])
        ours.update(place for note in found.notes for place in re.findall(rf"^/{FOLDER}/(\S+:\d+): ", note))
    assert len(translated) > 50
    assert ours == {place for place in theirs if place.partition(":")[0] in translated}
