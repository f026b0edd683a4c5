"""Names of units. systemd's library and systemd-escape are the judges."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notos.units import unit_names
from notos.units.words import WordError
from tests.conftest import FIXTURES
from tests.units.conftest import Library, Systemd

NAMES = (
    *("a.service", "a@.service", "a@b.service", "a@b@c.service", "a.b.service", "-.mount", "a", ".service"),
    *("a.foo", "@.service", "@b.service", "a\\x20b.socket", "a b.service", "ä.service", "a.servicex", ""),
    *("a@.", "a.target", "x" * 247 + ".service", "x" * 248 + ".service", "a:b.timer", "a@:-_.\\.service"),
)


def test_the_judge_of_names_is_systemd(library: Library) -> None:
    for name in NAMES:
        assert unit_names.is_valid(name) == bool(library("valid_name", name)), name


@settings(max_examples=100, suppress_health_check=FIXTURES)
@given(st.text(st.sampled_from(list("ab-/\\x20@.:_ä.")), max_size=10))
def test_the_judge_of_escapes_is_systemd(library: Library, text: str) -> None:
    for name, ours in (("unescape", unit_names.unescaped), ("unescape_path", unit_names.unescaped_path)):
        try:
            found: str | None = ours(text)
        except WordError:
            found = None
        assert found == library(name, text), name


def test_escapes_come_back(systemd: Systemd) -> None:
    for text in ("a b/c", ".a", "ä-b", "/", "", "a\\x2d"):
        if text:
            assert unit_names.escaped(text) == systemd.run("systemd-escape", "--", text).stdout.strip()
        assert unit_names.unescaped(unit_names.escaped(text)) == text
    for path in ("/", "/a/b", "//a//b/", "/a-b/ü"):
        theirs = systemd.run("systemd-escape", "--path", "--suffix=mount", path).stdout.strip()
        assert unit_names.path_name(path, "mount") == theirs


@pytest.mark.parametrize(
    ("name", "prefix", "instance", "template"),
    [
        ("a.service", "a", "", ""),
        ("a@b.service", "a", "b", "a@.service"),
        ("a@b@c.d.service", "a", "b@c.d", "a@.service"),
        ("a@.service", "a", "", ""),
    ],
)
def test_parts(name: str, prefix: str, instance: str, template: str) -> None:
    assert unit_names.prefix(name) == prefix
    assert unit_names.instance(name) == instance
    assert unit_names.template(name) == template
    assert unit_names.is_template(name) == (name == "a@.service")
    assert unit_names.kind(name) == "service"
