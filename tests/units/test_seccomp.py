"""Programs for seccomp(2): an interpreter of classic BPF and the kernel are the judges.

The expected results are those of systemd.exec(5) and of systemd's own filters (src/shared/seccomp-util.c).
"""

import ctypes
import errno
import mmap
import os
import struct
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notos import architecture
from notos.architecture import Architecture
from notos.errors import NotosError
from notos.units import bpf, syscalls
from notos.units.bpf import ALLOW, KILL_PROCESS, LOG, Layer, Match, Rule
from notos.units.names import NAMESPACES
from tests.other_architecture import OTHER
from tests.units.made import service

HERE = architecture.host()
EPERM, ENOSYS, EAFNOSUPPORT = (bpf.errno(each) for each in (errno.EPERM, errno.ENOSYS, errno.EAFNOSUPPORT))
MASK = 0xFFFFFFFF


def run(program: bytes, number: int, *arguments: int, audit: int = HERE.audit_number) -> int:
    """Return the action of a program for a system call, as the kernel finds it."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, audit, 0, *(each & (2**64 - 1) for each in padded))
    code = list(struct.iter_unpack("<HBBI", program))
    accumulator, at = 0, 0
    while True:
        operation, taken, skipped, operand = code[at]
        at += 1
        match operation:
            case 0x20:
                accumulator = struct.unpack_from("<I", data, operand)[0]
            case 0x54:
                accumulator &= operand
            case 0x15:
                at += taken if accumulator == operand else skipped
            case 0x35:
                at += taken if accumulator >= operand else skipped
            case 0x05:
                at += operand
            case 0x06:
                return int(operand)
            case _:
                raise AssertionError(f"operation {operation:#x}")


def action(settings: str, name: str, *arguments: int, target: Architecture = HERE, **fields: int) -> int:
    """Return the action of a service's program for a system call by name."""
    made = service(f"[Service]\nExecStart=/bin/true\n{settings}\n", target=target).seccomp
    assert made
    number = syscalls.numbers(target.syscall_table)[name]
    return run(made, number, *arguments, **{"audit": target.audit_number, **fields})


TARGETS = pytest.mark.parametrize("target", [HERE, OTHER], ids=lambda each: each.syscall_table)


@TARGETS
def test_a_list_of_permitted_calls(target: Architecture) -> None:
    text = "SystemCallFilter=@system-service\nSystemCallFilter=~@resources\nSystemCallErrorNumber=EPERM"
    assert action(text, "read", target=target) == ALLOW
    assert action(text, "execve", target=target) == ALLOW  # @default
    assert action(text, "mount", target=target) == EPERM
    assert action(text, "setpriority", target=target) == EPERM
    assert action("SystemCallFilter=read", "write", target=target) == KILL_PROCESS
    assert action("SystemCallFilter=read\nSystemCallErrorNumber=kill", "write", target=target) == KILL_PROCESS


def test_a_call_that_is_newer_than_the_list_fails_with_enosys() -> None:
    made = service("[Service]\nExecStart=/a\nSystemCallFilter=read\n").seccomp
    assert run(made, 900) == ENOSYS
    assert run(service("[Service]\nExecStart=/a\nSystemCallFilter=~read\n").seccomp, 900) == ALLOW


def test_a_list_of_forbidden_calls() -> None:
    text = "SystemCallFilter=~@mount read:EILSEQ write:kill open:0\nSystemCallErrorNumber=EPERM"
    assert [action(text, name) for name in ("mount", "read", "write", "close", "open")] == [
        *(EPERM, bpf.errno(errno.EILSEQ), KILL_PROCESS, ALLOW, bpf.errno(0))
    ]


@pytest.mark.parametrize(
    ("lines", "read", "write"),
    [
        (("read", "write"), ALLOW, ALLOW),
        (("read write", "~write"), ALLOW, KILL_PROCESS),
        (("read write", "~write:EPERM"), ALLOW, EPERM),
        (("~read write", "write"), KILL_PROCESS, ALLOW),
        (("read", "", "~write"), ALLOW, KILL_PROCESS),
        (("~read", "", "write"), KILL_PROCESS, ALLOW),
    ],
)
def test_lists_of_several_lines(lines: tuple[str, ...], read: int, write: int) -> None:
    """As in test-seccomp.c and config_parse_syscall_filter: the first line decides what the list means."""
    text = "\n".join(f"SystemCallFilter={each}" for each in lines)
    assert (action(text, "read"), action(text, "write")) == (read, write)


def test_a_wrong_name_in_the_config_is_an_error() -> None:
    for text in ("~mout", "@foo", "read:EPERM"):
        with pytest.raises(NotosError, match=r"services\.x\.set: SystemCallFilter= "):
            service("[Service]\nExecStart=/a\n", overrides={"SystemCallFilter": text})
    # A package may name calls of other architectures.
    assert service("[Service]\nExecStart=/a\nSystemCallFilter=~stat64 mount\n").notes == ()


def test_log() -> None:
    assert action("SystemCallLog=read", "read") == LOG
    assert action("SystemCallLog=read", "write") == ALLOW
    assert action("SystemCallLog=~read", "write") == LOG
    both = "SystemCallLog=read\nSystemCallFilter=~read\nSystemCallErrorNumber=EPERM"
    assert action(both, "read") == EPERM


AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET = 1, 2, 10, 16, 17


@TARGETS
def test_address_families(target: Architecture) -> None:
    def socket(text: str, family: int) -> int:
        return action(f"RestrictAddressFamilies={text}", "socket", family, target=target)

    assert [socket("AF_UNIX AF_INET", each) for each in (0, 1, 2, 10, 17, 99)] == [
        *(EAFNOSUPPORT, ALLOW, ALLOW, EAFNOSUPPORT, EAFNOSUPPORT, EAFNOSUPPORT)
    ]
    assert [socket("~AF_PACKET AF_NETLINK", each) for each in (1, 16, 17, 99)] == [
        *(ALLOW, EAFNOSUPPORT, EAFNOSUPPORT, ALLOW)
    ]
    assert socket("none", 1) == EAFNOSUPPORT
    assert socket("AF_UNIX\nRestrictAddressFamilies=~AF_UNIX", 1) == EAFNOSUPPORT
    # The kernel reads 32 bits of the argument.
    assert socket("~AF_PACKET", AF_PACKET | 1 << 32) == EAFNOSUPPORT


@TARGETS
def test_namespaces(target: Architecture) -> None:
    text = "RestrictNamespaces=net mnt"
    assert action(text, "clone3", target=target) == ENOSYS
    for name, flag in NAMESPACES.items():
        wanted = ALLOW if name in ("net", "mnt") else EPERM
        assert action(text, "unshare", flag, target=target) == wanted
        assert action(text, "clone", flag | 17, target=target) == wanted
        assert action(text, "setns", 3, flag, target=target) == wanted
    assert action(text, "setns", 3, 0, target=target) == EPERM
    assert action("RestrictNamespaces=yes", "setns", 3, NAMESPACES["net"], target=target) == EPERM
    assert action("RestrictNamespaces=~net", "unshare", NAMESPACES["mnt"], target=target) == ALLOW
    assert action("RestrictNamespaces=~net", "unshare", NAMESPACES["net"], target=target) == EPERM
    assert service("[Service]\nExecStart=/a\nRestrictNamespaces=no\n").seccomp == b""


def test_memory() -> None:
    text = "MemoryDenyWriteExecute=yes"
    read, write, execute = 1, 2, 4
    assert action(text, "mmap", 0, 1, read | write) == ALLOW
    assert action(text, "mmap", 0, 1, read | execute) == ALLOW
    assert action(text, "mmap", 0, 1, write | execute) == EPERM
    assert action(text, "mprotect", 0, 1, read) == ALLOW
    assert action(text, "mprotect", 0, 1, read | execute) == EPERM
    assert action(text, "shmat", 0, 0, 0o100000) == EPERM


def test_set_user_id() -> None:
    for text in ("RestrictSUIDSGID=yes", "DynamicUser=yes"):
        for mode, wanted in ((0o755, ALLOW), (0o4755, EPERM), (0o2755, EPERM), (0o1777, ALLOW)):
            assert action(text, "chmod", 0, mode) == wanted
            assert action(text, "fchmodat", 0, 0, mode) == wanted
            assert action(text, "mknodat", 0, 0, mode) == wanted
            assert action(text, "openat", 0, 0, os.O_CREAT, mode) == wanted
            assert action(text, "openat", 0, 0, 0, mode) == ALLOW
        assert action(text, "openat2") == ENOSYS


def test_the_other_restrictions() -> None:
    assert [action("RestrictRealtime=yes", "sched_setscheduler", 0, each) for each in range(7)] == [
        *(ALLOW, EPERM, EPERM, ALLOW, EPERM, ALLOW, EPERM)
    ]
    assert action("LockPersonality=yes", "personality", 0) == ALLOW
    assert action("LockPersonality=yes", "personality", 8) == EPERM
    assert action("LockPersonality=yes", "personality", MASK) == EPERM
    assert action("LockPersonality=yes\nPersonality=x86", "personality", 8) == ALLOW
    for key, name in (
        *(("ProtectKernelModules", "init_module"), ("ProtectClock", "adjtimex")),
        *(("ProtectKernelLogs", "syslog"), ("ProtectClock", "clock_settime"), ("PrivateDevices", "iopl")),
        *(("ProtectHostname", "sethostname"), ("ProtectHostname", "setdomainname")),
    ):
        assert action(f"{key}=yes", name) == EPERM
        assert action(f"{key}=yes", "read") == ALLOW


def test_other_architectures() -> None:
    foreign = 0x40000003
    for text, wanted in (
        ("SystemCallArchitectures=native", KILL_PROCESS),
        ("SystemCallArchitectures=native x86", ALLOW),
        ("ProtectHostname=yes", ENOSYS),
        ("ProtectHostname=yes\nSystemCallArchitectures=native", KILL_PROCESS),
        ("ProtectHostname=yes\nSystemCallArchitectures=native x86", ENOSYS),
    ):
        assert action(text, "read", audit=foreign) == wanted
        assert action(text, "read") == ALLOW
    made = service("[Service]\nExecStart=/a\nSystemCallArchitectures=native\n").seccomp
    assert run(made, bpf.OTHER_ABI | 1) == KILL_PROCESS


def test_a_service_without_restrictions_has_no_program() -> None:
    made = service("[Service]\nExecStart=/bin/true\nProtectHome=yes\nSystemCallFilter=\n")
    assert made.seccomp == b""
    assert "seccomp" not in made.plan


# The compiler.

ACTIONS = st.sampled_from([ALLOW, EPERM, ENOSYS, LOG, KILL_PROCESS, bpf.errno(5)])
TESTS = st.builds(
    Match,
    st.integers(0, 2),
    st.lists(st.integers(0, 5), max_size=4).map(tuple),
    st.sampled_from([MASK, 1, 6]),
    st.booleans(),
)
NUMBERS = st.integers(0, 12)
LAYERS = st.one_of(
    st.builds(
        Layer,
        st.dictionaries(
            NUMBERS,
            st.lists(st.builds(Rule, ACTIONS, st.lists(TESTS, max_size=2).map(tuple)), max_size=3),
            max_size=6,
        ),
    ),
    st.builds(
        Layer,
        st.dictionaries(NUMBERS, st.builds(Rule, ACTIONS).map(lambda rule: [rule]), max_size=6),
        ACTIONS,
        st.none() | st.frozensets(NUMBERS),
        st.just(ENOSYS),
    ),
)


def expected(layers: list[Layer], number: int, arguments: tuple[int, ...]) -> int:
    """Return the action by the kernel's rules: the most restrictive one; of equal kinds, the latest."""

    def of(layer: Layer) -> int:
        for rule in sorted(layer.rules.get(number, ()), key=lambda each: signed(each.action)):
            if all((arguments[t.argument] & t.mask in t.values) != t.negated for t in rule.tests):
                return rule.action
        outside = layer.known is not None and number not in layer.known
        return layer.unknown if outside else layer.default

    def signed(value: int) -> int:
        kind = value & 0xFFFF0000
        return kind - 2**32 if kind >= 2**31 else kind

    found = ALLOW
    for layer in reversed(layers):
        one = of(layer)
        if signed(one) < signed(found):
            found = one
    return found


@settings(max_examples=50)
@given(st.lists(LAYERS, max_size=3), st.integers(0, 14), st.tuples(*[st.integers(0, 6)] * 3))
def test_any_layers(layers: list[Layer], number: int, arguments: tuple[int, ...]) -> None:
    program = bpf.compiled(layers, 7, 1, 2)
    assert run(program, number, *arguments, audit=7) == expected(layers, number, arguments)
    assert run(program, number, audit=8) == 1
    assert run(program, number | bpf.OTHER_ABI, audit=7) == 2


def test_a_large_program_stays_within_the_kernel_s_limits() -> None:
    many = {number: [Rule(bpf.errno(number % 4000))] for number in range(1300)}
    program = bpf.compiled([Layer(many)], 7, 1, 2)
    assert all(run(program, number, audit=7) == bpf.errno(number % 4000) for number in (0, 1, 650, 1299))
    assert run(program, 1300, audit=7) == ALLOW
    with pytest.raises(ValueError, match="too long"):
        bpf.compiled([Layer({number: [Rule(bpf.errno(number % 4000))] for number in range(3000)})], 7, 1, 2)


# The kernel.

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2


class Program(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def enforced(settings: str, attempt: Callable[[], object]) -> str:
    """Return the result of `attempt` in a process with a service's program: ok, an error or a signal."""
    program = service(f"[Service]\nExecStart=/bin/true\n{settings}\n").seccomp
    libc = ctypes.CDLL(None, use_errno=True)
    made = Program(len(program) // 8, program)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        result = "?"
        try:
            libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            if libc.prctl(PR_SET_SECCOMP, FILTER, ctypes.byref(made), 0, 0):
                result = f"not loaded: {os.strerror(ctypes.get_errno())}"
            else:
                attempt()
                result = "ok"
        except OSError as error:
            result = errno.errorcode.get(error.errno or 0, "?")
        finally:
            os.write(writing, result.encode())
            os._exit(0)
    _, status = os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        return answer.read() or f"signal {os.WTERMSIG(status)}"


def socket_of(family: int) -> Callable[[], object]:
    def attempt() -> object:
        import socket

        return socket.socket(family, socket.SOCK_DGRAM)

    return attempt


def write_execute() -> object:
    return mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)


def unshare() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NAMESPACES["uts"]):
        raise OSError(ctypes.get_errno(), "unshare")


@pytest.mark.parametrize(
    ("settings", "attempt", "result"),
    [
        ("RestrictAddressFamilies=AF_UNIX", socket_of(AF_UNIX), "ok"),
        ("RestrictAddressFamilies=AF_UNIX", socket_of(AF_INET), "EAFNOSUPPORT"),
        ("MemoryDenyWriteExecute=yes", write_execute, "EPERM"),
        ("RestrictSUIDSGID=yes", lambda: os.mkdir("/tmp/x\0y"[:6] + "/none", 0o4755), "EPERM"),
        ("RestrictNamespaces=yes", unshare, "EPERM"),
        ("SystemCallFilter=@system-service\nSystemCallErrorNumber=EPERM", os.sync, "ok"),
        ("SystemCallFilter=~chdir:EILSEQ", lambda: os.chdir("/"), "EILSEQ"),
        ("SystemCallFilter=~chdir", lambda: os.chdir("/"), "signal 31"),
        ("SystemCallFilter=@system-service\nSystemCallErrorNumber=ENOANO", lambda: os.chroot("/"), "ENOANO"),
        ("SystemCallArchitectures=native\nLockPersonality=yes", os.getpid, "ok"),
    ],
)
def test_the_kernel_enforces_it(settings: str, attempt: Callable[[], object], result: str) -> None:
    assert enforced(settings, attempt) == result


def test_the_table_of_another_architecture_is_chosen() -> None:
    other = replace(HERE, syscall_table="generic")
    assert action("ProtectHostname=yes", "sethostname", target=other) == EPERM
    assert syscalls.numbers("generic")["sethostname"] != syscalls.numbers("64")["sethostname"]
