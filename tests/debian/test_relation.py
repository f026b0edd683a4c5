"""Relations and versions, judged by dpkg."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notos.debian.relation import Relation, compare, parse
from notos.errors import LockError, ToolError
from notos.process import run


def test_parse() -> None:
    text = "libc6 (>= 2.38), debconf (>=0.5)|debconf-2.0 , perl:any, a(<< 1:2~), b ( = 1 )"
    assert parse(text) == (
        (Relation("libc6", ">=", "2.38"),),
        (Relation("debconf", ">=", "0.5"), Relation("debconf-2.0")),
        (Relation("perl"),),
        (Relation("a", "<<", "1:2~"),),
        (Relation("b", "=", "1"),),
    )
    assert parse("") == ()


@pytest.mark.parametrize("text", ["a (> 1)", "a b", "a | ", "(>= 1)", "a (>= )"])
def test_what_is_no_relation(text: str) -> None:
    with pytest.raises(LockError, match="relation"):
        parse(text)


names = st.from_regex(r"[a-z0-9][a-z0-9+.-]+", fullmatch=True)
versions = st.from_regex(r"([0-9]:)?[0-9][a-z0-9.+~]{0,4}(-[a-z0-9.+~]{1,3})?", fullmatch=True)
relations = st.builds(Relation, names, st.sampled_from(["<<", "<=", "=", ">=", ">>"]), versions)
groups = st.lists(st.lists(relations | st.builds(Relation, names), min_size=1), max_size=4)


@given(groups)
def test_parse_is_the_inverse_of_str(wanted: list[list[Relation]]) -> None:
    text = ", ".join(" | ".join(map(str, group)) for group in wanted)
    assert parse(text) == tuple(map(tuple, wanted))


def test_without_a_version() -> None:
    assert Relation("a").accepts("")
    assert Relation("a").accepts("1")
    assert not Relation("a", ">=", "0").accepts("")  # Debian policy 7.5: an unversioned Provides


PAIRS = [
    *[("1.0", "1.0"), ("1.0", "1.1"), ("1.9", "1.10"), ("1.0~rc1", "1.0"), ("1.0", "1.0-1"), ("1", "1-0")],
    *[("2:1", "1:9"), ("1.0+deb13u1", "1.0"), ("5.2.37-2+b10", "5.2.37-2+b9"), ("1.0-1~bpo", "1.0-1")],
    *[("6.12.107-1", "6.12.117-1"), ("1a", "1+"), ("0:1", "1"), ("1.0.0", "1.0"), ("1~~", "1~")],
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_dpkg_agrees(tool: Callable[[str], list[str]], one: str, other: str) -> None:
    for operator, word in {"<<": "lt", "<=": "le", "=": "eq", ">=": "ge", ">>": "gt"}.items():
        try:
            run([*tool("dpkg"), "--compare-versions", one, word, other])
            expected = True
        except ToolError:
            expected = False
        assert Relation("a", operator, other).accepts(one) == expected


@given(versions, versions)
def test_order(one: str, other: str) -> None:
    assert compare(one, one) == 0
    assert (compare(one, other) > 0) == (compare(other, one) < 0)
