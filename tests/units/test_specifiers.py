"""Specifiers. The facts are those of systemd.unit(5) and test-unit-name.c."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notos.units.specifiers import SpecifierError, Specifiers
from tests.units.made import lines


def made(name: str, **fields: str) -> Specifiers:
    release = {"ID": "debian", "VERSION_ID": "13", "VARIANT_ID": "v"}
    given_ = {
        "fragment": "/usr/lib/systemd/system/x.service",
        "hostname": "box.lan",
        "architecture": "x",
        **fields,
    }
    return Specifiers(name, release=release, **given_)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("blah.service", "%n %N %p %i %%", "blah.service blah blah  %"),
        ("blah@foo-foo.service", "%n|%N|%p|%i|%I", "blah@foo-foo.service|blah@foo-foo|blah|foo-foo|foo/foo"),
        ("a-b\\x2dc.service", "%p %P %j %J", "a-b\\x2dc a/b-c b\\x2dc b-c"),
        ("a@b-c.service", "%f", "/b/c"),
        ("a-b.service", "%f", "/a/b"),
        ("a.service", "%y %Y", "/usr/lib/systemd/system/x.service /usr/lib/systemd/system"),
        (
            "a.service",
            "%t %S %C %L %E %T %V %D %d",
            "/run /var/lib /var/cache /var/log /etc /tmp /var/tmp /usr/share /run/credentials/a.service",
        ),
        ("a.service", "%u %U %g %G %h %s", "root 0 root 0 /root /bin/sh"),
        ("a.service", "%H %l %o %w %W %A %B %M %a", "box.lan box debian 13 v    x"),
        ("a.service", "100%", "100%"),
        ("a.service", "%! % x %", "%! % x %"),
        ("a.service", "%%n", "%n"),
    ],
)
def test_values(name: str, text: str, expected: str) -> None:
    assert made(name).expand(text) == expected


@pytest.mark.parametrize("text", ["%b", "%m", "%v", "%q", "%c", "%r", "%R"])
def test_a_value_that_is_not_known_at_build_time_is_an_error(text: str) -> None:
    with pytest.raises(SpecifierError, match="not known at build time") as caught:
        made("a.service").expand(text)
    assert not caught.value.unknown


def test_other_errors() -> None:
    with pytest.raises(SpecifierError, match="hostname"):
        made("a.service", hostname="").expand("%H")
    for text in ("%Z", "%9"):
        with pytest.raises(SpecifierError, match="not a specifier") as caught:
            made("a.service").expand(text)
        assert caught.value.unknown
    with pytest.raises(SpecifierError, match="%f"):
        made("a@b--c.service").expand("%f")


@settings(max_examples=50)
@given(st.text())
def test_doubled_signs_come_back(text: str) -> None:
    assert made("a.service").expand(text.replace("%", "%%")) == text


def test_in_a_unit() -> None:
    text = "[Service]\nExecStart=/bin/%p %i\nEnvironment=A=%t/%n\nRuntimeDirectory=%p-%i\n"
    assert lines(text, "start", "a@b.service") == [("", "/bin/a", "/bin/a", "b")]
    assert lines(text, "env", "a@b.service") == [("A", "/run/a@b.service")]
    assert lines(text, "dir", "a@b.service") == [("runtime", "a-b", "755")]
