"""Relations and versions, judged by dpkg."""

from collections.abc import Callable

import pytest
from debian.deb822 import PkgRelation
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


@pytest.mark.parametrize("text", ["a (>> )", "a [amd64", "a <x", "a b", "a | ", "(>= 1)", "a (>= )"])
def test_what_is_no_relation(text: str) -> None:
    with pytest.raises(LockError, match="relation"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a (> 1)", ">= 1"),
        ("a (< 1:2~)", "<= 1:2~"),
        ("a (1)", "= 1"),
        ("a(>1)", ">= 1"),
        ("a:any (>> 1)", ">> 1"),
        ("a:native(<= 1 )", "<= 1"),
        ("a:amd64 ( >= 1)", ">= 1"),
        ("a (= 1) [amd64 linux-any] <!nocheck> <!cross !stage1>", "= 1"),
        ("\n a\n\t(>=\n 1),\n", ">= 1"),
    ],
)
def test_what_dpkg_reads(text: str, wanted: str) -> None:
    """Deprecated operators, qualifiers, restrictions, folded fields (deb-control(5), deb-src-control(5))."""
    ((found,),) = parse(text)
    assert (found.name, f"{found.operator} {found.version}") == ("a", wanted)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a [amd64] | b [arm64]", [["a"]]),
        ("a [arm64], b [!amd64], c [!arm64 !i386]", [["c"]]),
        (
            "a [any], b [linux-any], c [any-amd64], d [kfreebsd-any], e [hurd-any any-i386]",
            [["a"], ["b"], ["c"]],
        ),
        ("a <!nocheck>, b <stage1>, c <stage1> <!cross>, d <!a b>", [["a"], ["c"]]),
        ("a [amd64] <cross> | b", [["b"]]),
    ],
)
def test_restrictions(text: str, names: list[list[str]]) -> None:
    assert [[each.name for each in group] for group in parse(text, "amd64")] == names
    for group in PkgRelation.parse_relations(text):  # python-debian agrees about the syntax
        assert all(each["name"] for each in group)


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
