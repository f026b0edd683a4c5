"""Limits of resources (systemd.resource-control(5)) as files of a control group (cgroup v2)."""

from notos.units import values
from notos.units.plan import Plan
from notos.units.section import Section, choice

_MEMORY = {
    **{"MemoryMin": "memory.min", "MemoryLow": "memory.low", "MemoryHigh": "memory.high"},
    **{"MemorySwapMax": "memory.swap.max", "MemoryZSwapMax": "memory.zswap.max"},
}
_MAY_BE_ZERO = ("MemoryMin", "MemoryLow", "MemorySwapMax", "MemoryZSwapMax")
_DEFAULT_PERIOD = 100_000  # microseconds
_SHORTEST, _LONGEST = 1000, 1_000_000  # a period that the kernel accepts
_LEAST_QUOTA = 1000


def add(plan: Plan, section: Section) -> None:
    """Add a line `cgroup FILE VALUE` for each limit. A percentage of memory or tasks keeps its sign."""
    _processor(plan, section)
    for key, file in _MEMORY.items():
        value = section.last(lambda text, key=key: _memory(key, text), key, resets=True)  # type: ignore[misc]
        if value is not None:
            plan.add("cgroup", file, value)
    most = section.last(lambda text: _memory("MemoryMax", text), "MemoryMax", resets=True)
    if most is None:
        most = section.last(lambda text: _memory("MemoryLimit", text), "MemoryLimit", resets=True)
    if most is not None:
        plan.add("cgroup", "memory.max", most)
    back = section.last(values.boolean, "MemoryZSwapWriteback")
    if back is False:
        plan.add("cgroup", "memory.zswap.writeback", 0)
    tasks = section.last(_tasks, "TasksMax", resets=True)
    if tasks is not None:
        plan.add("cgroup", "pids.max", tasks)
    _out_of_memory(plan, section)
    weight = section.last(lambda text: values.integer(text, 1, 10_000), "IOWeight", resets=True)
    if weight is not None:
        plan.add("cgroup", "io.weight", f"default {weight}")


def _out_of_memory(plan: Plan, section: Section) -> None:
    """Add OOMPolicy=: with "continue", the kernel ends one process, as without a policy."""
    policy = section.last(choice("continue", "stop", "kill"), "OOMPolicy")
    if policy == "kill":
        plan.add("cgroup", "memory.oom.group", 1)
    elif policy == "stop":
        section.report.unenforced("OOMPolicy")


def _processor(plan: Plan, section: Section) -> None:
    weight = section.last(_weight, "CPUWeight", resets=True)
    if weight == 0:
        plan.add("cgroup", "cpu.idle", 1)
    elif weight is not None:
        plan.add("cgroup", "cpu.weight", weight)
    quota = section.last(_quota, "CPUQuota", resets=True)
    if quota is not None:
        asked = section.last(values.time, "CPUQuotaPeriodSec")
        period = min(max(_DEFAULT_PERIOD if asked is None else asked, _SHORTEST), _LONGEST)
        while quota * period // 10_000 < _LEAST_QUOTA and period < _LONGEST:
            period = min(period * 10, _LONGEST)
        plan.add("cgroup", "cpu.max", f"{max(quota * period // 10_000, _LEAST_QUOTA)} {period}")
    for key, file in (("AllowedCPUs", "cpuset.cpus"), ("AllowedMemoryNodes", "cpuset.mems")):
        numbers = {number for _, each in section.values(values.processors, key) for number in each}
        if numbers:
            plan.add("cgroup", file, values.ranges(tuple(sorted(numbers))))


def _weight(text: str) -> int:
    return 0 if text == "idle" else values.integer(text, 1, 10_000)


def _quota(text: str) -> int:
    number = values.permyriad(text)
    if not number:
        raise ValueError("0% is not a quota")
    return number


def _memory(key: str, text: str) -> str:
    """Return the bytes, "max", or a percentage of the machine's memory."""
    if text == values.INFINITY:
        return "max"
    try:
        share = values.permyriad(text)
    except ValueError:
        share, number = None, values.size(text)
    if not (number if share is None else share) and key not in _MAY_BE_ZERO:
        raise ValueError("0 is not a limit")
    return str(number) if share is None else _percentage(share)


def _tasks(text: str) -> str:
    if text == values.INFINITY:
        return "max"
    try:
        return _percentage(values.permyriad(text))
    except ValueError:
        return str(values.integer(text, 1, 2**63 - 1))


def _percentage(permyriad: int) -> str:
    if permyriad > 10_000:
        raise ValueError("more than 100%")
    return f"{permyriad / 100:g}%"
