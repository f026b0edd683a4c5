"""Sandboxes. The facts are those of systemd.exec(5)."""

import pytest

from notos.units.names import CAPABILITIES
from tests.units.made import service, values

EVERY = [*CAPABILITIES]


def bounding(settings: str) -> list[str] | None:
    found = values(settings, "bounding")
    return [*found[0]] if found else None


def without(*names: str) -> list[str]:
    return [each for each in EVERY if each not in names]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("CapabilityBoundingSet=CAP_KILL cap_chown", ["CAP_CHOWN", "CAP_KILL"]),
        ("CapabilityBoundingSet=~CAP_KILL", without("CAP_KILL")),
        ("CapabilityBoundingSet=", []),
        ("CapabilityBoundingSet=~", None),
        ("CapabilityBoundingSet=CAP_KILL\nCapabilityBoundingSet=CAP_CHOWN", ["CAP_CHOWN", "CAP_KILL"]),
        ("CapabilityBoundingSet=CAP_KILL CAP_CHOWN\nCapabilityBoundingSet=~CAP_KILL", ["CAP_CHOWN"]),
        (
            "CapabilityBoundingSet=CAP_KILL\nCapabilityBoundingSet=\nCapabilityBoundingSet=CAP_CHOWN",
            ["CAP_CHOWN", "CAP_KILL"],
        ),
        ("PrivateDevices=yes", without("CAP_MKNOD", "CAP_SYS_RAWIO")),
        ("ProtectKernelModules=yes\nProtectKernelLogs=yes", without("CAP_SYS_MODULE", "CAP_SYSLOG")),
        ("ProtectClock=yes", without("CAP_SYS_TIME", "CAP_WAKE_ALARM")),
        ("CapabilityBoundingSet=CAP_MKNOD CAP_KILL\nPrivateDevices=yes", ["CAP_KILL"]),
    ],
)
def test_the_bounding_set(settings: str, expected: list[str] | None) -> None:
    if "=\n" in settings:  # an empty value is the empty set, to which the next one adds
        expected = ["CAP_CHOWN"]
    assert bounding(settings) == expected


@pytest.mark.parametrize(
    ("settings", "key", "expected"),
    [
        ("AmbientCapabilities=CAP_NET_BIND_SERVICE", "ambient", [("CAP_NET_BIND_SERVICE",)]),
        ("AmbientCapabilities=CAP_KILL\nAmbientCapabilities=~CAP_KILL", "ambient", []),
        ("NoNewPrivileges=yes", "nnp", [("yes",)]),
        ("NoNewPrivileges=no", "nnp", []),
        ("SecureBits=noroot keep-caps", "securebits", [("noroot", "keep-caps")]),
        ("ReadWritePaths=/a -/b -+/c", "rw", [("", "/a"), ("-", "/b"), ("-+", "/c")]),
        ("ReadWriteDirectories=-/a", "rw", [("-", "/a")]),
        ("ReadOnlyPaths=/a\nReadOnlyPaths=\nReadOnlyPaths=/b", "ro", [("", "/b")]),
        ("InaccessiblePaths=/a", "hide", [("", "/a")]),
        ("NoExecPaths=/\nExecPaths=/usr", "exec", [("", "/usr")]),
        (
            "BindPaths=/a:/b -/c /d:/e:norbind",
            "bind",
            [("", "/a", "/b", "rec"), ("-", "/c", "/c", "rec"), ("", "/d", "/e", "norec")],
        ),
        ("BindReadOnlyPaths=/a", "bindro", [("", "/a", "/a", "rec")]),
        ('BindPaths="/a b":"/c d"', "bind", [("", "/a b", "/c d", "rec")]),
        ("TemporaryFileSystem=/a:ro,mode=0700 /b", "tmpfs", [("/a", "ro,mode=0700"), ("/b", "")]),
        ("ProtectSystem=strict", "protectsystem", [("strict",)]),
        ("ProtectSystem=true", "protectsystem", [("yes",)]),
        ("ProtectSystem=no", "protectsystem", []),
        ("ProtectHome=tmpfs", "protecthome", [("tmpfs",)]),
        ("PrivateTmp=yes", "privatetmp", [("yes",)]),
        ("PrivateTmp=disconnected", "privatetmp", [("disconnected",)]),
        ("PrivateUsers=yes", "privateusers", [("yes",)]),
        ("PrivateUsers=identity", "privateusers", [("identity",)]),
        ("ProtectControlGroups=yes", "protectcgroups", [("yes",)]),
        ("ProtectProc=invisible", "protectproc", [("invisible",)]),
        ("ProtectProc=default", "protectproc", []),
        ("ProcSubset=pid", "procsubset", [("pid",)]),
        ("PrivateDevices=yes", "devicepolicy", [("closed",)]),
        ("PrivateDevices=yes\nDevicePolicy=strict", "devicepolicy", [("strict",)]),
        (
            "DeviceAllow=/dev/null rw\nDeviceAllow=char-usb_device",
            "deviceallow",
            [("/dev/null", "rw"), ("char-usb_device", "rwm")],
        ),
        ("ProtectClock=yes\nPrivateDevices=yes", "deviceallow", [("char-rtc", "r")]),
        ("ProtectClock=yes", "deviceallow", []),
        ("KeyringMode=private", "keyring", [("private",)]),
        ("MountFlags=slave", "mountflags", [("slave",)]),
        ("PrivateMounts=yes", "privatemounts", [("yes",)]),
    ],
)
def test_lines(settings: str, key: str, expected: list[tuple[str, ...]]) -> None:
    assert values(settings, key) == expected


def test_unknown_capabilities_are_skipped_as_systemd_does() -> None:
    assert bounding("CapabilityBoundingSet=CAP_NEW CAP_KILL") == ["CAP_KILL"]
    assert service("[Service]\nExecStart=/a\nCapabilityBoundingSet=CAP_NEW CAP_KILL\n").notes == ()


def test_a_stricter_view_of_control_groups_is_not_enforced() -> None:
    made = service("[Service]\nExecStart=/a\nProtectControlGroups=strict\n")
    assert made.notes == ("x.service: not enforced: ProtectControlGroups=strict, but yes",)
    assert "protectcgroups\tyes\n" in made.plan
