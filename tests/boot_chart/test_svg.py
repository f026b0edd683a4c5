"""The chart: well-formed for any machine output, with every step in its place."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notos.boot_chart import svg as waterfall
from notos.boot_chart.report import Report
from notos.boot_chart.timeline import BESIDE, Boot, Segment
from tests.conftest import ROOT

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*boots: Boot, machine: str = "notos") -> ElementTree.Element:
    return ElementTree.fromstring(waterfall.render(Report(machine, "tcg", "a processor", boots)))


def texts(svg: ElementTree.Element) -> list[str]:
    return [each.text or "" for each in svg.iter(f"{SVG}text")]


def boot(*steps: tuple[str, str, float]) -> Boot:
    path, start = [], 0.0
    for lane, name, length in steps:
        path.append(Segment(lane, name, start, length))
        start += length
    return Boot(path, [Segment(BESIDE, "nix-daemon", 0, start)])


STEPS = (
    *(("QEMU", "QEMU", 0.5), ("stage-1", "mount", 1.0), ("stage-1", "a", 0.001), ("stage-1", "b", 0.001)),
    *(("stage-1", "switch", 1.0), ("sshd", "to the ssh banner", 2.0)),
)


def test_labels() -> None:
    svg = drawn(boot(*STEPS), boot(*STEPS))
    labels = texts(svg)
    assert "notos: 4.50 s from QEMU's start to the ssh banner" in labels
    assert any("emulation (TCG) on a processor" in each and "2 boots" in each for each in labels)
    assert {"QEMU", "stage-1", "mount", "switch", "sshd", "nix-daemon, beside", "500 ms", "2002 ms"} <= {
        *labels
    }
    assert "2 short ones, from a" in labels


def test_bars_are_as_long_as_their_time_and_inside() -> None:
    svg = drawn(boot(*STEPS))
    bars = {
        (each.findtext(f"{SVG}title") or "").partition(":")[0]: (
            float(each.get("x", 0)),
            float(each.get("width", 0)),
        )
        for each in svg.iter(f"{SVG}rect")
    }
    assert abs(bars["mount"][1] / bars["switch"][1] - 1) < 0.01
    assert abs(bars["switch"][1] * 2 / bars["sshd"][1] - 1) < 0.01
    assert all(x >= 0 and x + width <= waterfall.WIDTH for x, width in bars.values())


def test_texts_are_escaped() -> None:
    svg = drawn(boot(("QEMU", "<b>&\"'\x1b\x00", 1.0), ("QEMU", "other", 1.0)), machine="a<b>&c")
    assert "a<b>&c: 2.00 s from QEMU's start to the ssh banner" in texts(svg)
    assert "<b>&\"'\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}" in texts(svg)


@given(
    st.lists(
        st.lists(
            st.tuples(st.text(max_size=60), st.text(max_size=60), st.floats(0, 1e4)), min_size=1, max_size=6
        ),
        min_size=1,
        max_size=3,
    ),
    st.floats(0.1, 100),
)
def test_it_is_always_well_formed(boots: list[list[tuple[str, str, float]]], last: float) -> None:
    drawn(*(boot(*steps, ("sshd", "to the ssh banner", last)) for steps in boots))


COLOUR = re.compile(r"#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})")


def luminance(colour: str) -> float:
    """Return the relative luminance (WCAG 2.2)."""
    found = COLOUR.fullmatch(colour)
    assert found, colour
    parts = [int(each, 16) / 255 for each in found.groups()]
    red, green, blue = (
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio (WCAG 2.2), 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def painted(svg: ElementTree.Element, name: str, *, dark: bool) -> dict[str, str]:
    """Return the colours of the class `name`: from the attributes, or from the style sheet if `dark`."""
    if dark:
        sheet = svg.findtext(f"{SVG}style") or ""
        assert sheet.startswith("@media (prefers-color-scheme: dark) {")
        rule = re.search(rf"\.{name} {{ (.*?) }}", sheet)
        assert rule
        return dict(each.split(": ") for each in rule[1].split("; "))
    element = next(each for each in svg.iter() if each.get("class") == name)
    return {what: value for what in ("fill", "stroke") if COLOUR.fullmatch(value := element.get(what, ""))}


PICTURES = {
    "drawn": lambda: drawn(boot(*STEPS), boot(*STEPS)),
    "docs": lambda: ElementTree.parse(ROOT / "docs/boot.svg").getroot(),
}


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("dark", [False, True])
def test_contrast_on_light_and_dark_pages(picture: str, dark: bool) -> None:
    svg = PICTURES[picture]()
    paper = painted(svg, "paper", dark=dark)["fill"]
    assert luminance(paper) < 0.1 if dark else luminance(paper) > 0.9
    assert contrast(painted(svg, "ink", dark=dark)["fill"], paper) > 12
    assert contrast(painted(svg, "muted", dark=dark)["fill"], paper) > 4.5
    assert contrast(painted(svg, "mark", dark=dark)["stroke"], paper) > 12
    for each in svg.iter(f"{SVG}rect"):
        if each.get("class") is None:
            assert contrast(each.get("fill", ""), paper) > (3 if dark else 1.9)


@pytest.mark.parametrize("picture", PICTURES)
def test_only_bars_and_their_letters_have_fixed_colours(picture: str) -> None:
    svg = PICTURES[picture]()
    for each in svg.iter():
        if each.get("class") is None and (each.get("fill") or each.get("stroke")):
            assert each.tag == f"{SVG}rect" or (each.tag == f"{SVG}text" and each.get("fill") == "#ffffff")


def test_the_docs_have_the_current_style_sheet() -> None:
    assert PICTURES["docs"]().findtext(f"{SVG}style") == waterfall.style()
