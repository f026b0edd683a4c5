"""Numbers and groups of system calls. libseccomp and systemd-analyze are the judges."""

import ctypes

import pytest

from notos.units import syscalls
from tests.units.conftest import Systemd

# AUDIT_ARCH_… of the architectures that have the two tables (include/uapi/linux/audit.h).
ARCHITECTURES = {"64": 0xC000003E, "generic": 0xC00000B7}


@pytest.mark.parametrize("table", syscalls.TABLES)
def test_the_judge_of_numbers_is_libseccomp(table: str, systemd: Systemd) -> None:
    library = ctypes.CDLL(str(systemd.tree.libraries / "libseccomp.so.2"))
    resolve = library.seccomp_syscall_resolve_name_arch
    theirs = {
        name: number
        for name in syscalls.groups()["@known"]
        if (number := resolve(ctypes.c_uint32(ARCHITECTURES[table]), name.encode())) >= 0
    }
    ours = syscalls.numbers(table)
    assert {name: ours.get(name) for name in theirs} == theirs
    newer = {name for name in ours if name not in theirs}
    assert all(ours[name] > 450 for name in newer), newer


def test_the_judge_of_groups_is_systemd(systemd: Systemd) -> None:
    raw: dict[str, set[str]] = {}
    for line in systemd.run("systemd-analyze", "syscall-filter").stdout.splitlines():
        if line.startswith("@"):
            members = raw[line.strip()] = set()
        elif line.startswith("    ") and not line.strip().startswith("#"):
            members.add(line.strip())

    def flat(name: str) -> set[str]:
        return {each for member in raw[name] for each in (flat(member) if member[0] == "@" else {member})}

    assert {*syscalls.groups()} == {*raw}
    known = {*syscalls.numbers("64"), *syscalls.numbers("generic")}
    for name in raw:
        assert {*syscalls.groups()[name]} == flat(name) & known, name
