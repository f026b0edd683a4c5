"""Checks of the language: docstrings, comments, messages and pages have none of the words to avoid.

The rules are those of CONTRIBUTING.md. A docstring of a function opens with a verb; a docstring of a module
or a class opens with a noun phrase. A test's docstring is a statement, as for D401 of ruff.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Not yet rewritten: paths, or folders with a slash at the end. An entry without findings must be removed.
PENDING: tuple[str, ...] = ()

# Files of the project; a folder means all text files below it.
SOURCES = (
    *(".ci", "README.md", "config.yaml", "docs", "doit", "dodo.py", "examples", "kernel", "runit", "scripts"),
    *("benchmarks", "notos", "tasks", "tests"),
)
NOT_OURS = ("*.asc", "*.json", "*.lock", "*.pyc", "*.svg", "*/build/*", "*/.notos/*")

WORDS = re.compile(
    r"""
    \b(?:
        told | tells | asks | brings | whom
        | he | him | his | himself
        | one's\s+own | each\s+other's
        | (?:is|are|was|were)\s+(?:not\s+)?there
    )\b
    """,
    re.VERBOSE | re.IGNORECASE,
)

# Openings of a docstring, or of the comment at the top of a script, that make a reader wait for the verb.
OPENING = re.compile(r"(?:What|Whether|Where|Which|Who|How|That|By)\b")
# Openings of a function's docstring that are no verb. ruff's D401 has more of them.
NOUN = re.compile(
    r"(?:The|A|An|All|Each|Every|Some|One|This|These|Those|Its|Of|For|From|In|To|True|None)\b|[`\"(]"
)

# Justified uses: (path, text of the finding).
ALLOWED: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Text:
    """A piece of prose at a line of a file; `kind` is "text", "function" or "docstring"."""

    line: int
    text: str
    kind: str = "text"


@dataclass(frozen=True)
class Finding:
    """A word or an opening to avoid."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def files() -> Iterator[Path]:
    """Yield the files of the project that have prose, except this one."""
    for name in SOURCES:
        path = ROOT / name
        for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
            ignored = "__pycache__" in each.parts or any(each.match(glob) for glob in NOT_OURS)
            if each.is_file() and not each.is_symlink() and not ignored and each != Path(__file__):
                yield each


def python(source: str) -> Iterator[Text]:
    """Yield the docstrings, string literals and comments of Python code."""
    docstrings: dict[int, str] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.body and isinstance(first := node.body[0], ast.Expr):
                verb = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not (
                    node.name.startswith("test_")
                    or any("property" in ast.unparse(each) for each in node.decorator_list)
                )
                docstrings[id(first.value)] = "function" if verb else "docstring"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Text(node.lineno, node.value, docstrings.get(id(node), "text"))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Text(token.start[0], token.string)


def prose(source: str) -> Iterator[Text]:
    """Yield a page or a shell script as a whole, and the comment at the top of a script."""
    yield Text(1, source)
    lines = source.splitlines()
    if lines and lines[0].startswith("#!") and len(lines) > 1:
        yield Text(2, lines[1].lstrip("# "), "docstring")


def findings(path: str, source: str) -> Iterator[Finding]:
    """Yield what a file should say in other words."""
    for each in python(source) if path.endswith(".py") else prose(source):
        for match in WORDS.finditer(each.text):
            yield Finding(path, each.line + each.text.count("\n", 0, match.start()), match[0])
        opening = each.kind != "text" and OPENING.match(each.text.strip())
        noun = each.kind == "function" and NOUN.match(each.text.strip())
        if opening or noun:
            yield Finding(path, each.line, each.text.strip().partition("\n")[0])


def all_findings() -> list[Finding]:
    """Return the findings in all files, without the justified ones."""
    found = []
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        found += [each for each in findings(name, path.read_text()) if (name, each.text) not in ALLOWED]
    return found


def is_pending(path: str) -> bool:
    """Return True if the file is not yet rewritten."""
    return any(path == each or (each.endswith("/") and path.startswith(each)) for each in PENDING)


def test_no_word_to_avoid() -> None:
    assert not [str(each) for each in all_findings() if not is_pending(each.path)]


def test_the_lists_have_no_stale_entry() -> None:
    found = {each.path for each in all_findings()}
    stale = [each for each in PENDING if not any(path == each or path.startswith(each) for path in found)]
    stale += [each for each, _ in ALLOWED if not (ROOT / each).is_file()]
    assert not stale


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        ("a.py", '"""A module."""\n# it is told\n', ["a.py:2: told"]),
        ("a.py", 'print(f"{x} asks {y}")\n', ["a.py:1: asks"]),
        ("a.py", '"""A module.\n\nOf his own.\n"""\n', ["a.py:3: his"]),
        ("a.py", '"""What it is."""\n', ["a.py:1: What it is."]),
        ("a.py", 'class A:\n    """Whether it is so."""\n', ["a.py:2: Whether it is so."]),
        ("a.py", 'def f():\n    """The value."""\n', ["a.py:2: The value."]),
        ("a.py", 'def f():\n    """`data` compressed."""\n', ["a.py:2: `data` compressed."]),
        ("a.py", 'class A:\n    """The values."""\n\n    def f(self):\n        """Return them."""\n', []),
        ("a.py", 'def test_f():\n    """The value is 1."""\n', []),
        ("a.py", 'def test_f():\n    """What it is."""\n', ["a.py:2: What it is."]),
        ("a.py", "x = 'What else'  # The other\n", []),
        ("run", "#!/bin/sh\n# What runs.\necho\n", ["run:2: What runs."]),
        ("run", "#!/bin/sh\n# Start.\necho 'no file is there'\n", ["run:3: is there"]),
        ("page.md", "A key of one's\nown.\n", ["page.md:1: one's\nown"]),
        ("page.md", "There is a thesis, and the others brought it.\n", []),
    ],
)
def test_findings(path: str, source: str, expected: list[str]) -> None:
    assert [str(each) for each in findings(path, source)] == expected
