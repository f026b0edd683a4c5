"""A boot's segments, which add up to its total."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notos.boot_chart import timeline
from notos.boot_chart.timeline import BESIDE, UNKNOWN, Boot, Recording

WALL = 1_800_000_000.25  # wall clock at the zero of the kernel's clock
ZERO = 0.5  # the same on the boot's axis
STARTED = 1000.0
TAI = (1 << 62) + 10
STORE = "/nix/store/" + "0" * 32
MARKS = [
    (1.0, "Run /init as init process"),
    (1.1, f"notos: Using {STORE}-extra-utils..."),
    (1.2, "virtio_blk virtio2: [vda] 42344 512-byte logical blocks"),
    (1.3, "notos: Switching root filesystem..."),
    (1.5, "notos: Entering stage-2..."),
    (1.5, f"notos: {STORE}-stage-2"),
    (1.6, "notos: setting up /etc..."),
    (1.7, "notos: runit"),
    (1.8, "notos: runit/1"),
    (1.9, "notos: boot/20-network-static"),
    (1.9, "notos: Setting static IP address..."),
    (2.0, "notos: runit/2"),
    (2.1, "notos: Running runsvdir..."),
]
CLOCKS = [(5.0, "notos: clock 1"), (5.1, "notos: clock 2")]
SERVICES = {"nix-daemon": 2.21, "sshd": 2.25}


def service(name: str, at: float, *, clock: float | None = None) -> str:
    """Return the line of a service that started at `at` (kernel clock) and `clock` (wall clock)."""
    nanoseconds = round((WALL + (at if clock is None else clock)) * 1e9)
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"service {name} {seconds + TAI:016x}{rest:08x} {int(at * 100)}"


def output(
    log: list[tuple[float, str]] = MARKS, services: list[str] | None = None, *, clocks: bool = True
) -> str:
    """Return the output of look."""
    if services is None:
        services = [service(name, at) for name, at in SERVICES.items()]
    clock_lines = [f"{WALL + at + 0.0001:.6f} {text.removeprefix('notos: ')} {at:.2f}" for at, text in CLOCKS]
    lines = [f"log [{at:12.6f}] {text}" for at, text in [*log, *CLOCKS]]
    return "\n".join([*(clock_lines if clocks else []), *lines, *services])


def console(log: list[tuple[float, str]] = MARKS, late: float = 0.02) -> list[tuple[float, str]]:
    """Return the console's lines as they arrive: `late` seconds after the log, stage-2's without delay."""
    return [
        (STARTED + ZERO + at + (0 if "stage-2..." in text else late), text.removeprefix("notos: "))
        for at, text in log
        if text.startswith("notos: ")
    ]


def read(text: str, lines: list[tuple[float, str]] | None = None, banner: float = 3.0) -> Boot:
    boot = timeline.read(
        Recording(STARTED, STARTED + 0.1, STARTED + banner, console() if lines is None else lines, text)
    )
    adds_up(boot, banner)
    return boot


def adds_up(boot: Boot, total: float) -> None:
    """Check that the path covers 0 to `total` without gaps, overlaps and repeated names."""
    assert boot.path[0].start == 0
    assert boot.total == pytest.approx(total)
    assert sum(each.length for each in boot.path) == pytest.approx(total)
    assert all(each.length >= 0 for each in boot.path)
    for each, following in itertools.pairwise(boot.path):
        assert each.end == pytest.approx(following.start)
    assert len({(each.lane, each.name) for each in boot.path}) == len(boot.path)
    assert all(0 <= each.start <= each.end <= total + 1e-9 for each in boot.beside)


def shown(boot: Boot) -> list[tuple[str, str, float]]:
    return [(each.lane, each.name, round(each.start, 3)) for each in boot.path]


def test_a_boot() -> None:
    boot = read(output())
    assert shown(boot) == [
        ("QEMU", "QEMU", 0),
        ("firmware", "firmware", 0.1),
        ("kernel", "kernel", 0.5),
        ("stage-1", "Creating base file systems", 1.5),
        ("stage-1", "Using extra-utils", 1.6),
        ("stage-1", "Switching root filesystem", 1.8),
        ("stage-2", "Entering stage-2", 2.0),
        ("stage-2", "setting up /etc", 2.1),
        ("runit 1", "starting runit", 2.2),
        ("runit 1", "making folders", 2.3),
        ("runit 1", "20-network-static", 2.4),
        ("runit 2", "linking services", 2.5),
        ("runit 2", "Running runsvdir", 2.6),
        ("sshd", "to the ssh banner", 2.75),
    ]
    (daemon,) = boot.beside
    assert (daemon.lane, daemon.name, round(daemon.start, 3), daemon.end) == (BESIDE, "nix-daemon", 2.71, 3.0)
    assert not boot.notes


def test_the_console_of_a_kernel_that_is_not_quiet() -> None:
    """Kernel lines on the console, with their times, are as useful as those of the stages."""
    lines = [(STARTED + ZERO + 1.0, "[    1.000000] Run /init as init process")]
    assert shown(read(output(), lines)) == shown(read(output()))


def test_a_clock_that_was_set_later() -> None:
    """If chrony set the clock after services started, the start times of their processes count."""
    services = [service(name, at, clock=at - 3600) for name, at in SERVICES.items()]
    boot = read(output(services=services))
    assert boot.path[-1].start == pytest.approx(2.75, abs=0.02)
    assert "the clock was set after sshd started" in boot.notes[-1]


def test_no_start_time_of_the_server() -> None:
    """The time after the last mark is not attributed to the last step."""
    for text in (output(services=[]), output(clocks=False), output(services=[service("sshd", 9.0)])):
        boot = read(text)
        assert shown(boot)[-1] == (UNKNOWN, "after Running runsvdir", 2.6)
        assert boot.notes


def test_no_marks() -> None:
    """A machine without marks has known times up to /init and for the server."""
    log = [MARKS[0], (1.2, "Entering stage-2...")]
    lines = [(STARTED + ZERO + 1.2, "Entering stage-2...")]
    boot = read(output(log), lines)
    assert [name for _, name, _ in shown(boot)[2:]] == [
        "kernel",
        "after Creating base file systems",
        "to the ssh banner",
    ]
    assert boot.path[3].lane == UNKNOWN


def test_an_overwritten_log() -> None:
    """The first lines of the log are missing."""
    boot = read(output(MARKS[3:]))
    assert shown(boot)[2:4] == [
        (UNKNOWN, "kernel, start of stage-1", 0.5),
        ("stage-1", "Switching root filesystem", 1.8),
    ]
    boot = read(output(MARKS[-2:]))
    assert shown(boot)[3][:2] == ("runit 2", "linking services")


def test_nothing_in_common() -> None:
    for lines in ([], [(STARTED + 1, "SeaBIOS")]):
        boot = read(output(), lines)
        assert shown(boot) == [("QEMU", "QEMU", 0), (UNKNOWN, UNKNOWN, 0.1)]
        assert boot.notes


def test_repeated_lines_are_ignored() -> None:
    twice = [(1.4, "notos: Switching root filesystem..."), *MARKS]
    lines = [*console(), (STARTED, "Switching root filesystem...")]
    assert ("kernel", "kernel", 0.5) in shown(read(output(twice), lines))


@given(
    st.permutations(MARKS),
    st.lists(st.floats(0, 9), min_size=len(MARKS), max_size=len(MARKS)),
    st.floats(0.2, 9),
    st.integers(0, len(MARKS)),
)
def test_segments_add_up_for_any_times(
    marks: list[tuple[float, str]], times: list[float], banner: float, kept: int
) -> None:
    log = [(at, text) for at, (_, text) in zip(times, marks, strict=True)][:kept]
    read(output(log), console(log), banner)


@given(st.text(), st.lists(st.tuples(st.floats(STARTED, STARTED + 3), st.text())))
def test_segments_add_up_for_any_output(text: str, lines: list[tuple[float, str]]) -> None:
    read(text, lines)
    read(f"{output()}\n{text}", [*console(), *lines])
