"""Words, quotes and escapes. systemd's extract_first_word is the judge."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notos.units.words import WordError, first_word, unescaped, words
from tests.conftest import FIXTURES
from tests.units.conftest import Library
from tests.units.oracle import FLAGS

# The combinations of flags that systemd's readers of units use, and the separators.
USED: tuple[tuple[str, ...], ...] = (
    *((), ("unquote",), ("unquote", "unescape"), ("unquote", "unescape", "relax")),
    *(("unquote", "keep_backslashes"), ("keep_backslashes",), ("single",), ("unquote", "single")),
    ("unescape", "escaped_separators", "single"),
)
# Texts with the themes of test-extract-word.c.
TEXTS = (
    *("foobar waldo", "\"foobar\" 'waldo'", '"', "'", "'fooo", '"fooo', "yay'foo'bar", "   foobar   ", ""),
    *(" foo\\ba\\x6ar ", '    f\\u00f6o "pi\\U0001F4A9le"   ', "fooo\\", '"foo\\', "foo::bar", "a:b:c::"),
    *("foo\\:bar::waldo", ":foo\\:bar::waldo:", "fooo\\ bar quux", "\\w+@\\K[\\d.]+", "\\w+\\b", "-N ''"),
    *('KEY=val "KEY2=val with space" "KEY3=val with \\"quotation\\""', 'foobar="waldo"maldo, baldo'),
    *(
        "zażółcić 👊🔪💐 가너도루",
        "a\\x00b",
        "\\u0000",
        "\\UFFFFFFFF",
        "\\ud800",
        "\\400",
        "\\xff\\xfe",
        "\\s\\e",
    ),
    *("''", "'' ''", "a\"b\"'c'd", "a\tb\nc\rd", "a;b ; c", "\\;", "\\", "\\\\", "'\\''", '"a\\\nb"'),
)
ALPHABET = st.text(st.sampled_from(list("ab \"'\\:;\t=x4 1usnù")), max_size=14)


def ours(text: str, separators: str, flags: tuple[str, ...]) -> list[str] | None:
    try:
        return words(text, separators, **dict.fromkeys(flags, True))
    except WordError:
        return None


def theirs(library: Library, text: str, separators: str, flags: tuple[str, ...]) -> list[str] | None:
    found: list[str] | None = library("words", text, separators, sum(FLAGS[each] for each in flags))
    return found


@pytest.mark.parametrize("flags", USED, ids="+".join)
def test_the_judge_is_systemd(library: Library, flags: tuple[str, ...]) -> None:
    for text in TEXTS:
        for separators in (" \t\n\r", ":", ": \t\n\r"):
            assert ours(text, separators, flags) == theirs(library, text, separators, flags), text


@settings(max_examples=80, suppress_health_check=FIXTURES)
@given(ALPHABET, st.sampled_from([" \t\n\r", ":", ": \t"]), st.sampled_from(USED))
def test_the_judge_of_any_text_is_systemd(
    library: Library, text: str, separators: str, flags: tuple[str, ...]
) -> None:
    assert ours(text, separators, flags) == theirs(library, text, separators, flags)


def test_all_flags_together(library: Library) -> None:
    every = [*FLAGS]
    for count in range(len(every) + 1):
        for flags in combinations(every, count):
            for text in TEXTS:
                assert ours(text, ": ", flags) == theirs(library, text, ": ", flags), (text, flags)


def test_the_rest() -> None:
    assert first_word("a  b c") == ("a", "b c")
    assert first_word("a") == ("a", None)
    assert first_word("  ") == (None, None)
    assert first_word("a::b", ":", single=True) == ("a", ":b")
    assert first_word(":b", ":", single=True) == ("", "b")


def test_errors_say_why() -> None:
    for text, message in (("'a", "unbalanced"), ("a\\", "at the end"), ("\\q", "escape")):
        with pytest.raises(WordError, match=message):
            first_word(text, unquote=True, unescape=True)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@settings(max_examples=40)
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=4))
def test_quoted_words_come_back(texts: list[str]) -> None:
    assert words(" ".join(map(quoted, texts)), unquote=True, unescape=True) == texts


def test_bytes_join_to_characters() -> None:
    assert unescaped("\\xc3\\xb6") == "ö"
    assert unescaped("\\xc3") == "\udcc3"
    with pytest.raises(WordError):
        unescaped("\\")
