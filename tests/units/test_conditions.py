"""Conditions and assertions. The facts are those of systemd.unit(5)."""

from typing import Any

import pytest

from notos.errors import NotosError
from tests.units.made import lines, service

HOLDS, FAILS = ("", "PathExists", "/"), ("!", "PathExists", "/")


def conditions(text: str, key: str = "condition", **fields: Any) -> list[tuple[str, ...]]:
    return lines(f"[Unit]\n{text}\n[Service]\nExecStart=/bin/true\n", key, **fields)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ConditionPathExists=/a", ("", "PathExists", "/a")),
        ("ConditionPathExists=!/a", ("!", "PathExists", "/a")),
        ("ConditionPathExists=|/a", ("|", "PathExists", "/a")),
        ("ConditionPathExists=|!/a", ("|!", "PathExists", "/a")),
        ("ConditionPathExists=//a/./b/", ("", "PathExists", "/a/b")),
        ("ConditionPathExists=/%p", ("", "PathExists", "/x")),
        ("ConditionFileNotEmpty=/a b", ("", "FileNotEmpty", "/a b")),
        ("ConditionCapability=CAP_SYS_TIME", ("", "Capability", "CAP_SYS_TIME")),
        ("ConditionKernelCommandLine=| ! a=b", ("|!", "KernelCommandLine", "a=b")),
        ("ConditionMemory=>= 1G", ("", "Memory", ">= 1G")),
        ("ConditionVirtualization=vm", ("", "Virtualization", "vm")),
        ("ConditionFirmware=uefi", ("", "PathExists", "/sys/firmware/efi")),
        ("ConditionSecurity=!tpm2", ("!", "PathExists", "/sys/class/tpmrm/tpmrm0")),
        ("ConditionHost=0123456789abcdef0123456789abcdef", ("", "Host", "0123456789abcdef0123456789abcdef")),
    ],
)
def test_what_run_unit_tests(text: str, expected: tuple[str, ...]) -> None:
    assert conditions(text) == [expected]
    assert conditions(text.replace("Condition", "Assert"), "assert") == [expected]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("ConditionVirtualization=!container", True),
        ("ConditionVirtualization=docker", False),
        ("ConditionArchitecture=native", True),
        ("ConditionArchitecture=sparc64", False),
        ("ConditionFirstBoot=yes", False),
        ("ConditionFirstBoot=no", True),
        ("ConditionNeedsUpdate=/etc", False),
        ("ConditionNeedsUpdate=!/etc", True),
        ("ConditionHost=box", True),
        ("ConditionHost=B*", True),
        ("ConditionHost=other", False),
        ("ConditionSecurity=selinux", False),
        ("ConditionCredential=x", False),
        ("ConditionOSRelease=ID=debian VERSION_ID=13", True),
        ("ConditionOSRelease=ID=debian VERSION_ID!=13", False),
        ("ConditionMemoryPressure=10%", True),
    ],
)
def test_what_is_known_at_build_time(text: str, holds: bool) -> None:
    facts: dict[str, Any] = {"hostname": "box", "release": {"ID": "debian", "VERSION_ID": "13"}}
    assert conditions(text, **facts) == ([] if holds else [FAILS])
    key, _, value = text.partition("=")
    trigger = f"{key}=|{value}\nConditionPathExists=|/a"
    expected = [] if holds else [("|!", "PathExists", "/"), ("|", "PathExists", "/a")]
    assert conditions(trigger, **facts) == expected
    note = "x.service: its conditions never hold in this machine, so it does not start"
    made = service(f"[Unit]\n{text}\n[Service]\nExecStart=/bin/true\n", **facts)
    assert made.notes == (() if holds else (note,))


def test_an_empty_value_removes_all_conditions() -> None:
    text = "ConditionPathExists=/a\nAssertPathExists=/b\nConditionUser=\nConditionPathIsDirectory=/c"
    assert conditions(text) == [("", "PathIsDirectory", "/c")]
    assert conditions(text, "assert") == [("", "PathExists", "/b")]


@pytest.mark.parametrize("text", ["ConditionCPUFeature=avx", "ConditionPathIsEncrypted=/a"])
def test_what_cannot_be_tested_is_an_error(text: str) -> None:
    with pytest.raises(
        NotosError, match=r"x\.service:2: .* cannot be tested in this machine: remove it with"
    ):
        conditions(text)


def test_an_invalid_argument_is_ignored() -> None:
    for text in ("ConditionFirstBoot=maybe", "ConditionPathExists=a", "ConditionSecurity=foo"):
        assert conditions(text) == []
        assert "it is ignored" in service(f"[Unit]\n{text}\n[Service]\nExecStart=/a\n").notes[0]
