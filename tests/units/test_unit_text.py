"""The lines of unit files. systemd-analyze verify is the judge of those that it warns about."""

import re
from pathlib import Path

import pytest

from notos.errors import NotosError
from notos.units.unit_text import parse
from tests.units.conftest import Systemd
from tests.units.made import service


def settings(text: str) -> list[tuple[str, str, str, int]]:
    data = text.encode("utf-8", "surrogateescape")
    return [(name, each.key, each.value, each.line) for name, each in parse(data, "x").settings]


def test_lines() -> None:
    text = "[A]\nb=c\n # d=e\n;f=g\n  h = i = j  \n[B]\nk=\n"
    assert settings(text) == [("A", "b", "c", 2), ("A", "h", "i = j", 5), ("B", "k", "", 7)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("k=a\\\nb", "a b"),
        ("k=a \\\n  # a comment\n  ; another\nb", "a  b"),
        ("k=a\\\\\nb=c", "a\\\\"),
        ("k=a\\\\\\\nb", "a\\\\ b"),
        ("k=a\\", "a"),
        ("k=a\\\n", "a"),
        ("k=a\\\n\nb=c", "a"),
        ("k=a # b", "a # b"),
        ("k\\\n=a", "a"),
        ("k=a\\\n[B]\nc=d", "a [B]"),
    ],
)
def test_continued_lines(text: str, value: str) -> None:
    """As in test-conf-parser.c: comments between the parts are left out, a backslash is a blank."""
    assert settings(f"[S]\n{text}")[0][1:3] == ("k", value)


def test_line_ends_and_the_byte_order_mark() -> None:
    assert settings("\ufeff[A]\r\nb=c\rd=e\0f=g\n\r\n") == [
        *(("A", "b", "c", 2), ("A", "d", "e", 3), ("A", "f", "g", 4))
    ]


@pytest.mark.parametrize("text", ["[A\nb=c", "[A] x\n", "[\n", "[A\tB]\n"])
def test_an_invalid_section_refuses_the_unit(text: str, systemd: Systemd, tmp_path: Path) -> None:
    with pytest.raises(NotosError, match=r"x:1: .* is not a section"):
        parse(text.encode(), "x")
    (tmp_path / "x.service").write_text(text)
    assert "Invalid section header" in (said := systemd.verify(tmp_path / "x.service").text) or "Bad" in said


LINES = """a=b
[Unit]
noequals
=x
Description=ok
X-Foo=bar
Foo=bar
[Foo]
a=b
[X-Foo]
a=b
[Service]
Description=no
ExecStart=/bin/true \\
# a comment
Type=x
ExecStart
Type=\udcff
Type=exec
"""


def test_the_judge_of_lines_is_systemd(systemd: Systemd, tmp_path: Path) -> None:
    (tmp_path / "x.service").write_bytes(LINES.encode("utf-8", "surrogateescape"))
    theirs = {*systemd.verify(tmp_path / "x.service").lines}
    notes = service(LINES).notes
    ours = {int(line) for note in notes for line in re.findall(r"x\.service:(\d+): ", note)}
    # Of a section that does not exist, systemd names the header and Notos the first line.
    assert {line - 1 if line == 9 else line for line in ours} == theirs
