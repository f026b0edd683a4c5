"""A boot on one time axis: from what it told to segments, which add up to the time until the ssh banner.

    QEMU       from its process' start to the processors' (0 is that start, by this host's clock)
    firmware   to where the kernel's own clock begins; loading the kernel is in it
    kernel     to /init
    stage-1 …  steps, from each mark in the kernel's log to the next
    sshd       from its start, which runsv keeps, to the banner

The kernel's clock is put on the axis by the lines that are both in its log and on the console: a line arrives
after it was marked, the quickest one soonest. What nothing tells about has a segment of its own, UNKNOWN.
How long boots take, medians and all, is boot_report.py's matter.
"""

import re
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

UNKNOWN = "not attributed"
BESIDE = "services"
SERVER = "sshd"  # whose banner is waited for
_MARK = "notos: "
_LINE = re.compile(r"\[ *(\d+\.\d+)\] (.*)")
_CLOCK = re.compile(r"(\d+\.\d+) (clock \d+) (\d+\.\d+)")
_SERVICE = re.compile(r"service (\S+) ([0-9a-f]{16})([0-9a-f]{8}) (\d+)")
_INIT = re.compile(r"Run \S+ as init process")
_PATH = re.compile(r"/nix/store/[0-9a-z]{32}-")
# TAI64 of 1970, as runit counts: without leap seconds, as the kernel does (its tai_unix.c).
_EPOCH = (1 << 62) + 10
_TICK = 0.01  # of a process' start (proc_pid_stat(5), sysconf(_SC_CLK_TCK))
_APART = 0.05  # how far two clocks may be apart before one of them was set
_LAST = "Running runsvdir"
# Marks that begin a stage: its lane, and what its first step is called.
_STAGES = {
    "Entering stage-2...": ("stage-2", "Entering stage-2"),
    "runit": ("runit 1", "starting runit"),
    "runit/1": ("runit 1", "making folders"),
    "runit/2": ("runit 2", "linking services"),
}


@dataclass(frozen=True)
class Told:
    """What a boot told: times of this host's clock, the console's lines, and what look printed."""

    started: float
    resumed: float
    banner: float
    lines: Sequence[tuple[float, str]]
    said: str  # by scripts/timeline/look


@dataclass(frozen=True)
class Segment:
    """Something that took a time, in seconds since QEMU's start."""

    lane: str
    name: str
    start: float
    length: float

    @property
    def end(self) -> float:
        """When it was over."""
        return self.start + self.length


@dataclass(frozen=True)
class Boot:
    """One boot: what it waited for, step by step; and the services that came up beside that, to its end."""

    path: Sequence[Segment]
    beside: Sequence[Segment] = ()
    notes: Sequence[str] = ()

    @property
    def total(self) -> float:
        """Seconds to the banner."""
        return self.path[-1].end


@dataclass(frozen=True)
class _Event:
    at: float
    lane: str
    name: str


@dataclass(frozen=True)
class _Said:
    """What look printed: the log, two clocks at moments marked in it, and when services began by both."""

    log: Sequence[tuple[float, str]]
    clocks: Mapping[str, tuple[float, float]]
    services: Mapping[str, tuple[float, float]]


def read(told: Told) -> Boot:
    """The boot's segments."""
    total = told.banner - told.started
    said = _parsed(told.said)
    events = [_Event(0, "QEMU", "QEMU")]
    resumed = told.resumed - told.started
    offset = _offset(told.lines, said.log)
    if offset is None:
        note = "the kernel's log and the console have no line in common: nothing tells when the kernel began"
        return Boot(_path([*events, _Event(resumed, UNKNOWN, UNKNOWN)], total), notes=[note])
    zero = offset - told.started
    events.append(_Event(resumed, "firmware", "firmware"))
    events += (_Event(zero + each.at, each.lane, each.name) for each in _steps(said.log))
    found, notes = _services(said)
    starts = {name: zero + at for name, at in found.items()}
    server = starts.pop(SERVER, None)
    last = events[-1]
    # The clamps of _path are for what clocks differ by; further off it is not this boot's.
    known = server is not None and last.at - _APART < server < total
    if last.name != _LAST or not known:
        events[-1] = _Event(
            last.at, UNKNOWN, f"after {last.name}"
        )  # a step lasts to the next, and there is none
        notes.append(f"nothing tells what came after {last.name}")
    if known and server is not None:
        events.append(_Event(server, SERVER, "to the ssh banner"))
    beside = [
        Segment(BESIDE, name, max(at, 0.0), total - max(at, 0.0))
        for name, at in sorted(starts.items(), key=lambda item: item[1])
        if at < total
    ]
    return Boot(_path(events, total), beside, notes)


def _path(events: Sequence[_Event], total: float) -> list[Segment]:
    """Each from its event to the next one, the last to the end; none begins before the one before it."""
    starts: list[float] = []
    for each in events:
        starts.append(min(max(each.at, starts[-1] if starts else 0.0), total))
    seen: Counter[tuple[str, str]] = Counter()
    path = []
    for each, start, end in zip(events, starts, [*starts[1:], total], strict=True):
        seen[each.lane, each.name] += 1
        count = seen[each.lane, each.name]
        name = each.name if count == 1 else f"{each.name} ({count})"
        path.append(Segment(each.lane, name, start, end - start))
    return path


def _steps(log: Sequence[tuple[float, str]]) -> Iterator[_Event]:
    """What the kernel's log tells, by the kernel's clock."""
    marks = [(at, text.removeprefix(_MARK)) for at, text in log if text.startswith(_MARK)]
    marks = [(at, text) for at, text in marks if not text.startswith("clock ") and not _PATH.match(text)]
    init = next((at for at, text in log if _INIT.fullmatch(text)), None)
    if init is None:
        yield _Event(
            0, UNKNOWN, "kernel, start of stage-1"
        )  # the log is a ring, and its start was written over
    else:
        yield _Event(0, "kernel", "kernel")
        # There is no /dev/kmsg before this step has made it.
        yield _Event(init, "stage-1", "Creating base file systems")
    lane = "stage-1"
    for at, text in marks:
        if text in _STAGES:
            lane, name = _STAGES[text]
        elif lane == "runit 1":
            if not text.startswith("boot/"):
                continue  # what a fragment says
            name = text.removeprefix("boot/")
        else:
            name = text.removesuffix("...")
        yield _Event(at, lane, _PATH.sub("", name))


def _offset(lines: Sequence[tuple[float, str]], log: Sequence[tuple[float, str]]) -> float | None:
    """This host's clock where the kernel's was at zero; None if no line tells."""
    arrived = _once((at, re.sub(r"^\[ *\d+\.\d+\] ", "", text)) for at, text in lines)
    marked = _once((at, text.removeprefix(_MARK)) for at, text in log)
    return min((arrived[text] - marked[text] for text in arrived.keys() & marked.keys()), default=None)


def _once(lines: Iterator[tuple[float, str]]) -> Mapping[str, float]:
    """When each line came that came only once."""
    found = list(lines)
    counts = Counter(text for _, text in found)
    return {text: at for at, text in found if text and counts[text] == 1}


def _parsed(text: str) -> _Said:
    log: list[tuple[float, str]] = []
    clocks: dict[str, tuple[float, float]] = {}
    services: dict[str, tuple[float, float]] = {}
    for line in text.splitlines():
        if line.startswith("log ") and (match := _LINE.fullmatch(line.removeprefix("log "))):
            log.append((float(match[1]), match[2]))
        elif match := _CLOCK.fullmatch(line):
            clocks[match[2]] = float(match[1]), float(match[3])
        elif match := _SERVICE.fullmatch(line):
            seconds = int(match[2], 16) - _EPOCH + int(match[3], 16) / 1e9
            services[match[1]] = seconds, int(match[4]) * _TICK
    return _Said(log, clocks, services)


def _services(said: _Said) -> tuple[dict[str, float], list[str]]:
    """When each service began, by the clock of the kernel's log; and what there is to note."""
    marked = _once((at, text.removeprefix(_MARK)) for at, text in said.log)
    seen = [(*clocks, marked[name]) for name, clocks in said.clocks.items() if name in marked]
    if not seen:
        return {}, ["the machine does not tell its clocks, by which services would be placed"]
    wall = min(clock - at for clock, _, at in seen)
    since = statistics.median(uptime - at for _, uptime, at in seen)
    found, notes = {}, []
    for name, (clock, uptime) in said.services.items():
        found[name] = clock - wall
        # By the process' own start, which is coarse, where the clock was set after it: chrony does so.
        if abs(found[name] - (uptime - since)) > _APART:
            found[name] = uptime - since
            notes.append(f"the clock was set after {name} began, whose start is known to {_TICK} s")
    return found, notes
