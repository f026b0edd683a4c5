"""Escapes of C. systemd's own parsers judge them in tests/units/test_words.py and tests/system."""

import pytest

from notos.formats.c_escapes import escape, joined


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("n", ("\n", 1)),
        ("s", (" ", 1)),
        ("x41b", ("A", 3)),
        ("xff", ("\udcff", 3)),
        ("101", ("A", 3)),
        ("u00e9", ("é", 5)),
        ("U0001f600", ("😀", 9)),
    ],
)
def test_an_escape(text: str, taken: tuple[str, int]) -> None:
    assert escape(f"a\\{text}", 2) == taken


@pytest.mark.parametrize(
    "text", ["", "q", "x0", "x00", "000", "400", "u0000", "U00000000", "U00110000", "U0000d800"]
)
def test_an_invalid_escape(text: str) -> None:
    assert escape(text, 0) is None


def test_bytes_form_a_character_only_together() -> None:
    assert joined([escape("xc3", 0)[0], escape("xa9", 0)[0]]) == "é"  # type: ignore[index]
    assert joined(["a", "\udcff"]) == "a\udcff"
