"""Calendar events. systemd's calendar_spec_from_string and systemd-analyze calendar are the judges."""

from hypothesis import given, settings
from hypothesis import strategies as st

from notos.units import calendar
from tests.conftest import FIXTURES
from tests.units.conftest import Library, Systemd

# The themes of systemd.time(7) and test-calendarspec.c.
EVENTS = (
    *("minutely", "hourly", "daily", "monthly", "weekly", "yearly", "annually", "quarterly", "semiannually"),
    *("Sat,Thu,Mon..Wed,Sat..Sun", "Mon,Sun 12-*-* 2,1:23", "Wed *-1", "Wed..Wed,Wed *-1", "Wed, 17:48"),
    *(
        "Wed..Sat,Tue 12-10-15 1:2:3",
        "*-*-7 0:0:0",
        "10-15",
        "monday *-12-* 17:00",
        "Mon,Fri *-*-3,1,2 *:30:45",
    ),
    *("12,14,13,12:20,10,30", "12..14:10,20,30", "mon,fri *-1/2-1,3 *:30:45", "03-05 08:05:40", "08:05:40"),
    *(
        "05:40",
        "Sat,Sun 12-05 08:05:40",
        "Sat,Sun 08:05:40",
        "2003-03-05 05:40",
        "05:40:23.4200004/3.1700005",
    ),
    *("2003-02..04-05", "2003-03-05 05:40 UTC", "2003-03-05", "03-05", "daily UTC", "weekly  UTC", "*:*:2.5"),
    *("*-*~1", "02~03", "*-05~07/1", "Mon *-05~07/1", "*-*~29", "*-*~5..1", "*:2/3", "0..3/2:5", "1..0:0"),
    *(
        "@1395716396",
        "@0",
        "@ 1",
        "@+5",
        "@-1",
        "@99999999999",
        "@1 1",
        "@7258118399",
        "@7258118400",
        "@x",
        "1:0:60",
        "24:0",
        "*-13-1",
        "*-*-32",
        "1969-1-1",
        "2200-1-1",
        "99-1-1",
        "69-1-1",
    ),
    *(
        "Mon..Tue..Wed",
        "Wed..Tue",
        "Foo",
        "",
        " ",
        "*",
        "*-*-* *:*:*",
        "*:*",
        "*:*:*",
        "5",
        "5:",
        ":5",
        "1-2-3-4",
    ),
    *("Mon-Wed", "Mon-", "Mon..", "Mon,", "Monx 1:0", "*:0/0", "*:0/60", "*:0/59", "*:0..5/3", "*:10..12/5"),
    *(
        "*-*-* 1:0:0.5..0.7",
        "*:*:0.5/0.25",
        "0:0:1..2.5",
        "Fri *-*-13",
        "*-2-29",
        "1,1,2:0",
        "MINUTELY",
        "1 utc",
    ),
    *(
        "Europe/Berlin",
        "daily Europe/Berlin",
        "1:0 Nowhere/City",
        "Mon UTC",
        "00:00:00 UTC",
        "2012-1-1 1:0 CET",
    ),
)


def ours(text: str) -> str | None:
    try:
        return str(calendar.parse(text))
    except ValueError:
        return None


def test_the_judge_is_systemd(library: Library) -> None:
    differing = {text: (ours(text), library("calendar", text)) for text in EVENTS if "/City" not in text}
    assert {text: both for text, both in differing.items() if both[0] != both[1] and "/B" not in text} == {}


@settings(max_examples=80, suppress_health_check=FIXTURES)
@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    "*",
                    "1",
                    "12",
                    "2012",
                    "31",
                    "59",
                    "0",
                    "-",
                    "-",
                    ":",
                    ":",
                    "..",
                    "/",
                    ",",
                    "~",
                    " ",
                    "Mon",
                ),
                *("Fri", "tuesday", "@", ".5", "x", "daily", "UTC"),
            ]
        ),
        max_size=9,
    ).map("".join)
)
def test_the_judge_of_any_text_is_systemd(library: Library, text: str) -> None:
    assert ours(text) == library("calendar", text)


def test_time_zones(systemd: Systemd) -> None:
    """systemd-analyze knows the zones of this host; ours are those of the machine, so any name is taken."""
    assert ours("daily Europe/Berlin") == "*-*-* 00:00:00 Europe/Berlin"
    said = systemd.run("systemd-analyze", "calendar", "mon *-*-1..7 10:0").stdout
    assert f"Normalized form: {ours('mon *-*-1..7 10:0')}\n" in said
