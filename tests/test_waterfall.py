"""The picture: well-formed whatever the machine says, with every step in its place."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from notos import waterfall
from notos.boot_report import Report
from notos.timeline import BESIDE, Boot, Segment

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


def test_what_it_names() -> None:
    svg = drawn(boot(*STEPS), boot(*STEPS))
    said = texts(svg)
    assert "notos: 4.50 s from QEMU's start to the ssh banner" in said
    assert any("emulation (TCG) on a processor" in each and "2 boots" in each for each in said)
    assert {"QEMU", "stage-1", "mount", "switch", "sshd", "nix-daemon, beside", "500 ms", "2002 ms"} <= {
        *said
    }
    assert "2 short ones, from a" in said


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
