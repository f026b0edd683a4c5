"""The pages for contributors, the editor's settings and the pre-commit hook: what they name exists."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml

from notos import __version__
from tasks import arguments, command_line
from tests.conftest import ROOT

PAGES = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
NO_TASKS = {*arguments.COMMANDS, "help", "completion", "--version"}


def tracked() -> list[str]:
    """Return the files that git knows, those of a copy without git's database too."""
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [each for each in done.stdout.splitlines() if (ROOT / each).is_file()]


def code(page: str) -> Iterator[str]:
    """Yield the lines of code blocks and the inline code of a page."""
    text = (ROOT / page).read_text()
    yield from (line.strip() for line in re.findall(r"^    (.*)$", text, re.MULTILINE))
    yield from re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text())
    assert links
    assert [each for each in links if "://" not in each and not (ROOT / each).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_right(page: str) -> None:
    tasks = command_line.load({})
    found = [each for each in code(page) if re.match(r"\./doit [a-z]", each)]
    assert found
    for text in found:
        words = shlex.split(text, comments=True)[1:]
        line = arguments.parse(words)
        if line.words[0] in NO_TASKS or words == ["publish"]:
            continue
        named = arguments.selected(tasks, list(line.words), given=line.variables)
        arguments.take_variables(named, tasks, line.variables)


def test_paths_in_code_exist() -> None:
    for page in PAGES:
        for text in code(page):
            named = re.findall(r"(?<![\w/=~.])(?:notos|tasks|tests|scripts|runit|\.ci)/[\w./-]*", text)
            assert [each for each in named if not (ROOT / each).exists()] == [], f"{page}: {text}"


def test_the_layout_has_each_package() -> None:
    named = set(re.findall(r"\]\((notos/\w+|\w+)\)", (ROOT / "CONTRIBUTING.md").read_text()))
    packages = {f"notos/{path.parent.name}" for path in (ROOT / "notos").glob("*/__init__.py")}
    folders = {each.partition("/")[0] for each in tracked() if "/" in each and not each.startswith(".")}
    assert packages | folders - {"notos", "docs"} <= named


def test_the_hook_is_what_developers_and_ci_run() -> None:
    """Also the suites of .ci/run depend on the task check."""
    parsed = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (repository,) = parsed["repos"]
    (hook,) = repository["hooks"]
    assert repository["repo"] == "local"
    assert hook["entry"].split() == ["./doit", "check"]
    tasks = command_line.load({})
    suites = re.findall(r"for suite in (.*); do", (ROOT / ".ci/run").read_text())[0].split()
    assert all(tasks[each].task_dep == ["check"] for each in suites)


def test_the_changelog_has_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings[1].split()[0] == __version__
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= kinds


def rules(path: str) -> dict[str, str]:
    """Return what .editorconfig says of a file; later sections override earlier ones."""
    found: dict[str, str] = {}
    applies = False
    for line in (ROOT / ".editorconfig").read_text().splitlines():
        if line.startswith("["):
            applies = any(_matches(path, each) for each in _alternatives(line[1:-1]))
        elif " = " in line and applies:
            name, _, value = line.partition(" = ")
            found[name] = value
    return found


def _alternatives(pattern: str) -> list[str]:
    before, brace, rest = pattern.partition("{")
    inner, _, after = rest.partition("}")
    return [f"{before}{each}{after}" for each in inner.split(",")] if brace else [pattern]


def _matches(path: str, pattern: str) -> bool:
    return fnmatchcase(path if "/" in pattern else Path(path).name, pattern)


def test_files_follow_the_editor_s_settings() -> None:
    """Text files: final newline, no blanks before the end of a line, the characters of an indent."""
    assert rules("tasks/x.py")["indent_style"] == "space"
    assert rules("scripts/step")["indent_style"] == "tab"
    assert rules("x.yml")["indent_size"] == "2"
    wrong = []
    for each in tracked():
        data = (ROOT / each).read_bytes()
        if b"\0" in data or not data:
            continue
        text, wanted = data.decode(), rules(each)
        if not text.endswith("\n"):
            wrong.append(f"{each}: no newline at the end")
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                wrong.append(f"{each}:{number}: blanks at the end")
            # ruff sees to Python's; there a tab may be the text of a file that a test writes
            if wanted.get("indent_style") == "space" and line.startswith("\t") and not each.endswith(".py"):
                wrong.append(f"{each}:{number}: a tab as indent")
            if wanted.get("indent_style") == "tab" and re.match(r" {4}", line):
                wrong.append(f"{each}:{number}: blanks as indent")
    assert wrong == []
