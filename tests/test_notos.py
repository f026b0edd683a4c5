"""The command notos, from an installed wheel: a new project is made, built and tested anywhere."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from notos import __version__, skeleton
from notos.__main__ import config, project
from notos.cache import Cache
from notos.errors import UsageError
from tests.conftest import ROOT, clean_environment, copy_project

OUTPUTS = ("vmlinuz", "initrd", "root.squashfs")


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and a folder to work in."""

    root: Path

    def call(
        self, *words: str, program: str = "notos", cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment."""
        own = {"HOME": str(self.root / "home"), "NOTOS_CACHE": str(Cache.default().root)}
        kept = {
            name: value for name, value in clean_environment().items() if name not in ("PYTHONPATH", "TERM")
        }
        return subprocess.run(
            [self.root / "venv/bin" / program, *words],
            cwd=cwd or self.root,
            env={**kept, **own},
            capture_output=True,
            text=True,
            check=False,
        )


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    made = Installed(tmp_path_factory.mktemp("installed"))
    (made.root / "home").mkdir()
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", made.root)
    (wheel,) = made.root.glob("*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", made.root / "venv")
    # What Notos needs is taken from this environment, in place of a network.
    packages = next((made.root / "venv/lib").glob("python*/site-packages"))
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = made.root / "venv/bin/python"
    if Path(sysconfig.get_path("purelib"), "pip").is_dir():
        pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python]
        run(*pip, "install", "--quiet", "--no-index", "--no-deps", wheel)
    else:
        run("uv", "pip", "install", "--quiet", "--no-index", "--no-deps", "--python", python, wheel)
    # As doit's wheel installs it.
    doit = made.root / "venv/bin/doit"
    doit.write_text(f"#!{python}\nimport sys\nfrom doit.__main__ import main\nsys.exit(main())\n")
    doit.chmod(0o755)
    return made


@pytest.fixture(scope="module")
def web(installed: Installed) -> Path:
    """Return a new project, built."""
    done = installed.call("new", "web")
    assert done.returncode == 0, done.stderr
    folder = installed.root / "web"
    done = installed.call("build", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_version_and_help(installed: Installed) -> None:
    assert installed.call("--version").stdout.startswith(f"Notos {__version__} (doit ")
    done = installed.call("help")
    assert done.stdout == installed.call("-h").stdout == installed.call().stdout
    assert len(done.stdout.splitlines()) <= 40
    assert all(
        f"notos {word}" in done.stdout for word in ("new DIR", "build", "run", "ssh", "switch", "test")
    )
    assert "./doit" not in done.stdout
    assert "Example\n  notos new web" in installed.call("new", "--help").stdout


def test_what_a_new_project_has(web: Path) -> None:
    made = {path.relative_to(web).as_posix() for path in web.rglob("*") if path.is_file()}
    assert {
        ".github/workflows/test.yml",
        ".gitignore",
        "README.md",
        "config.lock",
        "config.yaml",
        "pyproject.toml",
        "services/web/run",
        "tests/test_machine.py",
        "www/index.html",
    } == {each for each in made if not each.startswith("build/")} - {"result"}
    assert os.access(web / "services/web/run", os.X_OK)
    assert (web / "result").resolve() == web / "build/web/runvm.sh"
    assert yaml.safe_load((web / ".github/workflows/test.yml").read_text())["jobs"]["test"]["steps"]


def test_its_lock_is_committed_and_its_build_is_not(web: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(web, copy, symlinks=True, ignore=shutil.ignore_patterns("store", ".doit.db"))
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@mirror.example"]
    run(*git, "init", "--quiet", cwd=copy)
    run(*git, "add", ".", cwd=copy)
    tracked = subprocess.run([*git, "ls-files"], cwd=copy, capture_output=True, text=True, check=True).stdout
    assert "config.lock" in tracked.split()
    assert not [each for each in tracked.split() if each.startswith(("build/", "result"))]


def test_it_is_linted_as_it_is(web: Path) -> None:
    ruff = Path(sys.executable).parent / "ruff"
    run(ruff, "check", "--no-cache", "--isolated", web / "tests")
    run(ruff, "format", "--no-cache", "--isolated", "--check", web / "tests")
    run(Path(sys.executable).parent / "shellcheck", web / "services/web/run")


def test_nothing_to_do_from_anywhere_in_it(installed: Installed, web: Path) -> None:
    assert installed.call("build", cwd=web / "services/web").stdout == "runvm: up to date\n"
    for words in (["-c", "../config.yaml"], ["config=../config.yaml"], [f"--config={web}/config.yaml"]):
        assert installed.call(*words, "why", cwd=web / "www").stdout == "nothing would run\n"
    assert installed.call("-c", "web/config.yaml", "build").stdout == "runvm: up to date\n"
    assert installed.call("build", "-c", "web/config.yaml").returncode == 3
    assert installed.call("build", "config=web/config.yaml").stdout == "runvm: up to date\n"


def test_plain_doit_does_the_same(installed: Installed, web: Path) -> None:
    assert installed.call("runvm", program="doit", cwd=web).stdout == "runvm: up to date\n"
    assert installed.call("--version", program="doit", cwd=web).stdout.startswith("Notos ")
    assert 'did you mean "runvm"' in installed.call("runvn", program="doit", cwd=web).stderr


def test_its_bytes_are_a_checkout_s(installed: Installed, web: Path, tmp_path: Path) -> None:
    other = copy_project(tmp_path / "checkout")
    for name in ("config.yaml", "config.lock", "services", "www"):
        source = web / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, other.root / name)
    other.doit("runvm")
    for name in OUTPUTS:
        assert (web / "build/web" / name).read_bytes() == (other.root / "build/web" / name).read_bytes(), name


def test_the_words_of_notos_are_tasks(installed: Installed, web: Path) -> None:
    listed = [line.split()[0] for line in installed.call("list", cwd=web).stdout.splitlines()]
    assert {"runvm", "boot", "ssh", "switch", "rollback", "generations", "why", "lock", "test"} <= set(listed)
    assert not {"check", "bench"} & set(listed)  # of Notos itself
    assert "write runvm.sh" in installed.call("build", "--help", cwd=web).stdout
    assert installed.call("run", "--help", cwd=web).stdout.startswith("notos run: boot the machine")
    assert "-- -s" in installed.call("help", "run", cwd=web).stdout
    assert installed.call("clean", "-n", cwd=web).stdout


def test_its_tests_pass(installed: Installed, web: Path) -> None:
    done = installed.call("test", "--", "-p", "no:cacheprovider", cwd=web / "www")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_a_failing_test_is_told_by_the_status(installed: Installed, web: Path) -> None:
    (web / "tests/test_failing.py").write_text("def test_that_fails():\n    assert False\n")
    try:
        done = installed.call("test", "tests/test_failing.py", cwd=web)
    finally:
        (web / "tests/test_failing.py").unlink()
    assert done.returncode == 1
    assert "FAILED   test: pytest ended with status 1" in done.stdout


MISTAKES = [
    (["new"], "new DIR", "missing argument: the folder of the project: for example notos new web"),
    (["new", "--frob", "x"], "", "unknown option of new: --frob"),
    (["new", "a", "b"], "", "new takes one folder"),
    (["new", "web"], "", "web is not empty: name a new folder"),
    (["new", "/dev/null/x"], "", "cannot write /dev/null/x: Not a directory"),
    (["-c", "none.yaml", "build", "--help"], "", "no such file: none.yaml"),
    (["help", "frob"], "", "unknown task: frob: notos list shows the tasks"),
    (["build"], "", "no config.yaml in "),
    (["-c", "none.yaml", "build"], "", "no such file: none.yaml"),
    (["-c"], "", "no file name after -c"),
    (["build", "--config"], "", "no file name after --config"),
    (["-c", "a", "build", "--config", "b"], "", "more than one config: a, b"),
    (["-c", "a", "-c", "b", "build"], "", "more than one config: a, b"),
    (["--config=", "build"], "", "the name of the config is empty"),
]


@pytest.mark.parametrize(("words", "_", "said"), MISTAKES, ids=lambda each: " ".join(each)[:30])
def test_a_mistake_is_one_line(installed: Installed, web: Path, words: list[str], _: str, said: str) -> None:
    done = installed.call(*words)
    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"ERROR: {said}")


def test_mistakes_in_a_project(installed: Installed, web: Path) -> None:
    for word, near in (("biuld", "build"), ("switsch", "switch"), ("neww", "new"), ("rnu", "run")):
        done = installed.call(word, cwd=web)
        assert (done.returncode, done.stderr) == (3, f'ERROR: unknown task: {word}: did you mean "{near}"?\n')


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("web", "web"),
        ("My Machine", "my-machine"),
        ("2024", "2024"),
        ("on", "on"),
        ("null", "null"),
        ("1e3", "1e3"),
        ("_", "machine"),
        ("ünder_score.d", "nder-score-d"),
        ("x" * 90, "x" * 63),
    ],
)
def test_the_name_is_the_folder_s_and_valid(tmp_path: Path, folder: str, name: str) -> None:
    from notos import loader as configs

    assert skeleton.make(tmp_path / folder) == name
    machine = configs.load(tmp_path / folder / "config.yaml").machine
    assert (machine.name, machine.hostname) == (name, name)
    assert not [path for path in (tmp_path / folder).rglob("*") if path.is_file() and "@" in _markers(path)]


def _markers(path: Path) -> str:
    text = path.read_text()
    return "@" if "@name@" in text or "@hostname@" in text else ""


def test_a_fresh_repository_is_taken(tmp_path: Path) -> None:
    """The files that a hosting service creates stay unchanged."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").write_text("# mine\n")
    (tmp_path / "LICENSE").write_text("free\n")
    skeleton.make(tmp_path)
    assert (tmp_path / "README.md").read_text() == "# mine\n"
    assert (tmp_path / "config.yaml").is_file()


def test_what_to_do_next_can_be_pasted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    skeleton.main(["a b"])
    assert "\n    cd 'a b'\n    notos build\n" in capsys.readouterr().out
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    skeleton.main(["."])
    assert "    cd" not in capsys.readouterr().out


def notos(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the checkout's notos in a folder that is no project."""
    done = subprocess.run(
        [sys.executable, "-m", "notos", *words],
        cwd=cwd,
        env={**clean_environment(), "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


def test_output_of_new_that_nobody_can_take(tmp_path: Path) -> None:
    command = f"cd {tmp_path} && {sys.executable} -m notos new"
    script = f"{command} full >/dev/full; echo $?; {{ {command} shut; echo $? >&3; }} 3>&1 >&- | true"
    environment = {**clean_environment(), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == "ERROR: cannot write the output: No space left on device\n"
    assert done.stdout.split()[0] == "3"
    reading, writing = os.pipe()
    os.close(reading)
    unread = subprocess.run(
        [sys.executable, "-m", "notos", "new", "unread"],
        cwd=tmp_path,
        env=environment,
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (unread.returncode, unread.stderr) == (141, b"")


def test_help_of_tasks_where_no_project_is(tmp_path: Path) -> None:
    for words in (["build", "--help"], ["help", "ssh"], ["help", "build", "clean"]):
        done = notos(*words, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        assert "\nExample\n  notos " in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_folder_that_was_removed(tmp_path: Path) -> None:
    script = f"mkdir gone && cd gone && rmdir ../gone && exec {sys.executable} -m notos help"
    environment = {**clean_environment(), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (
        3,
        "ERROR: the current directory was removed: change to another one: cd DIR\n",
    )


def test_a_relative_cache_is_the_caller_s(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("name: tiny\n")
    (tmp_path / "below").mkdir()
    (tmp_path / "file").write_text("")
    done = notos("build", cwd=tmp_path / "below", NOTOS_CACHE="../file")
    assert f"cannot make {tmp_path}/below/../file: File exists" in done.stderr


def test_a_config_in_a_folder_that_cannot_be_searched(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "x.yaml").write_text("name: x\n")
    closed.chmod(0)
    caps = "-dac_override,-dac_read_search"  # with these root may do all
    less = ["setpriv", f"--inh-caps={caps}", f"--bounding-set={caps}"] if os.geteuid() == 0 else []
    for module, words in (
        ("notos", ["-c", f"{closed}/x.yaml", "list"]),
        ("tasks", [f"config={closed}/x.yaml", "list"]),
    ):
        done = subprocess.run(
            [*less, sys.executable, "-m", module, *words],
            cwd=ROOT,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (3, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"ERROR: cannot read {closed}/x.yaml: Permission denied: ")
    closed.chmod(0o700)


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    assert skeleton.make(tmp_path) == skeleton.machine_name(tmp_path.name)
    with pytest.raises(UsageError, match="is not empty"):
        skeleton.make(tmp_path)


def test_which_project(tmp_path: Path) -> None:
    """It is the nearest folder above the config, or above the caller."""
    deep = tmp_path / "a/b/c"
    deep.mkdir(parents=True)
    (tmp_path / "a/config.yaml").write_text("")
    (tmp_path / "a/b/small.yaml").write_text("")
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "x.yaml").write_text("")
    cases: Mapping[tuple[str, Path], Path] = {
        ("", deep): tmp_path / "a",
        ("../small.yaml", deep): tmp_path / "a",
        (str(tmp_path / "a/b/small.yaml"), Path("/")): tmp_path / "a",
        ("x.yaml", alone): alone,
    }
    for (named, caller), wanted in cases.items():
        assert project(named, caller).resolve() == wanted
    with pytest.raises(UsageError, match=r"no config\.yaml in"):
        project("", alone)
    with pytest.raises(UsageError, match="no such file: none"):
        project("none.yaml", alone)


@pytest.mark.parametrize(
    ("words", "named", "rest"),
    [
        (["build"], "", ["build"]),
        (["-c", "x", "build", "-c"], "x", ["build", "-c"]),
        (["config=x", "build"], "x", ["build"]),
        (["build", "config=x"], "x", ["build"]),
        (["ssh", "ls", "config=x"], "", ["ssh", "ls", "config=x"]),
        (["test", "--", "config=x"], "", ["test", "--", "config=x"]),
        (["test", "config=x", "--", "-x"], "x", ["test", "--", "-x"]),
        (["ssh", "config=x"], "x", ["ssh"]),
        (["build", "--config", "x", "-c"], "x", ["build", "-c"]),
        (["--config", "x", "build"], "x", ["build"]),
        (
            ["ssh", "--port", "1", "--config", "x", "ls", "--config", "y"],
            "x",
            ["ssh", "--port", "1", "ls", "--config", "y"],
        ),
        (
            ["ssh", "--host=h", "port=1", "--", "--config", "x"],
            "",
            ["ssh", "--host=h", "port=1", "--", "--config", "x"],
        ),
        (["ssh", "host=h", "config=x", "ls", "config=y"], "x", ["ssh", "host=h", "ls", "config=y"]),
        (["ssh", "--", "config=x"], "", ["ssh", "--", "config=x"]),
    ],
)
def test_which_config(words: list[str], named: str, rest: list[str]) -> None:
    assert config(words) == (named, rest)
