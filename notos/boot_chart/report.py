"""Statistics of several boots of a machine: the median and spread of each step, as a table or JSON.

Within a boot the segments add up to its total (timeline.py). The medians of steps need not add up to the
median of the totals: the difference has its own row in the table.
"""

import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from notos import atomic
from notos.boot_chart.timeline import Boot, Segment
from notos.errors import MachineError

FORMAT = 1
MS = 1000


@dataclass(frozen=True)
class Step:
    """A segment in all boots; its length is 0 in boots without it."""

    lane: str
    name: str
    start: float  # if each step before it takes its median
    lengths: Sequence[float]

    @property
    def median(self) -> float:
        """The median length in seconds."""
        return statistics.median(self.lengths)

    @property
    def least(self) -> float:
        """The length in the fastest boot, in seconds."""
        return min(self.lengths)

    @property
    def most(self) -> float:
        """The length in the slowest boot, in seconds."""
        return max(self.lengths)

    @property
    def deviation(self) -> float:
        """The median absolute deviation, in seconds."""
        return statistics.median(abs(each - self.median) for each in self.lengths)


@dataclass(frozen=True)
class Report:
    """Boots of one machine on one host."""

    machine: str
    accelerator: str  # kvm or tcg
    processor: str
    boots: Sequence[Boot]

    @cached_property
    def total(self) -> Step:
        """The time to the ssh banner."""
        return Step("", "to the ssh banner", 0, [boot.total for boot in self.boots])

    @cached_property
    def path(self) -> Sequence[Step]:
        """The steps before the banner, in order."""
        start = 0.0
        placed = []
        for each in _steps([boot.path for boot in self.boots]):
            placed.append(replace(each, start=start))
            start += each.median
        return placed

    @property
    def end(self) -> float:
        """The sum of the steps' medians, in seconds."""
        return self.path[-1].start + self.path[-1].median

    @cached_property
    def beside(self) -> Sequence[Step]:
        """The services that started in parallel."""
        found = _steps([boot.beside for boot in self.boots])
        return [
            replace(each, start=self.end - each.median) for each in found
        ]  # they last until the boot ends

    @cached_property
    def lanes(self) -> Sequence[Step]:
        """The steps of each lane, merged into one step."""
        found = []
        for lane in dict.fromkeys(each.lane for each in self.path):
            lengths = [sum(each.length for each in boot.path if each.lane == lane) for boot in self.boots]
            start = min(each.start for each in self.path if each.lane == lane)
            found.append(Step(lane, lane, start, lengths))
        return found

    def notes(self) -> list[str]:
        """Return the notes of all boots without repeats."""
        return list(dict.fromkeys(note for boot in self.boots for note in boot.notes))


def dump(report: Report, path: Path) -> None:
    """Write the report as JSON. The medians are for other programs; load() reads only the boots."""
    data = {
        "format": FORMAT,
        "machine": report.machine,
        "accelerator": report.accelerator,
        "processor": report.processor,
        "total": _summary(report.total),
        "between_the_medians": report.total.median - report.end,
        "lanes": [_summary(each) for each in report.lanes],
        "path": [_summary(each) for each in report.path],
        "beside": [_summary(each) for each in report.beside],
        "boots": [asdict(boot) | {"total": boot.total} for boot in report.boots],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(path, json.dumps(data, indent=1) + "\n", mode=None)


def load(path: Path) -> Report:
    """Read the report of an earlier run. Raises MachineError."""
    try:
        data = json.loads(path.read_text())
        if data["format"] != FORMAT:
            raise ValueError(f"its format is {data['format']}, expected {FORMAT}")
        boots = [
            Boot(_segments(each["path"]), _segments(each["beside"]), list(each["notes"]))
            for each in data["boots"]
        ]
        if not boots or not all(boot.path for boot in boots):
            raise ValueError("it has no boots")
        return Report(str(data["machine"]), str(data["accelerator"]), str(data["processor"]), boots)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MachineError(
            f"{path} is not a boot report: {error}", hint="./doit boot-report --json FILE writes one"
        ) from None


def table(report: Report, before: Report | None = None) -> str:
    """Return a table of lanes and steps in milliseconds: median, share, spread and change from `before`."""
    rows = [("ms", "median", "share", "least … most", "deviation", "against" if before else "")]
    steps = _by_key(before, lambda each: [*each.path, *each.beside])
    lanes = _by_key(before, lambda each: each.lanes)
    for lane in report.lanes:
        inside = [each for each in report.path if each.lane == lane.lane]
        rows.append(_row(lane.lane, lane, report, lanes.pop((lane.lane, lane.name), None), before))
        for each in inside:
            old = steps.pop((each.lane, each.name), None)
            if len(inside) > 1 or each.name != each.lane:
                rows.append(_row(f"  {each.name}", each, report, old, before))
    rest = report.total.median - report.end
    rows.append(("between the medians", f"{MS * rest:.1f}", _share(rest, report), "", "", ""))
    rows.append(_row(report.total.name, report.total, report, before.total if before else None, before))
    for each in report.beside:
        old = steps.pop((each.lane, each.name), None)
        rows.append(_row(f"beside: {each.name}, to the banner", each, report, old, before))
    for each in steps.values():
        if each.median:
            rows.append((f"gone: {each.lane}, {each.name}", "", "", "", "", f"{-MS * each.median:+.0f}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    )


def heading(report: Report) -> str:
    """Return a line with the machine, the accelerator, the processor and the number of boots."""
    boots = f"{len(report.boots)} boot{'s' if len(report.boots) > 1 else ''}"
    return f"{report.machine} by {report.accelerator} on {report.processor}, {boots}"


def remarks(report: Report, before: Report | None = None) -> Iterator[str]:
    """Yield remarks on the report and on the comparison with `before`."""
    yield from report.notes()
    if before is None:
        return
    yield f"against: {heading(before)}; ≠ marks steps whose ranges do not overlap"
    if (before.accelerator, before.processor) != (report.accelerator, report.processor):
        yield "the two reports are from different processors: their times are hardly comparable"


def _row(
    name: str, step: Step, report: Report, old: Step | None, before: Report | None
) -> tuple[str, str, str, str, str, str]:
    change = ""
    if before is not None and old is None:
        change = "new  "
    elif old is not None:
        apart = step.least > old.most or step.most < old.least
        change = f"{MS * (step.median - old.median):+.0f} {'≠' if apart else ' '}"
    return (
        name,
        f"{MS * step.median:.1f}",
        _share(step.median, report),
        f"{MS * step.least:.1f} … {MS * step.most:.1f}" if len(step.lengths) > 1 else "",
        f"{MS * step.deviation:.1f}",
        change,
    )


def _share(seconds: float, report: Report) -> str:
    return f"{100 * seconds / report.total.median:.1f} %"


def _by_key(report: Report | None, steps: Callable[[Report], Sequence[Step]]) -> dict[tuple[str, str], Step]:
    return {} if report is None else {(each.lane, each.name): each for each in steps(report)}


def _steps(boots: Sequence[Sequence[Segment]]) -> list[Step]:
    """Return the segments of all boots by lane and name, ordered by their median start."""
    found: dict[tuple[str, str], dict[int, Segment]] = {}
    for number, segments in enumerate(boots):
        for each in segments:
            found.setdefault((each.lane, each.name), {})[number] = each
    steps = [
        Step(
            lane,
            name,
            statistics.median(each.start for each in of.values()),
            [of[number].length if number in of else 0.0 for number in range(len(boots))],
        )
        for (lane, name), of in found.items()
    ]
    return sorted(steps, key=lambda each: each.start)


def _summary(step: Step) -> dict[str, Any]:
    return {
        "lane": step.lane,
        "name": step.name,
        "start": step.start,
        "median": step.median,
        "least": step.least,
        "most": step.most,
        "deviation": step.deviation,
    }


def _segments(rows: Sequence[dict[str, Any]]) -> list[Segment]:
    return [
        Segment(str(row["lane"]), str(row["name"]), float(row["start"]), float(row["length"])) for row in rows
    ]
