"""README.md and docs/: every config loads, every command has a test, no link is dead, messages exist.

The slow tests, which run the commands in the order of their page, are in tests/docs/test_pages.py.
"""

import ast
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from notos import loader
from notos.errors import NotosError
from notos.vm.plugin import MachineFactory
from tasks import site
from tests.conftest import ROOT, Project, clean_environment, copy_project
from tests.docs.pages import Block, Command, blocks, inline_commands, pages
from tests.docs.session import STEADY, compare, write_config, write_files
from tests.docs.ways import WAYS, way
from tests.signed_archive import Deb

# Words of the page for people who know Debian: Debian's own, and files of a project.
NAMES = ("config.lock", "runvm.sh", "sudo", "logrotate.timer", "reboot", "poweroff")
PAGES = {path.relative_to(ROOT).as_posix(): path for path in pages()}
MOST_NOT_RUN = 4  # blocks; each has its reason in a comment
CONFIGS = [each for path in pages() for each in blocks(path) if each.is_config]


def commands(page: str) -> list[Command]:
    """Return all commands of a page, also those of CI and those in its text."""
    found = [each for block in blocks(PAGES[page]) if not block.not_run for each in block.commands]
    found += [each for block in blocks(PAGES[page]) for each in block.workflow_commands]
    return [*found, *inline_commands(PAGES[page])]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_can_be_proven(page: str) -> None:
    unknown = [f"{page}:{each.line}: {each.text}" for each in commands(page) if way(each.text) is None]
    assert not unknown
    for block in blocks(PAGES[page]):
        block.check_listing()


@pytest.mark.parametrize("text", ["./frob --all\n", "ls /\n", ".venv/bin/python x.py\n"])
def test_a_command_that_no_way_knows_is_found(text: str) -> None:
    with pytest.raises(AssertionError, match=r"page\.md:7: no way to prove"):
        Block("page.md", 7, "", text).check_listing()


def test_what_is_a_command_and_what_it_prints(tmp_path: Path) -> None:
    text = "$ ./doit list    # remark\nruns\n  too\n$ ./doit why\n"
    assert Block("page.md", 1, "", text).commands == (
        Command("./doit list", 1, ("runs", "  too")),
        Command("./doit why", 4),
    )
    assert Block("page.md", 1, "", "config.yaml:3: unknown key\n").commands == ()
    assert Block("page.md", 1, "sh", "# a/b\nls\n").commands == ()
    assert [each.text for each in Block("page.md", 1, "sh", "# remark of words\nls\n").commands] == ["ls"]


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("run: web: (pid 12) 3s", "run: web: (pid 7) 12s\n", True),
        ("run: web: (pid 12) 3s", "down: web: 3s\n", False),
        ("a … b", "x\na 1 2 b\n", True),
        ("/nix/store/dspaswbw6bsmcnrjl7xkl5syckramnyj-stage-1", f"/nix/store/{'0' * 32}-stage-1\n", True),
        ("/nix/store/dspaswbw6bsmcnrjl7xkl5syckramnyj-stage-1", "/nix/store/0-stage-1\n", False),
    ],
)
def test_output_is_compared(shown: str, printed: str, same: bool) -> None:
    command = Command("./doit list", 1, (shown,))
    if same:
        compare("page.md:1", command, printed)
    else:
        with pytest.raises(AssertionError, match="does not print"):
            compare("page.md:1", command, printed)


def test_output_is_compared_in_order() -> None:
    with pytest.raises(AssertionError, match="in this order"):
        compare("page.md:1", Command("./doit list", 1, ("b", "a")), "a\nb\n")


def test_few_blocks_are_not_run() -> None:
    assert len([each for path in pages() for each in blocks(path) if each.not_run]) <= MOST_NOT_RUN


def test_tests_elsewhere_exist() -> None:
    used = {way(each.text) for page in PAGES for each in commands(page)}
    assert used >= {each for each in WAYS if each.kind != "elsewhere"}  # else a pattern is no longer needed
    for each in used:
        if each and each.kind == "elsewhere":
            file, _, test = each.test.partition("::")
            assert (ROOT / file).is_file(), each
            assert f"def {test}" in (ROOT / file).read_text(), each


PARSE = """
import json, sys
from notos.errors import UsageError
from tasks import arguments, command_line, usage
unknown, tasks = [], command_line.load({})
commands = {*arguments.COMMANDS, "help", "completion", "--version"}
for program, *words in json.load(sys.stdin):
    usage.called_as("notos" if program.endswith("notos") else program)
    try:
        line = arguments.parse(words)
        if line.words and line.words[0] in commands and line.words[0] not in usage.own_words():
            continue
        named = arguments.selected(tasks, list(line.words), given=line.variables)
        arguments.take_variables(named or [tasks["runvm"]], tasks, line.variables)
    except UsageError as error:
        if len(words) == 1 and "missing option" in str(error):
            continue  # the text only names the task
        unknown.append(f"{words}: {error}")
print(json.dumps(unknown))
"""


def words_of_doit(text: str) -> list[str]:
    """Return the words of the first command in a line, without its environment; none if it is not doit's."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&<>")
    lexer.whitespace_split, lexer.commenters = True, ""
    words = list(itertools.takewhile(lambda word: not re.fullmatch(r"[|&<>]+", word), lexer))
    words = list(itertools.dropwhile(lambda word: re.match(r"[A-Z_]+=", word), words))
    return words if words and words[0] in ("./doit", ".venv/bin/notos") else []


def test_tasks_and_their_options_exist() -> None:
    """The check covers all commands of doit, also those in the text and those that no session runs."""
    found = [
        words_of_doit(each.text)
        for page in PAGES
        for each in commands(page)
        if (how := way(each.text)) and how.kind != "elsewhere"
    ]
    found = [words for words in found if words]
    assert len(found) > 60
    done = subprocess.run(
        [sys.executable, "-c", PARSE],
        cwd=ROOT,
        env=clean_environment(),
        input=json.dumps(found),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_files_that_commands_only_read_exist() -> None:
    texts = [each.text for page in PAGES for each in commands(page)]
    named = [word for text in texts if (found := way(text)) and found.kind == "file" for word in text.split()]
    assert [word for word in named if word.startswith("notos/") and not (ROOT / word).is_file()] == []


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    """Return a folder with the files that the examples refer to, as in a clone."""
    for name in ("examples", "kernel", "notos"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.parametrize("block", CONFIGS, ids=lambda block: block.place)
def test_a_config_loads(block: Block, reader: Path) -> None:
    """A whole config loads by itself; lines for a config load together with `name: x`."""
    write_files(reader, blocks(PAGES[block.page]))
    path = reader / (block.path or "lines.yaml")
    path.write_text(block.text)
    if not block.is_whole:
        path = reader / "x.yaml"
        path.write_text(yaml.safe_dump({"imports": [block.path or "lines.yaml"], "name": "x"}))
    loader.load(path)


@pytest.mark.parametrize("page", sorted({block.page for block in CONFIGS}))
def test_the_configs_of_a_page_can_stand_together(page: str, reader: Path) -> None:
    write_files(reader, blocks(PAGES[page]))
    if path := write_config(reader, "x", blocks(PAGES[page])):
        loader.load(path)


# The page for people who know Debian

FROM_DEBIAN = "docs/howto/from-debian.md"
KEYS = {
    part
    for line in PAGES["docs/configuration.md"].read_text().splitlines()
    if (match := re.match(r"\| `([\w.\[\]]+)` \|", line))
    for part in (match[1], match[1].rpartition(".")[2])
}


def codes() -> Iterator[tuple[int, str]]:
    """Yield the lines and texts of code in the right columns of the page's tables."""
    for number, line in enumerate(PAGES[FROM_DEBIAN].read_text().splitlines(), 1):
        if line.startswith("| ") and not line.startswith("| on Debian"):
            cells = line.strip("| ").split(" | ")
            assert len(cells) == 2, line
            yield from ((number, each) for each in re.findall(r"`([^`]+)`", cells[1]))


@pytest.mark.parametrize(("line", "code"), [*codes()])
def test_rows_for_people_who_know_debian(line: int, code: str, reader: Path) -> None:
    """Each is lines of a config that load, a command that the tests run, or the name of a key or file."""
    found = blocks(PAGES[FROM_DEBIAN])
    if re.match(r"\w+: ", code):
        write_files(reader, found)
        (reader / "my.deb").write_bytes(Deb("my").build())
        path = reader / "row.yaml"
        path.write_text(f"name: x\n{code}\n")
        loader.load(path)
    elif code.startswith("./"):
        assert way(code), line
    else:
        run = [command.text for block in found for command in block.commands]
        assert code in KEYS or any(code in each for each in run) or code in NAMES, f"{line}: {code}"


def test_workflows_are_read_as_ci_reads_them() -> None:
    """Each has jobs with steps that run commands (GitHub's workflow syntax; GitLab's CI/CD YAML syntax)."""
    found = [
        each for path in pages() for each in blocks(path) if each.language == "yaml" and not each.is_config
    ]
    assert len(found) >= 3
    for block in found:
        parsed = yaml.safe_load(block.text)
        assert block.workflow_commands, block.place
        if block.path.startswith(".github/"):
            assert {"name", "jobs"} <= parsed.keys()
            assert True in parsed  # `on`, which YAML 1.1 takes for a boolean
            for job in parsed["jobs"].values():
                assert job["runs-on"]
                assert all(("uses" in step) != ("run" in step) for step in job["steps"])
        else:
            assert all("script" in job and "image" in job for job in parsed.values())


def test_shell_and_python_of_the_docs() -> None:
    for path in pages():
        for block in blocks(path):
            if block.language == "python":
                compile(block.text, block.place, "exec")
            elif block.language == "sh" and block.path:
                subprocess.run(["sh", "-n"], input=block.text, text=True, check=True)


# The services of the reference's page, in one machine


@pytest.fixture(scope="module")
def service_examples(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a copy of the project, built with all lines of docs/configuration.md as its config."""
    project = copy_project(tmp_path_factory.mktemp("docs") / "notos")
    found = blocks(ROOT / "docs/configuration.md")
    write_files(project.root, found)
    assert write_config(project.root, "docs-configuration", found)
    project.doit("runvm")
    return Project(project.root, "docs-configuration")


def test_the_service_examples_stay_up(
    service_examples: Project, machine_factory: MachineFactory, tmp_path: Path
) -> None:
    machine = machine_factory.at(service_examples.script, environment={"DISK": str(tmp_path / "disk.img")})
    names = sorted(loader.load(service_examples.root / "config.yaml").machine.services)
    assert {"metrics", "web"} <= {*names}
    for name in names:
        machine.wait_for_unit(name, steady=STEADY)
    assert machine.succeed("wget -qO- http://localhost/") == "<h1>It works</h1>\n"


# Links and pages


def test_the_site_is_built_and_has_no_dead_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mkdocs --strict passes, and so does a check of the site: files, anchors, pictures, style sheets."""
    monkeypatch.chdir(ROOT)
    source, made = tmp_path / "source", tmp_path / "site"
    site.stage(source)
    settings = tmp_path / "mkdocs.yml"
    settings.write_text(f"INHERIT: {ROOT}/mkdocs.yml\ndocs_dir: {source}\nsite_dir: {made}\n")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", settings],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = {path: Page(path.read_text()) for path in made.rglob("*.html") if path.name != "404.html"}
    assert len(found) > len(PAGES)
    assert list(_dead(made, found)) == []
    # A page loads nothing from other servers; links that a reader follows may lead anywhere.
    for path, page in found.items():
        assert not [each for each in page.fetched if urlsplit(each).netloc], path


class Page(HTMLParser):
    """The addresses and anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.anchors.add(value)
            elif name in ("href", "src") and value:
                rel = dict(attrs).get("rel")
                if tag == "a":
                    self.links.append(value)
                elif rel not in ("canonical", "prev", "next"):
                    self.fetched.append(value)


def _dead(made: Path, found: dict[Path, Page]) -> Iterator[str]:
    for path, page in found.items():
        for address in [*page.links, *page.fetched]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if there.is_dir():
                there /= "index.html"
            where = f"{path.relative_to(made)}: {address}"
            if not there.is_file():
                yield f"{where}: no such file"
            elif parts.fragment and there in found and unquote(parts.fragment) not in found[there].anchors:
                yield f"{where}: no such anchor"


def test_the_check_of_links_can_fail(tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text('<a href="none/">1</a><a href="#none">2</a><h2 id="some">3</h2><a href="#some">4</a>')
    assert len(list(_dead(tmp_path, {page: Page(page.read_text())}))) == 2


def test_dead_links_are_reported_with_their_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("docs").mkdir()
    Path("README.md").write_text("one\n\n[a](docs/none.md) [b](docs) [d](..)\n\n```\n[c](code.md)\n```\n")
    with pytest.raises(NotosError, match=r"README\.md:3: dead link: docs/none\.md\n") as info:
        site.stage(tmp_path / "site")
    assert "code.md" not in str(info.value)
    assert "README.md:3: dead link: ..\n" in f"{info.value.message}\n"


def test_a_link_to_the_project_s_folder_lists_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    monkeypatch.chdir(tmp_path)
    Path("project/docs").mkdir(parents=True)
    monkeypatch.chdir("project")
    Path("README.md").write_text("one\n")
    Path("docs/a.md").write_text("[up](..)\n")
    site.stage(source)
    assert (source / "docs/a.md").read_text() == "[up](../index.md)\n"
    assert "(README.md)" in (source / "index.md").read_text()


def test_a_folder_s_page_begins_with_its_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mkdocs refuses a folder with index.md and README.md."""
    monkeypatch.chdir(tmp_path)
    Path("docs").mkdir()
    Path("machine").mkdir()
    Path("README.md").write_text("[machine](machine)\n")
    Path("machine/README.md").write_text("# A machine\n")
    Path("machine/config.yaml").write_text("name: x\n")
    site.stage(tmp_path / "site")
    assert (tmp_path / "site/README.md").read_text() == "[machine](machine/README.md)\n"
    assert not (tmp_path / "site/machine/index.md").exists()
    page = (tmp_path / "site/machine/README.md").read_text()
    assert page == "# A machine\n\n- [config.yaml](config.yaml)\n"


def test_every_page_can_be_found() -> None:
    """Each is in the site's navigation."""

    def files(node: object) -> Iterator[str]:
        if isinstance(node, str):
            yield node
        elif isinstance(node, list | dict):
            for each in node.values() if isinstance(node, dict) else node:
                yield from files(each)

    assert sorted(files(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])) == sorted(PAGES)


# What the pages quote


def test_messages_of_the_troubleshooting_page_exist() -> None:
    """Each part of a message between "…" is in the sources, or comes from another program."""
    others = (
        "Out of memory: Killed process ",
        "No such file or directory",
        "Permission denied (publickey)",
    )
    sources = "\n".join(_texts(ROOT))
    quoted = [
        message
        for line in (ROOT / "docs/troubleshooting.md").read_text().splitlines()
        if line.startswith("| ") and (cell := line.split("|")[1])
        for message in re.findall(r"`([^`]+)`", cell)
    ]
    parts = [part for each in quoted for part in each.split("…") if len(part.strip()) > 3]
    assert len(parts) > 30
    assert [part for part in parts if part.strip() not in sources and part not in others] == []


def _texts(root: Path) -> Iterator[str]:
    """Yield all texts of the code; of Python, the constant parts of strings."""
    for path in [*root.glob("notos/**/*.py"), *root.glob("tasks/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield "".join(
                    str(each.value) if isinstance(each, ast.Constant) else "\0" for each in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
    for path in [root / "doit", *root.glob("scripts/**/*"), *root.glob("runit/**/*")]:
        if path.is_file():
            yield path.read_text()


def test_readme_names_what_a_host_needs() -> None:
    text = (ROOT / "README.md").read_text()
    assert "python3-venv" in text
    assert "./doit runvm && ./result" in text


def test_the_readmes_test_command_is_what_ci_runs() -> None:
    assert "    ./doit test\n" in (ROOT / "README.md").read_text()
    assert "./doit" in (ROOT / ".ci/run").read_text()


def test_what_the_site_needs_is_pinned() -> None:
    """Packages have a version and hashes, no named index, and one file each."""
    text = (ROOT / "requirements-docs.txt").read_text()
    pinned = re.findall(
        r"^([a-z0-9-]+)==\S+(.*)\n((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE
    )
    assert {"mkdocs", "mkdocs-material"} <= {name for name, _, _ in pinned}
    assert len(re.findall(r"==", re.sub(r" ; .*", "", text))) == len(pinned)
    assert "://" not in text
    others = re.findall(r"^([a-z0-9-]+)==\S+ \\", (ROOT / "requirements-test.txt").read_text(), re.MULTILINE)
    assert not {name for name, _, _ in pinned} & {*others}
