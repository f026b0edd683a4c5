"""Values and names with numbers. systemd's library and systemd-analyze are the judges."""

import errno
import re
import signal
import socket
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notos.units import names, values
from tests.conftest import FIXTURES
from tests.units.conftest import Library, Systemd

INFINITE = 2**64 - 1


def ours(parse: Callable[[str], object], text: str) -> object:
    try:
        found = parse(text)
    except ValueError:
        return None
    return INFINITE if found is None else found


TIMES = st.lists(
    st.sampled_from(
        [
            *(
                "1",
                "20",
                "3.5",
                ".5",
                "12.",
                "infinity",
                "-",
                "+",
                " ",
                "us",
                "ms",
                "s",
                "sec",
                "second",
                "m",
            ),
            *(
                "min",
                "minutes",
                "h",
                "hr",
                "hours",
                "d",
                "days",
                "w",
                "weeks",
                "M",
                "month",
                "y",
                "years",
                "µs",
            ),
            *("x", "\t", "msec", "usec", "999999999999999999"),
        ]
    ),
    max_size=5,
).map("".join)
SIZES = st.lists(
    st.sampled_from(["1", "20", "3.5", "12.", " ", "K", "M", "G", "T", "P", "E", "B", "k", "-", "999999999"]),
    max_size=6,
).map("".join)


@settings(max_examples=80, suppress_health_check=FIXTURES)
@given(TIMES)
def test_the_judge_of_times_is_systemd(library: Library, text: str) -> None:
    assert ours(values.time, text) == library("time", text)


@settings(max_examples=100, suppress_health_check=FIXTURES)
@given(SIZES)
def test_the_judge_of_sizes_is_systemd(library: Library, text: str) -> None:
    assert ours(values.size, text) == library("size", text)


@pytest.mark.parametrize(
    ("name", "parse", "texts"),
    [
        ("time", values.time, "1s 2 5min infinity 1y1M1w1d1h1m1s1ms1us 0 1.000001s 1.0000001s 0.5h 5.5.5"),
        ("permyriad", values.permyriad, "1% 12.5% 12.34% 12.345% 1‰ 1.5‰ 1.55‰ 7‱ 1.5‱ -1% % 1 .5% 101% 1.%"),
        ("mode", values.mode, "0 755 0755 7777 10000 8 x 00000755 -1 +7"),
        ("boolean", values.boolean, "1 0 yes no y n true false t f on off YES On enable 2 -1"),
        (
            "signal",
            values.signal,
            "1 15 64 65 0 -1 TERM SIGTERM SIGSIGTERM term RTMIN RTMIN+0 RTMIN+30 RTMIN+31",
        ),
        (
            "signal",
            values.signal,
            "RTMAX RTMAX-0 RTMAX-30 RTMAX-31 RTMAX+1 RTMIN-1 POLL IO CLD ABRT IOT 07 +9",
        ),
    ],
)
def test_the_judge_of_values_is_systemd(
    library: Library, name: str, parse: Callable[[str], object], texts: str
) -> None:
    for text in texts.split():
        assert ours(parse, text) == library(name, text), text


def test_every_signal(library: Library) -> None:
    for number in range(1, 65):
        assert values.signal(str(number)) == number
    for name, number in names.SIGNALS.items():
        assert (getattr(signal, f"SIG{name}"), library("signal", name)) == (number, number)


def test_every_exit_status(library: Library, systemd: Systemd) -> None:
    listed = systemd.run("systemd-analyze", "exit-status").stdout
    theirs = dict(re.findall(r"^(\w+) +(\d+) ", listed, re.MULTILINE))
    assert {name: str(number) for name, number in names.EXIT_STATUSES.items()} == theirs
    for text in (*names.EXIT_STATUSES, "0", "255", "256", "-1", "x", "007"):
        status = ours(values.status_or_signal, text)
        number = library("exit_status", text)
        assert (status is None or str(status).startswith("SIG")) == (number is None)
        assert number is None or status == str(number)


def test_a_status_or_a_signal() -> None:
    assert [values.status_or_signal(each) for each in ("TEMPFAIL", "143", "SIGTERM", "KILL", "RTMIN+1")] == [
        *("75", "143", "SIG15", "SIG9", "SIG35")
    ]


def test_every_capability(systemd: Systemd) -> None:
    listed = systemd.run("systemd-analyze", "capability").stdout
    theirs = dict(re.findall(r"^(cap_\w+) +(\d+)$", listed, re.MULTILINE))
    assert {name.lower(): str(number) for name, number in names.CAPABILITIES.items()} == theirs
    assert values.capability("cap_Chown") == values.capability("0") == 0
    for text in ("chown", "CAP_NONE", "63", ""):
        with pytest.raises(ValueError, match="not a capability"):
            values.capability(text)


def test_every_error_and_address_family() -> None:
    known = {name: getattr(errno, name) for name in names.ERRORS if hasattr(errno, name)}
    assert {name: names.ERRORS[name] for name in known} == known
    assert {*errno.errorcode.values()} <= {*names.ERRORS}
    families = {
        name: number for name in dir(socket) if name.startswith("AF_") and (number := getattr(socket, name))
    }
    assert {name: number for name, number in names.ADDRESS_FAMILIES.items() if name in families} == {
        name: number for name, number in families.items() if name in names.ADDRESS_FAMILIES
    }


@pytest.mark.parametrize(
    ("resource", "text", "expected"),
    [
        ("NOFILE", "1024:4096", ("1024", "4096")),
        ("NOFILE", "infinity", ("infinity", "infinity")),
        ("CORE", "1K:infinity", ("1024", "infinity")),
        ("CPU", "1500ms", ("2", "2")),
        ("CPU", "1min", ("60", "60")),
        ("RTTIME", "5s", ("5000000", "5000000")),
        ("RTTIME", "5", ("5", "5")),
        ("NICE", "+5", ("15", "15")),
        ("NICE", "-5", ("25", "25")),
        ("NICE", "40", ("40", "40")),
        ("STACK", "8M", ("8388608", "8388608")),
    ],
)
def test_limits(resource: str, text: str, expected: tuple[str, str]) -> None:
    """The results are those of test-rlimit-util.c and systemd.exec(5)."""
    assert values.limit(resource, text) == expected


def test_ranges() -> None:
    assert values.processors("0-3 8, 5,5") == (0, 1, 2, 3, 5, 8)
    assert values.ranges((0, 1, 2, 3, 5, 8)) == "0-3,5,8"


def test_numbers_have_the_bases_of_c() -> None:
    texts = ("10", "0x10", "010", "0b10", "0o10", "-5", "+5", " 5")
    assert [values.integer(each, -99, 99) for each in texts] == [10, 16, 8, 2, 8, -5, 5, 5]
    for text in ("08", "1 2", "", "x", "100"):
        with pytest.raises(ValueError, match="not"):
            values.integer(text, -99, 99)
