"""Limits of resources. The facts are those of systemd.resource-control(5) and the kernel's cgroup-v2."""

import pytest

from tests.units.made import service, values


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("MemoryMax=1G", [("memory.max", "1073741824")]),
        ("MemoryMax=15%", [("memory.max", "15%")]),
        ("MemoryMax=infinity", [("memory.max", "max")]),
        ("MemoryMax=1G\nMemoryMax=", []),
        ("MemoryLimit=1M", [("memory.max", "1048576")]),
        ("MemoryLimit=1M\nMemoryMax=2M", [("memory.max", "2097152")]),
        ("MemoryMin=0\nMemoryHigh=1K", [("memory.min", "0"), ("memory.high", "1024")]),
        ("MemorySwapMax=0", [("memory.swap.max", "0")]),
        ("MemoryZSwapWriteback=no", [("memory.zswap.writeback", "0")]),
        ("TasksMax=infinity", [("pids.max", "max")]),
        ("TasksMax=12.5%", [("pids.max", "12.5%")]),
        ("TasksMax=99", [("pids.max", "99")]),
        ("CPUWeight=idle", [("cpu.idle", "1")]),
        ("CPUWeight=200", [("cpu.weight", "200")]),
        ("CPUQuota=20%", [("cpu.max", "20000 100000")]),
        ("CPUQuota=150%", [("cpu.max", "150000 100000")]),
        ("CPUQuota=50%\nCPUQuotaPeriodSec=10ms", [("cpu.max", "5000 10000")]),
        ("CPUQuota=0.5%", [("cpu.max", "5000 1000000")]),
        ("CPUQuota=50%\nCPUQuotaPeriodSec=1us", [("cpu.max", "5000 10000")]),
        ("OOMPolicy=kill", [("memory.oom.group", "1")]),
        ("OOMPolicy=continue", []),
        ("IOWeight=50", [("io.weight", "default 50")]),
        ("AllowedCPUs=0-3 5\nAllowedCPUs=7", [("cpuset.cpus", "0-3,5,7")]),
        ("AllowedMemoryNodes=0", [("cpuset.mems", "0")]),
    ],
)
def test_files(settings: str, expected: list[tuple[str, ...]]) -> None:
    assert values(settings, "cgroup") == expected


def test_limits_that_are_not_set() -> None:
    made = service(
        "[Service]\nExecStart=/a\nIOReadBandwidthMax=/dev/sda 1M\nIPAddressDeny=any\nSlice=x.slice\n"
    )
    assert made.notes == ("x.service: not enforced: IOReadBandwidthMax, IPAddressDeny",)
    assert "cgroup" not in made.plan
