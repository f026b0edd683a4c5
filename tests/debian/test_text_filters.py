"""GNU's programs are the judges."""

import os
import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from notos.debian.script_files import Files, Packages
from notos.debian.text_filters import run
from notos.formats.tree import Tree

TEXT = "one two\nTwo three  four\n\n# a comment\nkey = value\n[section]\n10\n9\n9\na.b\\c (x) {y} a+b?|\n"
FILES = {"etc/a": TEXT, "etc/b": "no newline", "etc/empty": "", "etc/d/x": "x\n", "etc/d/y": "y\n"}
COMMANDS = [
    *(["grep", *words] for words in (
        ["two"], ["-i", "two"], ["-q", "two"], ["-v", "two"], ["-c", "o"], ["-x", "10"], ["-w", "two"],
        ["-o", "[a-z]*"], ["-E", "one|key"], ["-F", "a.b"], ["-qE", "^(one|two) "], ["^#"], ["^$"],
        ["absent"],
        ["-e", "one", "-e", "key"], ["[[:digit:]]\\+"], ["a\\+b"], ["a+b"], ["\\(x\\)"], ["(x)"], ["{y}"],
        ["-E", "\\(x\\)"], ["^\\[section\\]"], ["[]x]"], ["[^]a-z ]"], ["\\<two\\>"], ["o\\{1,2\\}"], ["*"],
        ["-E", "[0-9]{2}"], ["x*y"], ["--quiet", "one"], ["--", "one"], ["-qs", "one"], ["a.b\\\\c"],
        ["one", "/etc/a"], ["-q", "one", "/etc/absent"], ["-c", "x", "/etc/d/x"],
        ["-hx", "y", "/etc/d/x", "/etc/d/y"],
    )),
    ["egrep", "one|key"], ["fgrep", "a+b?|"],
    *(["sed", *words] for words in (
        ["s/two/2/"], ["s/o/0/g"], ["-n", "s/^\\(.*\\) = \\(.*\\)$/\\2:\\1/p"],
        ["-E", "s/([a-z]+) ([a-z]+)/\\2 \\1/"],
        ["s|/|x|g"], ["s/ .*//"], ["-e", "s/one/1/", "-e", "s/1/uno/"], ["/^#/d"], ["/two/!d"], ["2d"],
        ["$d"],
        ["-n", "2p"], ["-n", "$p"], ["-n", "/key/p"], ["/key/q"], ["-ne", "/key/p; /section/q"],
        ["s/TWO/x/I"],
        ["s/[[:space:]]\\+/ /g"], ["s/\\(a\\)\\|\\(k\\)/<\\1\\2>/g"], ["s/x*/-/g"], ["s/two/[&]/"],
        ["s/two/\\&/"],
        ["s,a\\.b,c,"], ["s/\\t//g"], ["-r", "s/a\\+b/plus/"], ["/^[0-9]/s/^/n/"], ["/a\\/b/d"],
        ["s/$/;/"], ["$!d"],
        ["s/^[ \\t]*//;/^$/d"], ["s/two/2/", "/etc/b", "/etc/a"], ["-n", "s/no/yes/p", "/etc/b"],
    )),
    ["sort"], ["sort", "-u"], ["sort", "-r"], ["sort", "-n", "/etc/d/x"], ["uniq"],
    ["sort", "/etc/d/y", "/etc/d/x"],
    ["head", "-n", "1"], ["head", "-2"], ["head", "-n2"], ["head"], ["tail", "-n", "1"], ["tail", "-1"],
    ["cut", "-d", " ", "-f", "1"], ["cut", "-d=", "-f2"], ["cut", "-d", " ", "-f2-"], ["cut", "-c1-3"],
    ["cut", "-d ", "-f1,3"], ["cut", "-f1"], ["cut", "-d:", "-f1", "/etc/a"],
    ["tr", "a-z", "A-Z"], ["tr", "-d", "\\n"], ["tr", " ", "\\n"], ["tr", "[:upper:]", "[:lower:]"],
    ["tr", "abc", "x"],
    ["awk", "{ print $1 }"], ["awk", "{print $3}"], ["awk", "{ print $NF; }"], ["awk", "{print $0}"],
    ["awk", "-F", "=", "{print $2}"], ["awk", "-F:", "{ print $1 }", "/etc/a"],
    ["awk", "{print $1}", "/etc/b"],
    ["wc", "-l"], ["ls", "/etc/d"], ["ls", "/etc/d/x", "/etc/d/y"], ["ls", "-d", "/etc/d"],
    ["ls", "/etc/absent"],
    ["ls", "/etc/absent", "/etc/d/x"],
    ["expr", "3", "-", "1"], ["expr", "1", "+", "1"], ["expr", "1", "-", "1"],
    ["expr", "a.conf", ":", "\\(.*\\)\\.conf"],
    ["expr", "abc", ":", "b"], ["expr", "abc", ":", "ab"],
]  # fmt: skip
PIECES = [
    "a",
    "b",
    "x",
    ".",
    "*",
    "\\+",
    "+",
    "\\(",
    "\\)",
    "(",
    ")",
    "[ab]",
    "[^a]",
    "^",
    "$",
    "\\.",
    "\\|",
    "|",
    "{",
]
PIECES += ["\\{2\\}", "{2}", "[[:alpha:]]", "[]a]", "?", "\\?", " "]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def files() -> Files:
    tree = Tree()
    for path, text in FILES.items():
        tree.file(path, text.encode())
    return Files(Packages(tree))


def judged(words: Sequence[str], root: Path, text: str = TEXT) -> tuple[int, str, str]:
    """Return the status, the output and the error messages of GNU's program."""
    program = {"egrep": ["grep", "-E"], "fgrep": ["grep", "-F"]}.get(words[0], [words[0]])
    if shutil.which(program[0]) is None:
        pytest.skip(f"this host has no {program[0]}")
    given = [f"{root}{word}" if word.startswith("/etc/") else word for word in words[1:]]
    done = subprocess.run(
        [*program, *given],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
    )
    return done.returncode, done.stdout.replace(str(root), ""), done.stderr


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_filter_does_the_same(root: Path, words: list[str]) -> None:
    status, output, _ = judged(words, root)
    found = run(words, TEXT, files())
    assert found
    assert (found.status, found.output.rstrip("\n") if found.output else "") == (status, output.rstrip("\n"))


def test_regular_expressions_match_the_same(root: Path) -> None:
    order = random.Random(15)
    text = "".join(
        f"{''.join(order.choices('abx+?|(){}2. *$^', k=order.randint(0, 7)))}\n" for _ in range(60)
    )
    understood = 0
    for _ in range(300):
        pattern = "".join(order.choices(PIECES, k=order.randint(1, 5)))
        words = ["grep", *order.choice([[], ["-E"], ["-v"], ["-x"]]), "-e", pattern]
        found = run(words, text, files())
        if found:
            status, output, error = judged(words, root, text)
            if status < 2 and not error:
                understood += 1
                assert (found.status, found.output) == (status, output), words
    assert understood > 150


def test_sed_changes_a_file_in_place() -> None:
    seen = files()
    assert run(["sed", "-i", "s/x/z/", "/etc/d/x"], None, seen)
    assert seen.look("/etc/d/x").content == b"z\n"
    assert run(["sed", "-i", "-e", "/z/d", "/etc/d/x"], None, seen)
    assert seen.look("/etc/d/x").content == b""
    assert run(["sed", "-i", "s/y/y/", "/etc/d/y"], None, seen)
    assert set(seen.made) == {"etc/d/x"}


@pytest.mark.parametrize(
    "line",
    ["grep -P a", "grep -r a /etc", "sed -n l", "sed y/a/b/", "sed -i s/a/b/ /etc/absent", "sed s/a/b/2",
    "sort -k2",
     "cut -b1", "tr -s a", "ls -l", "ls", "head -c 1", "tail -n +2", "wc -c", "expr a", "uniq -c", "awk 1",
     "sed -f x", "sed N", "sed s/a", "grep [[.a.]]"],
)  # fmt: skip
def test_others_are_unknown(line: str) -> None:
    assert run(line.split(), TEXT, files()) is None


def test_an_unknown_text_gives_an_unknown_result() -> None:
    assert run(["grep", "a"], None, files()) is None
    assert run(["sed", "s/a/b/", "/proc/x"], None, files()) is None
    assert run(["grep", None], TEXT, files()) is None
