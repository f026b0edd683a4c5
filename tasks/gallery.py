"""The page docs/gallery.md: the machines in examples/machines with the figures of a whole run of their tests.

tests/gallery/machines.py describes the figures. A machine's folder has config.yaml, README.md, whose first
line is the title and whose next paragraph is the description, and the machine's other files.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from notos import atomic
from notos.errors import ToolError

FIGURES = Path("build/gallery")
MACHINES = Path("examples/machines")
PAGE = Path("docs/gallery.md")
_BIG = 100.0  # MB; the median of the build times leaves larger images out
_HEAD = """\
# Gallery

Each machine is a folder with a config of at most 15 lines, a README, and a test in tests/gallery that uses it
from outside. `./doit test-gallery` builds and boots all of them, and then writes this page.

| machine | lines | image | build | boot | services' memory |
|---|---|---|---|---|---|
"""
_FOOT = """
- lines: those of config.yaml, without comments.
- image: root.squashfs, in MB.
- build: seconds with all packages in the cache and an empty build folder, beside the test of another machine.
- boot: seconds from the start of QEMU, without KVM, until the machine does its job.
- services' memory: the proportional set size (PSS) of each service of the config, in MB.
"""
_ROW = re.compile(
    r"^\| \[([\w-]+)\]\(.*\| (\d+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| (.*) \|$", re.MULTILINE
)

Figures = Mapping[str, Any]


def machines(root: Path = Path()) -> list[Path]:
    """Return the folders of the machines, below the project's folder `root`."""
    return sorted(each.parent for each in (root / MACHINES).glob("*/config.yaml"))


def lines(config: Path) -> int:
    """Return the number of lines of a config without comments and blank lines."""
    return sum(1 for line in config.read_text().splitlines() if line.strip() and line.strip()[0] != "#")


def description(folder: Path) -> str:
    """Return the description in the README of a machine, in one line."""
    return " ".join((folder / "README.md").read_text().split("\n\n")[1].split())


def write(folder: Path = FIGURES) -> None:
    """Write the page with the figures in `folder`. Raises ToolError if a machine has none."""
    found = measured(folder)
    if lacking := [each.name for each in machines() if each.name not in found]:
        raise ToolError(
            f"no figures of {', '.join(lacking)}",
            hint="each test in tests/gallery calls gallery.works(machine)",
        )
    atomic.write_if_changed(PAGE, page(found))
    print(f"wrote {PAGE}")


def measured(folder: Path) -> dict[str, Figures]:
    """Return the figures in `folder` by machine, in the units of the page."""
    found = {path.stem: json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))}
    return {
        name: {
            "image": round(each["image"] / 1e6, 1),
            "build": each["build"],
            "boot": each["boot"],
            "services": {service: round(kb / 1e3, 1) for service, kb in each["services"].items()},
        }
        for name, each in found.items()
    }


def page(figures: Mapping[str, Figures], root: Path = Path()) -> str:
    """Return the page; figures by machine: image (MB), build (s), boot (s), services (MB by name).

    A new machine, which no whole run has measured yet, has none.
    """
    import statistics

    rows, counts = [], []
    for folder in machines(root):
        counts.append(lines(folder / "config.yaml"))
        cells = (
            f"[{folder.name}](../{MACHINES}/{folder.name}): {description(folder)}",
            str(counts[-1]),
            *_cells(figures.get(folder.name)),
        )
        rows.append(f"| {' | '.join(cells)} |\n")
    medians = f"\nMedian of the {len(rows)} machines: {statistics.median(counts):g} lines.\n"
    if figures:
        small = [each["build"] for each in figures.values() if each["image"] <= _BIG]
        medians += (
            f"Medians of the {len(figures)} that were measured: "
            f"{_median(each['build'] for each in figures.values())} s to build "
            f"({_median(small)} s for images up to {_BIG:g} MB), "
            f"{_median(each['boot'] for each in figures.values())} s to boot.\n"
        )
    if len(figures) < len(rows):
        medians += "A dash: no whole run has measured this machine yet.\n"
    return _HEAD + "".join(rows) + medians + _FOOT


def _cells(known: Figures | None) -> list[str]:
    """Return the cells of a machine's figures."""
    if known is None:
        return ["–"] * 4
    memory = ", ".join(f"{name} {size}" for name, size in known["services"].items()) or "none"
    return [*(str(known[each]) for each in ("image", "build", "boot")), memory]


def read(text: str) -> dict[str, Figures]:
    """Return the figures by machine that a page shows, as page() takes them."""
    return {
        name: {
            "image": float(image),
            "build": float(build),
            "boot": float(boot),
            "services": {service: float(size) for service, size in re.findall(r"([\w-]+) ([\d.]+)", memory)},
        }
        for name, _, image, build, boot, memory in _ROW.findall(text)
    }


def _median(values: Any) -> str:
    import statistics

    found = list(values)
    return f"{statistics.median(found):.1f}" if found else "–"
