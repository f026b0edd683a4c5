"""Failures recognized by console lines of kernels and of stage-1."""

from types import SimpleNamespace

import pytest

from notos.vm import failures
from notos.vm.console import Line

TIME = "[    4.396531] "
LINES = [
    ("panic", TIME + "Kernel panic - not syncing: sysrq triggered crash"),
    ("panic", "[   12.000001][    T1] Kernel panic - not syncing: VFS: Unable to mount root fs"),
    ("panic", "Kernel panic - not syncing: no times in this kernel"),
    ("panic", "half a line of a service's" + TIME + "Kernel panic - not syncing: Attempted to kill init!"),
    (
        "oops",
        TIME + "Oops: general protection fault, probably for non-canonical address: 0000 [#1] PREEMPT SMP",
    ),
    ("oops", TIME + "BUG: kernel NULL pointer dereference, address: 0000000000000000"),
    ("oops", TIME + "kernel BUG at mm/slub.c:4000!"),
    ("oom", TIME + "Out of memory: Killed process 123 (python3) total-vm:8kB, anon-rss:8kB"),
    ("oom", TIME + "Memory cgroup out of memory: Killed process 9 (sh) total-vm:8kB"),
    ("drive", TIME + "SQUASHFS error: zstd decompression failed, data probably corrupt"),
    ("drive", TIME + "I/O error, dev vda, sector 128 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2"),
    ("drive", TIME + "Buffer I/O error on dev vdb, logical block 0, async page read"),
    ("drive", TIME + "EXT4-fs error (device vdb): ext4_lookup:1855: inode #2: comm ls: bad extra_isize"),
    ("rescue", "stage-1 failed: there is no device /dev/vda (root=)"),
]
HARMLESS = [
    "",
    "hello, I am afraid of a Kernel panic - not syncing",
    "grep 'stage-1 failed: ' log",
    TIME + "watchdog: BUG: soft lockup - CPU#0 stuck for 22s!",
    TIME + "EXT4-fs (vdb): mounted filesystem r/w with ordered data mode",
    "web: I/O error while talking to a dev server",
]


@pytest.mark.parametrize(("kind", "line"), LINES)
def test_a_failure_is_recognized_by_one_line(kind: str, line: str) -> None:
    found = failures.of_line(line)
    assert found is not None
    assert (found.kind, found.line) == (kind, line)
    assert str(found) == f"{failures.MEANING[kind]}: {line.strip()}"
    assert failures.of_line(line, tolerated=[kind]) is None


@pytest.mark.parametrize("line", HARMLESS)
def test_harmless_lines(line: str) -> None:
    assert failures.of_line(line) is None


def test_all_kinds_have_a_meaning() -> None:
    assert failures.KINDS.keys() == failures.MEANING.keys() == {kind for kind, _ in LINES}


def test_a_drive_fails_once_and_others_each_time() -> None:
    """A drive that has failed prints more errors at any later time."""
    console = SimpleNamespace(lines=[])
    found = failures.Failures(console, ())  # type: ignore[arg-type]
    lines = {kind: line for kind, line in LINES if kind in ("drive", "oom")}
    for kind, again in (("drive", False), ("oom", True)):
        console.lines.append(Line(1.0, lines[kind]))
        first = found.first()
        assert first and first[1].kind == kind
        found.forget()
        console.lines.append(Line(2.0, lines[kind]))
        assert (found.first() is not None) == again
