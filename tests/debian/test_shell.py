"""The parser of shell scripts, compared with busybox sh."""

import re
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from notos.debian import shell
from notos.debian.shell import AndOr, Case, For, Function, If, Parameter, Pipeline, Simple, Text, While
from notos.debian.shell_calls import Surroundings, calls
from notos.errors import PackageError
from tests.conftest import FIXTURES, Tool

SCRIPTS = [
    "a b 'c d' \"e $f\" # comment\n",
    "a && b || ! c | d\n",
    "if a; then b; elif c; then d; else e; fi >file 2>&1\n",
    'case "$1" in\n configure|abort-*) a ;;\n (b) ;;\n *) c\nesac\n',
    "for x in a b; do c; done; for y; do d; done\nfor z\ndo e\ndone\n",
    "while a; do b; done < file\nuntil c\ndo\n d\ndone\n",
    "f() { a; }\ng ()\n{\n b\n}\nh() ( c )\n",
    "cat <<EOF >file\na $b\nEOF\nd\n",
    "cat <<-'EOF' | c\n\ta $b\n\tEOF\nd\n",
    "a <<ONE; b <<TWO\n1\nONE\n2\nTWO\nc\n",
    "if a <<EOF\ntext ) esac fi\nEOF\nthen b; fi\n",
    'x=$(a $(b) `c \\`d\\``) y=${z:-"$w}"}\n',
    "x=$((1 + (2)))\na \\\n  b \\\n  && c\n",
    "{ a; b; } || (c; d) &\nwait\n",
    'a=1 b=2 c\n[ "$a" = "}" ] && echo "${a%%*/}"\n',
    "a 'if' fi then\necho done; echo }\n",
    "a >>f 2>/dev/null <&- >&2\n",
    "a#b c\\ d \"\\$e\" '\\'\n",
    "case $x in esac\n",
    "a;\n\n\n  b\n",
    "x=$(case a in a) echo b;; esac)\n",
]
WRONG = [
    "if a; then b\n",
    "a 'b\n",
    "case a in b) c\n",
    "a && \n",
    "for x in a; b; done\n",
    ") a\n",
    "a ;; b\n",
    "f() \n",
]


@pytest.mark.parametrize("text", SCRIPTS)
def test_a_shell_accepts_what_is_parsed(text: str, tool: Tool) -> None:
    assert subprocess.run([*tool("busybox"), "sh", "-n"], input=text.encode(), check=False).returncode == 0
    shell.parse(text)


@pytest.mark.parametrize("text", WRONG)
def test_both_refuse_what_is_wrong(text: str, tool: Tool) -> None:
    assert subprocess.run([*tool("busybox"), "sh", "-n"], input=text.encode(), check=False).returncode != 0
    with pytest.raises(PackageError, match=r"^line \d+: "):
        shell.parse(text)


def test_the_kinds_of_commands() -> None:
    kinds = (AndOr, If, Case, For, While, Function)
    texts = ("a && b", "if a; then b; fi", "case a in b) c;; esac", "for a in b; do c; done")
    rest = ("while a; do b; done", "f() { a; }")
    for kind, text in zip(kinds, (*texts, *rest), strict=True):
        assert [type(each) for each in shell.parse(text).commands] == [kind]
    (pipeline,) = shell.parse("! a | b").commands
    assert isinstance(pipeline, Pipeline)
    assert pipeline.negated


def test_a_simple_command_has_its_source_and_its_line() -> None:
    _, (second) = shell.parse("a\n\nx=1 b \\\n  'c' \"$d\" >e\n").commands
    assert isinstance(second, Simple)
    assert (second.line, second.text) == (3, "x=1 b 'c' \"$d\" >e")
    assert second.words[1] == (Text("c", True),)
    assert Parameter("d", "", (), True) in second.words[2]


def test_a_here_document_is_a_target() -> None:
    (command,) = shell.parse("cat <<EOF >x\na $b\nEOF\n").commands
    assert isinstance(command, Simple)
    document, file = command.redirections
    assert [part for part in document.target if part != Text("", True)] == [
        Text("a ", True),
        Parameter("b", "", (), True),
        Text("\n", True),
    ]
    assert (file.operator, file.target) == (">", (Text("x", False),))


PIECES = [
    "\\",
    '"',
    "'",
    "$x",
    "${x}",
    "${y:-b}",
    "${y:-\\c}",
    "${y:-a\\}b}",
    "a",
    " ",
    "\n",
    "\\\n",
    "\\$",
    "\\`",
]


@settings(max_examples=60, deadline=None, suppress_health_check=FIXTURES)
@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
@example('a=\\"b\\"')
@example("a\\\nEOF")
@example("\\\\$\\")
@example("$\\\nx")
@example("$x\\\ny")
def test_escapes_within_quotes_and_here_documents_agree(tool: Tool, body: str) -> None:
    """A name that goes on after a backslash and the end of a line is unknown, as is the process ($$)."""
    for script in (f"x=1; cat <<EOF\n{body}\nEOF\n", f'x=1; printf %s "{body}"'):
        done = subprocess.run(
            [*tool("busybox"), "sh", "-c", script], capture_output=True, text=True, check=False
        )
        if done.returncode or done.stderr:
            continue
        found = calls(script, Surroundings())
        if len(found) == 1 and len(found[0].words) in (1, 3):  # others are more words or commands
            call = found[0]
            said = call.document if call.words == ("cat",) else call.words[2]
            assert said in (done.stdout, None)
            assert said is not None or re.search(r"\$(x?\\(\n|\Z)|\$)", body)
