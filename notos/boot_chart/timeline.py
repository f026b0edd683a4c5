"""A boot on one time axis: recorded times as segments, which add up to the time until the ssh banner.

    QEMU       from the start of its process to that of its processors (0 is the former, by this host's clock)
    firmware   to the zero of the kernel's clock, loading the kernel included
    kernel     to /init
    stage-1 …  steps, from each mark in the kernel's log to the next
    sshd       from its start, which runsv records, to the banner

Lines that are both in the kernel's log and on the console map the kernel's clock to the axis: a line arrives
after it was logged, so the smallest delay is the best estimate. Time without a known cause is in segments
called UNKNOWN. report.py computes statistics of several boots.
"""

import re
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

UNKNOWN = "not attributed"
BESIDE = "services"
SERVER = "sshd"  # its banner ends the boot
_MARK = "notos: "
_LINE = re.compile(r"\[ *(\d+\.\d+)\] (.*)")
_CLOCK = re.compile(r"(\d+\.\d+) (clock \d+) (\d+\.\d+)")
_SERVICE = re.compile(r"service (\S+) ([0-9a-f]{16})([0-9a-f]{8}) (\d+)")
_INIT = re.compile(r"Run \S+ as init process")
_PATH = re.compile(r"/nix/store/[0-9a-z]{32}-")
# TAI64 of 1970 as runit computes it (its tai_unix.c): without leap seconds, like the kernel.
_EPOCH = (1 << 62) + 10
_TICK = 0.01  # resolution of a process' start time (proc_pid_stat(5), sysconf(_SC_CLK_TCK))
_APART = 0.05  # largest difference of two clocks unless one of them was set
_LAST = "Running runsvdir"
# Marks that begin a stage: its lane, and the name of its first step.
_STAGES = {
    "Entering stage-2...": ("stage-2", "Entering stage-2"),
    "runit": ("runit 1", "starting runit"),
    "runit/1": ("runit 1", "making folders"),
    "runit/2": ("runit 2", "linking services"),
}


@dataclass(frozen=True)
class Recording:
    """The record of a boot: times of this host's clock, the console's lines, and the output of look."""

    started: float
    resumed: float
    banner: float
    lines: Sequence[tuple[float, str]]
    output: str  # of scripts/timeline/look


@dataclass(frozen=True)
class Segment:
    """A step of a boot, in seconds since QEMU's start."""

    lane: str
    name: str
    start: float
    length: float

    @property
    def end(self) -> float:
        """The end of the step."""
        return self.start + self.length


@dataclass(frozen=True)
class Boot:
    """One boot: the consecutive steps to the banner, and the services that started in parallel."""

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
class _Look:
    """The parsed output of look: the log, two clocks at times marked in it, and services' starts by both."""

    log: Sequence[tuple[float, str]]
    clocks: Mapping[str, tuple[float, float]]
    services: Mapping[str, tuple[float, float]]


def read(recording: Recording) -> Boot:
    """Return the boot's segments."""
    total = recording.banner - recording.started
    look = _parsed(recording.output)
    events = [_Event(0, "QEMU", "QEMU")]
    resumed = recording.resumed - recording.started
    offset = _offset(recording.lines, look.log)
    if offset is None:
        note = "the kernel's log and the console have no line in common: the kernel's start is unknown"
        return Boot(_path([*events, _Event(resumed, UNKNOWN, UNKNOWN)], total), notes=[note])
    zero = offset - recording.started
    events.append(_Event(resumed, "firmware", "firmware"))
    events += (_Event(zero + each.at, each.lane, each.name) for each in _steps(look.log))
    found, notes = _services(look)
    starts = {name: zero + at for name, at in found.items()}
    server = starts.pop(SERVER, None)
    last = events[-1]
    # _path clamps small differences of clocks; a start further off is not from this boot.
    known = server is not None and last.at - _APART < server < total
    if last.name != _LAST or not known:
        events[-1] = _Event(last.at, UNKNOWN, f"after {last.name}")  # the end of the last step is unknown
        notes.append(f"the steps after {last.name} are unknown")
    if known and server is not None:
        events.append(_Event(server, SERVER, "to the ssh banner"))
    beside = [
        Segment(BESIDE, name, max(at, 0.0), total - max(at, 0.0))
        for name, at in sorted(starts.items(), key=lambda item: item[1])
        if at < total
    ]
    return Boot(_path(events, total), beside, notes)


def _path(events: Sequence[_Event], total: float) -> list[Segment]:
    """Return segments, each from its event to the next one and the last to `total`; starts never decrease."""
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
    """Yield the events in the kernel's log, by the kernel's clock."""
    marks = [(at, text.removeprefix(_MARK)) for at, text in log if text.startswith(_MARK)]
    marks = [(at, text) for at, text in marks if not text.startswith("clock ") and not _PATH.match(text)]
    init = next((at for at, text in log if _INIT.fullmatch(text)), None)
    if init is None:
        yield _Event(
            0, UNKNOWN, "kernel, start of stage-1"
        )  # the log is a ring buffer, and its start was overwritten
    else:
        yield _Event(0, "kernel", "kernel")
        # This step makes /dev/kmsg, so it cannot log its own mark.
        yield _Event(init, "stage-1", "Creating base file systems")
    lane = "stage-1"
    for at, text in marks:
        if text in _STAGES:
            lane, name = _STAGES[text]
        elif lane == "runit 1":
            if not text.startswith("boot/"):
                continue  # a message of a fragment
            name = text.removeprefix("boot/")
        else:
            name = text.removesuffix("...")
        yield _Event(at, lane, _PATH.sub("", name))


def _offset(lines: Sequence[tuple[float, str]], log: Sequence[tuple[float, str]]) -> float | None:
    """Return this host's clock at the kernel's zero; None without a line in both `lines` and `log`."""
    arrived = _once((at, re.sub(r"^\[ *\d+\.\d+\] ", "", text)) for at, text in lines)
    marked = _once((at, text.removeprefix(_MARK)) for at, text in log)
    return min((arrived[text] - marked[text] for text in arrived.keys() & marked.keys()), default=None)


def _once(lines: Iterator[tuple[float, str]]) -> Mapping[str, float]:
    """Return the times of the lines that occur exactly once."""
    found = list(lines)
    counts = Counter(text for _, text in found)
    return {text: at for at, text in found if text and counts[text] == 1}


def _parsed(text: str) -> _Look:
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
    return _Look(log, clocks, services)


def _services(look: _Look) -> tuple[dict[str, float], list[str]]:
    """Return the start of each service by the kernel's clock, and notes."""
    marked = _once((at, text.removeprefix(_MARK)) for at, text in look.log)
    seen = [(*clocks, marked[name]) for name, clocks in look.clocks.items() if name in marked]
    if not seen:
        return {}, ["the machine did not report its clocks: the starts of services are unknown"]
    wall = min(clock - at for clock, _, at in seen)
    since = statistics.median(uptime - at for _, uptime, at in seen)
    found, notes = {}, []
    for name, (clock, uptime) in look.services.items():
        found[name] = clock - wall
        # If the clock was set later (by chrony), use the process' own start time, which is coarser.
        if abs(found[name] - (uptime - since)) > _APART:
            found[name] = uptime - since
            notes.append(f"the clock was set after {name} started: its start is accurate to {_TICK} s")
    return found, notes
