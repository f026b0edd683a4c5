"""examples/project, tested outside the checkout with an installed wheel; and docs/testing.md."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from notos.cache import Cache
from notos.vm import Machine
from tests.conftest import ROOT, clean_environment

EXAMPLE = ROOT / "examples/project"
DOCS = (ROOT / "docs/testing.md").read_text()
TESTS = re.findall(r"^def (test_\w+)", (EXAMPLE / "tests/test_web.py").read_text(), re.MULTILINE)
FAILING = """\
def test_that_fails(machine):
    machine.succeed("echo line of the test >/dev/console", "ls /none")
"""


@dataclass(frozen=True)
class Stranger:
    """A user with a copy of the example and an environment with the wheel, and nothing else."""

    root: Path

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def packages(self) -> Path:
        return next((self.root / "venv/lib").glob("python*/site-packages"))

    def python(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run the environment's Python in the project."""
        own = {
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "NOTOS_CACHE": str(Cache.default().root),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        environment = {name: value for name, value in clean_environment().items() if name not in NOT_HIS}
        return subprocess.run(
            [self.root / "venv/bin/python", *words],
            cwd=self.project,
            env={**environment, **own},
            capture_output=True,
            text=True,
            check=False,
        )

    def pytest(self, *words: str) -> tuple[str, list[ElementTree.Element]]:
        """Run pytest; return its output, and its test cases from the JUnit file."""
        report = self.project / "junit.xml"
        done = self.python("-m", "pytest", "-v", "--notos-accel=tcg", f"--junitxml={report}", *words)
        assert report.is_file(), done.stdout + done.stderr
        return done.stdout, list(ElementTree.parse(report).iter("testcase"))


NOT_HIS = ("PYTHONPATH", "PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "XDG_CACHE_HOME")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def stranger(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    he = Stranger(tmp_path_factory.mktemp("stranger"))
    for name in ("home", "tmp"):
        (he.root / name).mkdir()
    shutil.copytree(EXAMPLE, he.project, ignore=shutil.ignore_patterns("__pycache__", ".*", "*.lock"))
    run(sys.executable, "-m", "venv", "--without-pip", he.root / "venv")
    # The requirements of Notos come from this environment, in place of a network.
    (he.packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = he.root / "venv/bin/python"
    if Path(sysconfig.get_path("purelib"), "pip").is_dir():
        pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python]
        run(*pip, "install", "--quiet", "--no-index", "--no-deps", wheel)
    else:
        run("uv", "pip", "install", "--quiet", "--no-index", "--no-deps", "--python", python, wheel)
    return he


@pytest.fixture(scope="module")
def tested(stranger: Stranger) -> tuple[str, list[ElementTree.Element]]:
    """Return the results of the example's tests, after which the machine is built."""
    before = contents(stranger.root / "venv")
    done = stranger.pytest()
    assert contents(stranger.root / "venv") == before
    return done


def run(*command: str | Path) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def contents(folder: Path) -> Mapping[str, int]:
    """Return the files below a folder, with their times."""
    return {
        str(path.relative_to(folder)): path.lstat().st_mtime_ns
        for path in folder.rglob("*")
        if not path.is_dir() and path.suffix != ".pyc"
    }


def test_the_wheel_has_what_builds_machines_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        modes = {each.filename: each.external_attr >> 16 for each in archive.infolist()}
    graph = [path for folder in ("kernel", "runit", "scripts", "tasks") for path in tracked(folder)]
    expected = [
        *tracked("notos"),
        *(f"notos/graph/{path}" for path in ("dodo.py", *graph)),
    ]
    assert sorted(name for name in modes if ".dist-info/" not in name) == sorted(expected)
    for name, mode in modes.items():
        if ".dist-info/" not in name:
            source = ROOT / name.removeprefix("notos/graph/")
            assert bool(mode & 0o100) == os.access(source, os.X_OK), name


def tracked(folder: str) -> list[str]:
    return [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]


def test_notos_is_the_wheel_s(stranger: Stranger) -> None:
    code = "import notos, notos.home as h; print(notos.__file__, h.home(), sep='\\n')"
    package, graph = map(Path, stranger.python("-c", code).stdout.split())
    assert package.is_relative_to(stranger.packages)
    assert graph == stranger.packages / "notos/graph"


def test_pytest_documents_the_options_and_the_marker(stranger: Stranger) -> None:
    assert (
        "@pytest.mark.machine(config=None, overrides=None"
        in stranger.python("-m", "pytest", "--markers").stdout
    )
    helped = stranger.python("-m", "pytest", "--help").stdout
    documented = set(re.findall(r"`(-?-?notos[-_]\w+)`", table("options")))
    assert documented == set(re.findall(r"^ +(--notos-\w+|notos_\w+)\b", helped, re.MULTILINE))


def test_the_example_passes(tested: tuple[str, list[ElementTree.Element]]) -> None:
    printed, cases = tested
    assert [case.get("name") for case in cases] == TESTS, printed
    assert not [case for case in cases if len(case)], printed  # none failed, none was skipped


def test_its_artefacts_are_kept(stranger: Stranger, tested: object) -> None:
    artefacts = stranger.project / ".notos/artefacts"
    consoles = {
        path.parent.relative_to(artefacts).as_posix(): path for path in artefacts.rglob("console.log")
    }
    assert "tests-test_web.py/web" in consoles
    assert "tests-test_web.py--test_two_machines/client" in consoles
    assert len(consoles) == 5
    for name, path in consoles.items():
        lines = path.read_text().splitlines()
        assert all(re.match(r" *\d+\.\d{3}  ", line) for line in lines), name
        assert any("Entering stage-1..." in line for line in lines), name
    assert (artefacts / "tests-test_web.py/web/screen.png").is_file()


def test_nothing_is_left_elsewhere(stranger: Stranger, tested: object) -> None:
    assert {path.name for path in stranger.root.iterdir()} == {"home", "project", "tmp", "venv"}
    assert not list((stranger.root / "home").iterdir())
    assert all(path.name.startswith("pytest-of-") for path in (stranger.root / "tmp").iterdir())
    new = {path.name for path in stranger.project.iterdir()} - {path.name for path in EXAMPLE.iterdir()}
    assert new <= {".notos", ".pytest_cache", "config.lock", "junit.xml"}
    assert not [command for command in commands() if str(stranger.root) in command]


def commands() -> list[str]:
    """Return the command lines of all processes (proc_pid_cmdline(5))."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended
            continue
    return found


def test_a_failure_has_its_cause_and_newer_code_builds_anew(stranger: Stranger, tested: object) -> None:
    (stranger.project / "tests/test_failing.py").write_text(FAILING)
    with (stranger.packages / "notos/formats/cpio.py").open("a") as stream:
        stream.write("_NEWER = True\n")
    printed, cases = stranger.pytest("tests/test_failing.py")
    assert re.search(r"initrd .*\(notos/formats/cpio\.py changed\)", printed)
    (case,) = cases
    (failure,) = case.iter("failure")
    assert (failure.get("message") or "").startswith(
        "notos.errors.CommandError: web: ls /none: exit status 1"
    )
    for text in (
        "ls: /none: No such file",
        "- console of web -",
        "Entering stage-2...",
        "\nline of the test",
    ):
        assert text in (failure.text or "")
        assert text in printed
    properties = {each.get("name"): each.get("value") for each in case.iter("property")}
    assert Path(properties["artefacts of web"] or "", "console.log").is_file()


def table(name: str) -> str:
    return DOCS.split(f"<!-- table: {name} -->")[1].split("<!-- end -->")[0]


def cells(name: str) -> list[str]:
    """Return the code in the first column of a table."""
    rows = [line.split("|")[1] for line in table(name).splitlines() if line.startswith("|")]
    return [word for row in rows for word in re.findall(r"`(\w+)", row)]


def test_the_docs_name_all_that_a_machine_can_do() -> None:
    public = {name for name in dir(Machine) if not name.startswith("_")}
    assert set(cells("methods")) == public


@pytest.mark.parametrize("code", re.findall(r"^```python\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL))
def test_python_in_the_docs(code: str) -> None:
    compile(code, "docs/testing.md", "exec")
    if "machine: Machine" in code or "machine_factory" in code:  # quoted from the example
        lines = (EXAMPLE / "tests/test_web.py").read_text()
        assert code in lines
