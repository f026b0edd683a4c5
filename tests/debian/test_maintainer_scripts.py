"""The commands of maintainer scripts, compared with those that a shell runs."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notos.architecture import AMD64
from notos.debian import maintainer_scripts
from notos.debian.shell_calls import Surroundings, calls
from tests.conftest import FIXTURES, Tool


def commands(text: str, **files: str) -> list[tuple[str | None, ...]]:
    """Return the words of the commands `do …` in a postinst; the other control `files` are texts by name."""
    control = {name: each.encode() for name, each in {"postinst": f"#!/bin/sh\n{text}", **files}.items()}
    found, unread = maintainer_scripts.read("made-up", control, AMD64)
    assert not unread
    return [each.call.words[1:] for each in found if each.call.words[0] == "do_"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('case "$1" in configure) do_ a;; abort-*) do_ b;; esac', [("a",)]),
        ('if [ "$1" = configure ] && [ -z "$2" ]; then do_ new; else do_ old; fi', [("new",)]),
        ('if dpkg --compare-versions "$2" lt-nl 1; then do_ upgrade; fi', []),
        ('[ "$1" != configure ] || do_ a', [("a",)]),
        ('USER=me; HOME_OF=/var/lib/$USER\ndo_ "$USER" $HOME_OF', [("me", "/var/lib/me")]),
        ("for x in a 'b c'; do do_ $x \"$x\"; done", [("a", "a"), ("b", "c", "b c")]),
        ("x=$(uname -r)\ndo_ $x plain", [(None, "plain")]),
        ("if unknown; then do_ a; else do_ b; fi", [("a",), ("b",)]),
        ("unknown || exit 0\ndo_ a", [("a",)]),
        ("exit 0\ndo_ a", []),
        ('f() { do_ "$1"; }\nf a; f b', [("a",), ("b",)]),
        ("wrap() { \"$@\"; }\nwrap do_ 'a b'", [("a b",)]),
        ("f() { return 0; do_ a; }\nf\ndo_ b", [("b",)]),
        ("x=a; if unknown; then x=b; fi; do_ $x", [(None,)]),
        ("x=a; (x=b); do_ $x", [("a",)]),
        ("do_ ${X:-default} ${1:+set} ${DPKG_ROOT}/etc", [("default", "set", "/etc")]),
        ("x=/a/b.c; do_ ${x##*/} ${x%/*} ${x%.c}", [("b.c", "/a", "/a/b")]),
        ("do_ \\\n a \\\n b", [("a", "b")]),
        ("cat <<EOF\ndo_ text\nEOF\ndo_ a", [("a",)]),
        ("do_ $(dpkg-architecture -qDEB_HOST_MULTIARCH)", [(AMD64.gnu,)]),
        ("do_ $(echo a | tr a b) $(hostname) $(basename /x/y)", [("b", None, "y")]),
        ('set -- a b; shift; do_ "$1" $#', [("b", "1")]),
        ("while read x; do do_ $x; done", [(None,)]),
        ("for x in /etc/*; do do_ $x; done", [(None,)]),
        ("eval 'do_ a'; eval \"x=$(hostname)\"; eval 'do_' '$x'", [("a",), (None,)]),
        ("[ -x /usr/bin/y ] && do_ a", [("a",)]),
        ("until false; do break; done; do_ a", [("a",)]),
        (
            "alias cut_='tr -d x'; do_ $(echo axb | cut_); alias do_all='do_ a'; do_all b",
            [("ab",), ("a", "b")],
        ),
        ("addgroup --system web\ngetent group web || do_ group\ngetent passwd web || do_ user", [("user",)]),
        ("adduser --system web\ngetent passwd web || do_ user\ngetent group web || do_ group", [("group",)]),
        ("adduser --system --group web; id web || do_ a; getent group web || do_ b", []),
        ("useradd -r web; adduser web ssl-cert; getent passwd ssl-cert || do_ a", [("a",)]),
        ("getent passwd nogroup || do_ a; getent group nogroup || do_ b", [("a",)]),
    ],
)
def test_what_a_new_installation_runs(text: str, found: list[tuple[str | None, ...]]) -> None:
    assert commands(text) == found


def test_debconf_has_the_defaults_of_the_templates() -> None:
    templates = (
        "Template: made-up/setuid\nType: boolean\nDefault: true\n\nTemplate: made-up/name\nType: string\n"
    )
    text = (
        ". /usr/share/debconf/confmodule\n"
        'db_get made-up/setuid\nif [ "$RET" = true ]; then do_ yes; else do_ no; fi\n'
        'db_get made-up/name\nif [ -n "$RET" ]; then do_ name; fi\n'
    )
    assert commands(text, templates=templates) == [("yes",)]
    config = "#!/bin/sh\ndb_set made-up/setuid false\n"
    assert commands(text, templates=templates, config=config) == [("no",)]
    config = "#!/bin/sh\n[ -e /proc/x ] && db_set made-up/setuid false\n"
    assert commands(text, templates=templates, config=config) == [("yes",), ("no",)]
    captured = "if [ -e /proc/x ]; then x=$(echo a | sed s/a/b/); do_ $x; fi\n"
    assert commands(captured) == [("b",)]


def test_scripts_that_are_not_understood_are_named() -> None:
    control = {"preinst": b"\x7fELF", "config": b"#!/usr/bin/perl -w\n", "postinst": b"#!/bin/sh\nif\n"}
    found, unread = maintainer_scripts.read("made-up", control, AMD64)
    assert not found
    assert [(each.script, each.reason.partition(":")[0]) for each in unread] == [
        ("preinst", "it is a program"),
        ("config", "it is a script for /usr/bin/perl"),
        ("postinst", "line 3"),
    ]


def test_a_script_without_end_is_followed_for_a_while() -> None:
    assert calls("f() { f; f; }\nf\n", Surroundings()) == []
    nested = "for a in 1 2 3 4 5 6 7 8 9 0; do " * 9 + "x; " + "done; " * 9
    assert len(calls(nested, Surroundings())) < 20_000


NAMES = st.sampled_from(["a", "b", "$x", "$y", '"$x$y"', "'c d'", "${x:-e}", "${y%b}", '"$1"'])
WORDS = st.lists(NAMES, min_size=1, max_size=3).map(" ".join)
SIMPLE = st.one_of(
    WORDS.map(lambda words: f"do_ {words}"),
    st.builds("{}={}".format, st.sampled_from("xy"), NAMES),
    st.sampled_from(["true", "false", "exit 0", "x=", "set -- new", "f q", "return 0"]),
)
TESTS = st.builds(
    "[ {} {} {} ]".format,
    st.sampled_from(['"$x"', '"$y"', '"$1"']),
    st.sampled_from(["=", "!="]),
    st.sampled_from(["a", "b", "configure"]),
)
STATEMENTS = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.builds("{}\n{}".format, inner, inner),
        st.builds("if {}; then\n{}\nelse\n{}\nfi".format, TESTS, inner, inner),
        st.builds("{} && {{ {}\n}} || {{ {}\n}}".format, TESTS, inner, inner),
        st.builds("for x in {}; do\n{}\ndone".format, WORDS, inner),
        st.builds('case "$y" in\na|b*) {}\n;;\n"$x") {} ;;\n*) : ;;\nesac'.format, inner, inner),
        st.builds("( {}\n)".format, inner),
        st.builds("f() {{\n{}\n}}".format, SIMPLE.filter(lambda each: each != "f q")),
    ),
    max_leaves=12,
)


@settings(max_examples=150, suppress_health_check=FIXTURES)
@given(text=STATEMENTS)
def test_a_shell_runs_the_same(tool: Tool, text: str) -> None:
    """In these scripts all is known: the shell prints the words of each command, the same as here."""
    text = f"f() {{ do_ in-f; }}\n{text}\n"
    header = "do_() { for each; do printf '<%s>' \"$each\"; done; echo; }\n"
    ran = subprocess.run(
        [*tool("busybox"), "sh", "-c", header + text, "sh", "configure"],
        capture_output=True,
        text=True,
        check=False,
    )
    found = calls(text, Surroundings(arguments=("configure",), status=lambda words: True))
    printed = "".join("".join(f"<{word}>" for word in each.words[1:]) + "\n" for each in found)
    assert printed == ran.stdout


def nested(depth: int, command: str = "do_ a") -> str:
    return f"{'if unknown; then ' * depth}{command}{'; fi' * depth}"


@pytest.mark.parametrize("depth", [1, 6, 12])
def test_a_function_that_calls_itself_is_followed_to_a_limit(depth: int) -> None:
    found = commands(f"f() {{ do_ a; {nested(depth, 'f')}; }}\nf\ndo_ b")
    assert found[0] == ("a",)
    assert found[-1] == ("b",)


@pytest.mark.parametrize(
    "text",
    [
        nested(2000),
        "if a; then do_ 1; " + "elif unknown; then do_ 2; " * 2000 + "fi",
        "do_ " + "$(echo " * 2000 + ")" * 2000,
        "( " * 2000 + "do_ a" + ") " * 2000,
    ],
)
def test_a_script_that_is_nested_too_deeply_is_unread(text: str) -> None:
    control = {"postinst": f"#!/bin/sh\n{text}\n".encode(), "preinst": b"#!/bin/sh\ndo_ first\n"}
    found, unread = maintainer_scripts.read("made-up", control, AMD64)
    assert [each.call.words for each in found] == [("do_", "first")]
    assert [each.script for each in unread] == ["postinst"]
    assert unread[0].reason.endswith("it is nested too deeply")


def test_usual_depths_are_read() -> None:
    assert commands(nested(20)) == [("a",)]
    assert commands("if unknown; then :; " + "elif unknown; then :; " * 50 + "else do_ a; fi") == [("a",)]
