"""Figures: measurements of Notos and of reference programs, as JSON and as a table."""

import json
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from notos.host import processor


@dataclass(frozen=True)
class Figure:
    """One figure: the value of each run, its target, and the values of reference programs in the same runs.

    `unit` is s, MB (10^6 bytes) or x (a ratio). Lower is better for all of them. `reach` is the target.
    """

    name: str
    unit: str
    values: Sequence[float]
    reach: float | None = None
    peers: Mapping[str, Sequence[float]] = field(default_factory=dict)
    note: str = ""

    @property
    def median(self) -> float:
        """Return the median of the values."""
        return statistics.median(self.values)

    def ratio(self, peer: str) -> float:
        """Return the median ratio to a peer, run by run, so that a slow phase of the host affects both."""
        return statistics.median(a / b for a, b in zip(self.values, self.peers[peer], strict=False))


def dump(figures: Iterable[Figure], path: Path) -> None:
    """Write figures as JSON, with a description of this host."""
    data = {
        "host": host(),
        "figures": {each.name: asdict(each) | {"median": each.median} for each in figures},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1) + "\n")


def load(path: Path) -> dict[str, Figure]:
    """Read the figures of an earlier run. Raises OSError, ValueError."""
    data = json.loads(path.read_text())
    known = Figure.__dataclass_fields__
    try:
        return {
            name: Figure(**{key: value for key, value in each.items() if key in known})
            for name, each in data["figures"].items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no figures in {path}: {error}") from None


def host() -> dict[str, Any]:
    """Return the properties of this host that affect the figures."""
    return {
        "processor": processor.name(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }


def table(figures: Iterable[Figure], before: Mapping[str, Figure]) -> str:
    """Return a table with a line per figure: median, range, target, change since `before`, peers."""
    rows = [("", "median", "min … max", "target", "change", "peers, and the ratio to them")]
    for each in figures:
        old = before.get(each.name)
        rows.append(
            (
                each.name,
                _text(each.median, each.unit),
                f"{min(each.values):.3g} … {max(each.values):.3g}" if len(each.values) > 1 else "",
                "" if each.reach is None else f"{'✓' if each.median <= each.reach else '✗'} {each.reach:g}",
                "" if old is None or not old.median else f"{100 * (each.median / old.median - 1):+.0f} %",
                "; ".join([*(_peer(each, name) for name in each.peers), *([each.note] if each.note else [])]),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _peer(figure: Figure, name: str) -> str:
    median = statistics.median(figure.peers[name])
    return f"{name} {_text(median, figure.unit)} ({figure.ratio(name):.2f})"


def _text(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"
