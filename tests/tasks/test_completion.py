"""Completion by TAB in real shells, from a tools tree, and the candidates that they get."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from notos import architecture, loader
from notos.cache import Cache
from notos.debian import deb
from notos.debian.archive import Archive
from notos.lock import lockfile
from notos.toolchain import peers, tools_tree
from tests.conftest import ROOT, Project, clean_environment, copy_project
from tests.terminal import Terminal

SHELLS = ("bash", "fish", "fish-common", "zsh", "zsh-common")
KEPT = ROOT / "build/tests/shells.lock"
# Libraries of parts of them that packages only recommend.
LIBRARIES = ("libgdbm6t64", "libncursesw6", "libpcre2-8-0")


@pytest.fixture(scope="module")
def shells() -> tools_tree.ToolsTree:
    """Real shells of Debian's."""
    debian = loader.load(ROOT / "config.yaml").machine.debian
    return peers.tree((*SHELLS, *LIBRARIES), Archive(debian, Cache.default(), architecture.host()), KEPT)


@pytest.fixture(scope="module")
def functions(shells: tools_tree.ToolsTree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the functions of zsh, which a tools tree lacks."""
    locked = lockfile.read(KEPT)
    assert locked
    folder = tmp_path_factory.mktemp("zsh")
    deb.read(Cache.default().download(locked.packages["zsh-common"].sha256)).write_to(folder)
    return folder / "usr/share/zsh/functions"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a copy whose ./doit uses this environment."""
    made = copy_project(tmp_path_factory.mktemp("completion") / "notos")
    (made.root / ".venv/bin").mkdir(parents=True)
    (made.root / ".venv/bin/python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (made.root / ".venv/bin/python").chmod(0o755)
    (made.root / ".venv/requirements.txt").write_bytes((made.root / "requirements.txt").read_bytes())
    (made.root / "a folder").mkdir()
    (made.root / "a folder/odd name.yaml").write_text("name: odd\n")
    return made


def environment(**more: str) -> Mapping[str, str]:
    return {**clean_environment(), "TERM": "xterm", "LC_ALL": "C.UTF-8", "PS1": "> ", **more}


def words(project: Project, *line: str, cwd: Path | None = None, **more: str) -> list[str]:
    """Return the candidates for the last word of a line."""
    done = subprocess.run(
        [project.root / "doit", "complete", *line],
        cwd=cwd or project.root,
        env=environment(**more),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return [each.partition("\t")[0] for each in done.stdout.splitlines()]


def test_candidates(project: Project) -> None:
    every = words(project, "")
    listed = subprocess.run(
        [sys.executable, "-m", "tasks", "list", "--all", "--quiet"],
        cwd=project.root,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert {*listed.stdout.split(), "help", "clean", "completion"} <= set(every)
    assert not {"strace", "dumpdb", "complete", "config="} & set(every)
    assert words(project, "help", "kernel:") == [each for each in every if each.startswith("kernel:")]
    assert words(project, "boot-report", "--") == [
        "--against",
        "--config",
        "--help",
        "--json",
        "--runs",
        "--svg",
    ]
    assert words(project, "boot-report", "--against", "pyp") == ["pyproject.toml"]
    assert words(project, "boot-report", "--runs", "") == []
    assert {"test", "test-docs"} <= set(words(project, "rollback", "t"))
    assert words(project, "rollback", "--t") == ["--to"]
    assert words(project, "ssh", "") == ["--config", "--help", "--host", "--port"]
    assert words(project, "ssh", "--host", "x", "--p") == ["--port"]
    assert words(project, "why", "squ") == ["squashfs"]
    assert words(project, "completion", "") == ["bash", "fish", "zsh"]
    assert words(project, "clean", "--d") == ["--dry-run"]
    assert words(project, "--v") == ["--version"]
    assert words(project, "publish", "to=a") == ["to=a folder/"]
    assert words(project, "publish", "--to", "a") == ["a folder/"]
    assert words(project, "publish", "--to=a") == ["--to=a folder/"]
    assert words(project, "publish", "--key", "pyp") == ["pyproject.toml"]
    assert words(project, "switch", "--port", "") == []


def test_configs_are_the_caller_s(project: Project) -> None:
    assert words(project, "config=examples/mi") == ["config=examples/minimal.yaml"]
    found = words(project, "config=", cwd=project.root / "examples")
    assert "config=minimal.yaml" in found
    assert not [each for each in found if not each.endswith((".yaml", "/"))]
    assert words(project, "config=a folder/") == ["config=a folder/odd name.yaml"]
    for before in ([], ["list"], ["runvm"], ["switch", "--dry-run"]):
        assert words(project, *before, "--config", "examples/mi") == ["examples/minimal.yaml"]
        assert words(project, *before, "--config=examples/mi") == ["--config=examples/minimal.yaml"]


def test_they_follow_the_graph(project: Project) -> None:
    """The kernel of a config from source has a tools tree more; a broken config leaves the commands."""
    assert "tools:kernel" not in words(project, "tools:")
    for before in (
        ["config=examples/fast.yaml"],
        ["--config", "examples/fast.yaml"],
        ["--config=examples/fast.yaml"],
    ):
        assert "tools:kernel" in words(project, *before, "tools:")
    (project.root / "broken.yaml").write_text("name: [\n")
    found = words(project, "config=broken.yaml", "")
    assert "help" in found
    assert "runvm" not in found


def test_the_script_for_bash_is_linted() -> None:
    shellcheck = Path(sys.executable).parent / "shellcheck"
    subprocess.run([shellcheck, ROOT / "scripts/completion/bash"], check=True)


def test_a_tab_makes_no_environment(project: Project, tmp_path: Path) -> None:
    fresh = copy_project(tmp_path / "fresh")
    done = subprocess.run(
        [fresh.root / "doit", "complete", ""], env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert not (fresh.root / ".venv").exists()


def rc(shell: str, tree: tools_tree.ToolsTree, functions: Path, home: Path) -> list[str]:
    """Return the arguments of the shell; its startup files are written to `home`."""
    if shell == "bash":
        (home / "rc").write_text(
            "PS1='> '\nbind 'set enable-bracketed-paste off'\nsource <(./doit completion bash)\n"
        )
        return ["--noprofile", "--rcfile", str(home / "rc"), "-i"]
    (home / ".zshrc").write_text(
        f"module_path=({tree.root}/usr/lib/x86_64-linux-gnu/zsh/*(/))\n"
        f"fpath=({functions} {functions}/**/*(/))\n"
        "PS1='> '\nunset zle_bracketed_paste\nautoload -Uz compinit\ncompinit -u -D\n"
        "source <(./doit completion zsh)\n"
    )
    return ["-o", "NO_GLOBAL_RCS", "-i"]


@pytest.fixture(scope="module", params=["bash", "zsh"])
def terminal(
    request: pytest.FixtureRequest,
    shells: tools_tree.ToolsTree,
    functions: Path,
    project: Project,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Terminal]:
    """Yield a shell with our completion, on a terminal."""
    home = tmp_path_factory.mktemp(request.param)
    command = [*shells.command(request.param), *rc(request.param, shells, functions, home)]
    with Terminal(command, project.root, environment(HOME=str(home), ZDOTDIR=str(home))) as made:
        made.type("echo re''ady\n")
        made.wait_for("\nready")
        yield made


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("./doit squ", ["squashfs", "X"]),
        ("./doit config=examples/mi", ["config=examples/minimal.yaml", "X"]),
        ("./doit config=exam", ["config=examples/X"]),
        (r"./doit config=a\ folder/o", ["config=a folder/odd name.yaml", "X"]),
        ("./doit kernel:men", ["kernel:menuconfig", "X"]),
        ("./doit help kernel:men", ["help", "kernel:menuconfig", "X"]),
        ("./doit boot-report --aga", ["boot-report", "--against", "X"]),
        ("./doit switch --hos", ["switch", "--host", "X"]),
        ("./doit --config=exam", ["--config=examples/X"]),
        ("./doit list --config examples/mi", ["list", "--config", "examples/minimal.yaml", "X"]),
        ("./doit completion f", ["completion", "fish", "X"]),
    ],
    ids=lambda each: each[:24] if isinstance(each, str) else "",
)
def test_tab(terminal: Terminal, typed: str, words: list[str]) -> None:
    """TAB and an X, then the shell prints the words of the line."""
    terminal.type(f"{typed}\tX\x01printf '<%s>' \n")
    terminal.wait_for(re.escape("".join(f"<{each}>" for each in ["./doit", *words])))


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("./doit squ", ["squashfs"]),
        ("./doit config=examples/mi", ["config=examples/minimal.yaml"]),
        ("./doit kernel:men", ["kernel:menuconfig"]),
        ("./doit switch --", ["--config", "--dry-run", "--force", "--help", "--host", "--port", "--within"]),
        ("./doit boot-report --against RE", []),
        ("./doit completion ", ["bash", "fish", "zsh"]),
        ("./doit ssh ", ["--config", "--help", "--host", "--port"]),
    ],
)
def test_fish(shells: tools_tree.ToolsTree, project: Project, typed: str, shown: list[str]) -> None:
    script = "./doit completion fish | source; complete -C $argv[1]"
    done = subprocess.run(
        [*shells.command("fish"), "--no-config", "-c", script, typed],
        cwd=project.root,
        env=environment(HOME=str(project.root)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert [re.split(r"\t", each)[0] for each in done.stdout.splitlines()] == shown


def test_a_tab_is_fast(project: Project) -> None:
    """The processor's time, for the tests run beside others."""
    before = os.times()
    words(project, "sw")
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    assert used < 1.0
