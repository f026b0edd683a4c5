from collections.abc import Mapping

import pytest

from notos.debian.configure_order import order
from tests.signed_archive import Deb


def ordered(*debs: Deb) -> list[str]:
    controls: Mapping[str, Mapping[str, bytes]] = {
        each.name: {"control": each.control().encode()} for each in debs
    }
    return order(controls)


@pytest.mark.parametrize(
    ("debs", "found"),
    [
        ([Deb("b"), Deb("a")], "a b"),
        ([Deb("a", depends="c"), Deb("b"), Deb("c", depends="b")], "b c a"),
        ([Deb("a", depends="absent | c (>= 1), b:any"), Deb("b"), Deb("c")], "b c a"),
        ([Deb("a", depends="mta"), Deb("b"), Deb("c", provides="mta, x (= 1)")], "c a b"),
        ([Deb("a", depends="b"), Deb("b", depends="c"), Deb("c", depends="a")], "c b a"),
        ([Deb("a", depends="a, absent")], "a"),
        ([Deb("a", depends="in valid ("), Deb("b")], "a b"),
    ],
)
def test_dependencies_are_first(debs: list[Deb], found: str) -> None:
    assert ordered(*debs) == found.split()


def test_a_field_may_be_folded() -> None:
    text = "Package: a\npre-depends: z,\n y\nVersion: 1:2~3\n"
    controls = {"a": {"control": text.encode()}, "y": {}, "z": {}}
    assert order(controls) == ["y", "z", "a"]


def test_a_long_chain() -> None:
    debs = [Deb(f"p{number:04}", depends=f"p{number + 1:04}") for number in range(3000)]
    assert ordered(*debs, Deb("p3000")) == [f"p{number:04}" for number in range(3000, -1, -1)]
