"""The chart of a boot report: an SVG with a bar for each step, with its start, length and spread.

Colours follow the page: the attributes have those for a light page, the style sheet those for a dark one
(prefers-color-scheme, Media Queries Level 5). A viewer without style sheets shows the light ones.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from notos.boot_chart.report import MS, Report, Step
from notos.boot_chart.timeline import BESIDE, UNKNOWN

WIDTH = 1000
_LEFT, _RIGHT = 268, 912  # of the time axis
_TOP = 92  # of the axis, below the titles
_ROW = 19
_GAP = 9  # between lanes
_SMALL = 1 / 400  # of the total: consecutive shorter steps share a row
_LONGEST = 42  # letters of a label
_ON_BARS = "#ffffff"  # letters on the bars, whose colours are the same on both pages
# The attributes of each class, with their colours on a light and on a dark page.
_TONES = {
    "ink": {"fill": ("#1f2328", "#e6edf3")},
    "muted": {"fill": ("#59636e", "#9198a1")},
    "paper": {"fill": ("#ffffff", "#0d1117"), "stroke": ("#d1d9e0", "#3d444d")},
    "grid": {"stroke": ("#e7eaee", "#262c36")},
    "mark": {"stroke": ("#1f2328", "#e6edf3")},
}
_COLOURS = {
    "QEMU": "#7d8590",
    "firmware": "#bf8700",
    "kernel": "#cf4a3e",
    "stage-1": "#2f72bd",
    "stage-2": "#12888f",
    "runit 1": "#3f8f46",
    "runit 2": "#7f9a1e",
    "sshd": "#8250c4",
    BESIDE: "#b39ad9",
    UNKNOWN: "#b4bac2",
}
_ACCELERATORS = {"kvm": "KVM", "tcg": "emulation (TCG)"}


@dataclass(frozen=True)
class _Row:
    """A row of the chart: one step, or several consecutive short ones."""

    name: str
    lane: str
    start: float
    length: float
    least: float
    most: float
    head: bool = False  # True for a whole lane, whose steps follow below


def render(report: Report) -> str:
    """Return the text of the SVG."""
    rows = list(_rows(report))
    height = _TOP + 42 + sum(_ROW + (_GAP if each.head else 0) for each in rows) + 22
    end = max(each.start + each.most for each in rows)
    scale = (_RIGHT - _LEFT) / end
    svg = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {WIDTH} {height}",
            "width": str(WIDTH),
            "height": str(height),
            "role": "img",
            "font-family": "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif",
            "font-size": "12",
            **_tone("ink"),
        },
    )
    title = f"{report.machine}: {report.total.median:.2f} s from QEMU's start to the ssh banner"
    SubElement(svg, "title").text = _clean(title)
    SubElement(svg, "style").text = style()
    _rect(svg, 0.5, 0.5, WIDTH - 1, height - 1, rx="10", **_tone("paper"))
    _text(svg, 24, 34, title, **{"font-size": "18", "font-weight": "600"})
    count = len(report.boots)
    spread = ", one boot"
    if count > 1:
        spread = (
            f"; bars are medians of {count} boots and add up to {report.end:.2f} s, whiskers least to most"
        )
    how = _ACCELERATORS.get(report.accelerator, report.accelerator)
    _text(svg, 24, 55, f"by {how} on {report.processor}{spread}", **_tone("muted"))
    _axis(svg, end, scale, height)
    y = _TOP + 14
    _overview(svg, report, scale, y)
    y += 42 - 14
    for row in rows:
        y += _GAP if row.head else 0
        _bar(svg, row, scale, y, whiskers=count > 1)
        y += _ROW
    x = _LEFT + report.end * scale
    _line(svg, x, _TOP, x, height - 22, **_tone("mark"), **{"stroke-dasharray": "3 3"})
    _text(
        svg, x, _TOP - 8, "ssh banner", **{"text-anchor": "middle", "font-weight": "600", "font-size": "11"}
    )
    ElementTree.indent(svg, " ")
    return ElementTree.tostring(svg, encoding="unicode") + "\n"


def style() -> str:
    """Return the style sheet with the colours of a dark page, which override attributes (SVG 2, 6.6)."""
    rules = " ".join(
        f".{name} {{ {'; '.join(f'{what}: {dark}' for what, (_, dark) in painted.items())} }}"
        for name, painted in _TONES.items()
    )
    return f"@media (prefers-color-scheme: dark) {{ {rules} }}"


def _tone(name: str) -> dict[str, str]:
    """Return the attributes of an element of the class `name`."""
    return {"class": name, **{what: light for what, (light, _) in _TONES[name].items()}}


def _rows(report: Report) -> Iterator[_Row]:
    small = report.total.median * _SMALL
    for lane in report.lanes:
        steps = [each for each in report.path if each.lane == lane.lane]
        yield _row(lane, lane.name, head=True)
        if len(steps) > 1:
            yield from _joined(steps, small)
    if report.beside:
        for number, each in enumerate(report.beside):
            yield _row(each, f"{each.name}, beside", head=number == 0)


def _joined(steps: Sequence[Step], small: float) -> Iterator[_Row]:
    """Yield a row for each step; consecutive steps too short to be seen share one."""
    waiting: list[Step] = []
    for each in steps:
        if each.median < small:
            waiting.append(each)
            continue
        yield from _together(waiting)
        waiting = []
        yield _row(each, each.name)
    yield from _together(waiting)


def _together(steps: Sequence[Step]) -> Iterator[_Row]:
    if len(steps) == 1:
        yield _row(steps[0], steps[0].name)
    elif steps:
        name = f"{len(steps)} short ones, from {steps[0].name}"
        median, least, most = (
            sum(values)
            for values in zip(*((each.median, each.least, each.most) for each in steps), strict=True)
        )
        yield _Row(name, steps[0].lane, steps[0].start, median, least, most)


def _row(step: Step, name: str, *, head: bool = False) -> _Row:
    return _Row(name, step.lane, step.start, step.median, step.least, step.most, head)


def _axis(svg: Element, end: float, scale: float, height: int) -> None:
    unit = next((each for each in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if end / each <= 10), 100)
    for number in range(int(end / unit) + 1):
        x = _LEFT + number * unit * scale
        _line(svg, x, _TOP, x, height - 22, **_tone("grid"))
        _text(
            svg,
            x,
            height - 9,
            f"{number * unit:g} s",
            **_tone("muted"),
            **{"text-anchor": "middle", "font-size": "11"},
        )


def _overview(svg: Element, report: Report, scale: float, y: float) -> None:
    """Draw all lanes in one row, as an overview."""
    starts = [lane.start for lane in report.lanes]
    for lane, end in zip(report.lanes, [*starts[1:], report.end], strict=True):
        width = (end - lane.start) * scale
        x = _LEFT + lane.start * scale
        bar = _rect(svg, x, y - 9, max(width - 1, 0.8), 20, fill=_colour(lane.lane), rx="2")
        SubElement(bar, "title").text = _clean(f"{lane.name}: {_ms(lane.median)}")
        if width > 8 * len(lane.name) + 6:
            _text(
                svg,
                x + width / 2,
                y + 5,
                lane.name,
                fill=_ON_BARS,
                **{"text-anchor": "middle", "font-size": "11"},
            )


def _bar(svg: Element, row: _Row, scale: float, y: float, *, whiskers: bool) -> None:
    colour = _colour(row.lane)
    x, width = _LEFT + row.start * scale, max(row.length * scale, 1.2)
    thick = 12 if row.head else 9
    middle = y + _ROW / 2
    name = row.name if len(row.name) <= _LONGEST else row.name[: _LONGEST - 1] + "…"
    if row.head:
        _text(svg, 24, middle + 4, name, **{"font-weight": "600"})
    else:
        _text(svg, 36, middle + 4, name, **_tone("muted"), **{"font-size": "11"})
    bar = _rect(svg, x, middle - thick / 2, width, thick, fill=colour, rx="2")
    if not row.head:
        bar.set("fill-opacity", "0.75")
    SubElement(bar, "title").text = _clean(
        f"{row.name}: {_ms(row.length)}, {_ms(row.least)} to {_ms(row.most)}"
    )
    right = x + width
    if whiskers and (row.most - row.least) * scale > 2:
        first, last = x + row.least * scale, x + row.most * scale
        path = f"M{first:.1f} {middle - 3:.1f}v6m0-3H{last:.1f}m0-3v6"
        SubElement(svg, "path", {"d": path, **_tone("mark"), "stroke-opacity": "0.6", "fill": "none"})
        right = max(right, last)
    weight = {"font-weight": "600"} if row.head else {"font-size": "11", **_tone("muted")}
    _text(svg, right + 6, middle + 4, _ms(row.length), **weight)


def _colour(lane: str) -> str:
    return _COLOURS.get(lane, _COLOURS[UNKNOWN])


def _ms(seconds: float) -> str:
    return f"{MS * seconds:.0f} ms" if seconds >= 0.01 else f"{MS * seconds:.1f} ms"


def _rect(svg: Element, x: float, y: float, width: float, height: float, **attributes: str) -> Element:
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{width:.1f}", "height": f"{height:.1f}"}
    return SubElement(svg, "rect", {**place, **attributes})


def _line(svg: Element, x1: float, y1: float, x2: float, y2: float, **attributes: str) -> None:
    ends = {"x1": f"{x1:.1f}", "y1": f"{y1:.1f}", "x2": f"{x2:.1f}", "y2": f"{y2:.1f}"}
    SubElement(svg, "line", {**ends, **attributes})


def _text(svg: Element, x: float, y: float, text: str, **attributes: str) -> None:
    SubElement(svg, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", **attributes}).text = _clean(text)


def _clean(text: str) -> str:
    """Replace characters that XML forbids (XML 1.0, 2.2): a machine may print anything."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\N{REPLACEMENT CHARACTER}", text)
