"""The pages of the docs: a reader runs all commands of a page, and builds its configs (./doit test-docs)."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, copy_project
from tests.docs.pages import blocks, pages
from tests.docs.session import Session, write_files
from tests.docs.ways import way

RUN = ("boot", "machine", "run", "fetch")
# tests/machines/test_switch.py switches machines, and compares what this page shows.
ELSEWHERE = ("docs/running.md",)


def is_run(path: Path) -> bool:
    """Return True if a page has a command that a session runs."""
    commands = [each.text for block in blocks(path) if not block.not_run for each in block.commands]
    return any(found.kind in RUN for text in commands if (found := way(text)))


PAGES = {block.page: path for path in pages() if is_run(path) for block in blocks(path)[:1]}


@pytest.mark.parametrize("page", [each for each in PAGES if each not in ELSEWHERE])
def test_the_commands_of_a_page(page: str, program: Callable[[str], list[str]], tmp_path: Path) -> None:
    clone = copy_project(tmp_path / "notos")
    for name in ("README.md", ".gitignore"):
        shutil.copy(ROOT / name, clone.root)
    Session(clone, page, blocks(PAGES[page]), program).run()


def test_whole_configs_are_built(tmp_path: Path) -> None:
    clone = copy_project(tmp_path / "notos")
    found = [block for path in pages() for block in blocks(path) if block.is_whole]
    assert found
    for block in found:
        write_files(clone.root, blocks(ROOT / block.page))
        name = block.path or f"whole-{block.line}.yaml"
        (clone.root / name).write_text(block.text)
        clone.doit(f"config={name}", "runvm")
