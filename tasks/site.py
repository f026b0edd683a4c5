"""The docs as a site. Its generator is installed on first use.

The source of the site is a copy of the pages and of the files that they link to. It has the project's layout,
so that links work on the site and in a clone. A folder that a page links to gets a page that lists its files,
after the text of its README.md if it has one.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from notos.errors import NotosError
from tasks import developer_tools
from tasks.graph import Task, action
from tasks.usage import usage

SOURCE, SITE = Path("build/site-source"), Path("build/site")
_LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)\s]*)?\))")
_FENCED = re.compile(r"^(```.*?^```$)", re.MULTILINE | re.DOTALL)


def task_docs() -> Task:
    """build the docs as a site, build/site, and check its links"""
    return {"actions": [action(developer_tools.install), action(build)], "meta": usage()}


def build() -> None:
    """Stage the pages and build the site. Raises NotosError for dead links, ToolError if mkdocs fails."""
    stage(SOURCE)
    # Suppress the advertisement that mkdocs-material prints at every build.
    os.environ["NO_MKDOCS_2_WARNING"] = "1"
    developer_tools.run([sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--clean"])
    print(f"{SITE}/index.html")


def pages() -> list[Path]:
    """Return the pages, by their paths in the project."""
    return [Path("README.md"), *sorted(Path("docs").rglob("*.md"))]


def stage(target: Path) -> None:
    """Copy the pages, and the files that they link to, into the empty folder `target`.

    Raises NotosError for each link to a file or folder that does not exist.
    """
    import shutil

    shutil.rmtree(target, ignore_errors=True)
    problems: list[str] = []
    for page in pages():
        text = page.read_text()
        for linked in _linked(text):
            path = Path(os.path.normpath(page.parent / linked))
            if not path.exists() or path.parts[:1] == ("..",):
                line = text[: text.index(f"]({linked}")].count("\n") + 1
                problems.append(f"{page}:{line}: dead link: {linked}")
            elif path.is_dir():
                _list_folder(path, target)
            elif path not in pages():
                _copy(path, target)
        _write(target / page, _with_folders(text, page))
    if problems:
        raise NotosError("\n".join(problems), hint="mend the links")


def _linked(text: str) -> Iterator[str]:
    """Yield the relative addresses of a page's links, except those in code."""
    for match in _LINK.finditer(_FENCED.sub("", text)):
        if not re.match(r"[a-z]+:", match[2]):
            yield match[2]


def _with_folders(text: str, page: Path) -> str:
    """Return a page's text, with links to folders changed to links to their lists."""

    def lead(match: re.Match[str]) -> str:
        there = Path(os.path.normpath(page.parent / match[2]))
        address = f"{match[2].rstrip('/')}/{_page_of(there)}" if there.is_dir() else match[2]
        return f"{match[1]}{address}{match[3]}"

    parts = _FENCED.split(text)
    return "".join(part if at % 2 else _LINK.sub(lead, part) for at, part in enumerate(parts))


def _page_of(folder: Path) -> str:
    """Return the name of a folder's page; mkdocs accepts only one of the two in a folder."""
    own = folder / "README.md"
    return own.name if own.is_file() and own not in pages() else "index.md"


def _list_folder(folder: Path, target: Path) -> None:
    found = sorted(
        path for path in folder.rglob("*") if path.is_file() and not {"__pycache__", ".notos"} & {*path.parts}
    )
    page = folder / _page_of(folder)
    lines = [page.read_text() if page.is_file() else f"# {folder}\n"]
    for path in found:
        if path == page:
            continue
        _copy(path, target)
        name = path.relative_to(folder).as_posix()
        lines.append(f"- [{name}]({name})")
    _write(target / page, "\n".join(lines) + "\n")


def _copy(path: Path, target: Path) -> None:
    import shutil

    copy = target / path
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, copy)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
