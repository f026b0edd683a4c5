"""The command line through ./doit's program: help, mistakes in one line, closed pipes, colours."""

import ast
import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from notos import __version__
from notos.errors import UsageError
from tasks import arguments, manual, usage
from tests.conftest import ROOT, Project, clean_environment, copy_project

TASKS = ROOT / "tasks"
INSIDE = ("CmdOption", "Traceback", "<class", "-m ", "dodo file")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a copy without built files."""
    return copy_project(tmp_path_factory.mktemp("command line") / "notos")


def call(
    project: Project, *words: str, module: str = "tasks", **environment: str
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=project.root,
        env={**clean_environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    for each in INSIDE:
        assert each not in done.stdout + done.stderr
    return done


@pytest.mark.parametrize("words", [["-h"], ["--help"], ["help"], ["help", "--help"]])
def test_help_is_one_screen_that_tells_the_story(project: Project, words: list[str]) -> None:
    done = call(project, *words)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    for word in ("./doit runvm", "./result", "./doit ssh", "./doit switch", "--config FILE", "docs/"):
        assert word in done.stdout
    for word in ("strace", "dumpdb", "reset-dep", "tabcompletion"):
        assert word not in done.stdout


@pytest.mark.parametrize("module", ["tasks", "doit"])
def test_the_version_is_ours_and_doit_s(project: Project, module: str) -> None:
    done = call(project, "--version", module=module)
    assert re.fullmatch(rf"Notos {__version__} \(doit 0\.\d+\.\d+, Python 3\.\d+\.\d+\S*\)\n", done.stdout)


def names(project: Project) -> list[str]:
    return [line.split()[0] for line in call(project, "list", "--all").stdout.splitlines()]


def test_every_task_and_command_has_help_with_an_example(project: Project) -> None:
    every = [*names(project), *OWN]
    pages = call(project, "help", *every).stdout
    for name in every:
        assert re.search(rf"^\./doit {name}: \S", pages, re.MULTILINE), name
    assert pages.count("\nExample\n  ./doit ") == len(every)


OWN = ("list", "run", "clean", "forget", "info", "help", "completion")


def test_help_of_each_task_and_command(project: Project) -> None:
    """The real command gives the same message."""
    for name in [*names(project), *OWN]:
        done = call(project, name, "--help")
        assert (done.returncode, done.stderr) == (0, ""), name
        title = "Notos makes " if name == "help" else f"./doit {name}: "
        assert done.stdout.startswith(title), name
    for name in ("new", "build", "run", *(each for each in OWN if each not in ("run", "help"))):
        done = call_notos(project, name, "--help")
        assert (done.returncode, done.stderr) == (0, ""), name
        assert done.stdout.startswith(f"notos {name}: "), name


@pytest.mark.parametrize("name", ["dumpdb", "ignore", "reset-dep", "strace", "tabcompletion"])
def test_commands_of_doit_that_notos_lacks_have_no_help(project: Project, name: str) -> None:
    for words in ([name, "--help"], ["help", name]):
        done = call(project, *words)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.startswith(f"ERROR: unknown task: {name}: ")


@pytest.mark.parametrize("how", [["help", "{}"], ["{}", "--help"], ["{}", "-h"], ["--help", "{}"]])
@pytest.mark.parametrize("task", ["boot-report", "kernel:menuconfig", "rollback", "ssh"])
def test_help_of_a_task(project: Project, how: list[str], task: str) -> None:
    said = call(project, *(word.format(task) for word in how)).stdout
    wanted = {
        "boot-report": ("--runs N ", "(default: 5)", "--against FILE", "--config FILE"),
        "kernel:menuconfig": ("--to FILE",),
        "rollback": ("--dry-run", "--to NUMBER", "--host NAME", "--port NUMBER", "--within SECONDS"),
        "ssh": ("[COMMAND]", "--host NAME"),
    }
    assert f"Example\n  ./doit {task}" in said
    assert all(each in said for each in wanted[task])
    assert "(config: " not in said


MISTAKES = [
    ("--frob", "unknown option: --frob: ./doit help shows"),
    ("--hlep", 'unknown option: --hlep: did you mean "--help"?'),
    ("--versoin", 'unknown option: --versoin: did you mean "--version"?'),
    ("-z", "unknown option: -z"),
    ("runvm --frob", "unknown option of runvm: --frob"),
    ("boot-report --run-s 3", 'unknown option of boot-report: --run-s: did you mean "--runs"?'),
    ("boot-report --runs x", "invalid value for --runs: x: it must be a number"),
    ("boot-report --runs=", "invalid value for --runs: : it must be a number"),
    ("boot-report --runs", "--runs needs a value"),
    ("switch --dry-run=yes", "--dry-run takes no value"),
    ("-v 2 runvm", "unknown option: -v: ./doit help shows the options"),
    ("--backend json runvm", "unknown option: --backend: "),
    ("--db-file x list", "unknown option: --db-file: "),
    ("list --db-file x", "unknown option of list: --db-file: ./doit help list"),
    ("clean --db x", "unknown option of clean: --db: "),
    ("dumpdb", "unknown task: dumpdb: ./doit list shows the tasks"),
    ("strace runvm", "unknown task: strace: "),
    ("tabcompletion", 'unknown task: tabcompletion: did you mean "completion"?'),
    ("reset-dep", "unknown task: reset-dep: "),
    ("ignore squashfs", "unknown task: ignore: "),
    ("help dumpdb", "unknown task: dumpdb: "),
    ("list --frob", "unknown option of list: --frob: ./doit help list"),
    ("clean -x", "unknown option of clean: -x"),
    ("runvn", 'unknown task: runvn: did you mean "runvm"?'),
    ("squash", 'unknown task: squash: did you mean "squashfs"?'),
    ("build", 'unknown task: build: did you mean "runvm"?'),
    ("claen", 'unknown task: claen: did you mean "clean"?'),
    ("xyzzy", "unknown task: xyzzy: ./doit list shows the tasks"),
    ("kernel:bild", "unknown task: kernel:bild: kernel has kernel:fetch, "),
    ("x*", "no task matches x*"),
    ("runvm lokc", 'unknown task: lokc: did you mean "lock"?'),
    ("why runvn", 'unknown task: runvn: did you mean "runvm"?'),
    ("list runvn", 'unknown task: runvn: did you mean "runvm"?'),
    ("clean runvn", 'unknown task: runvn: did you mean "runvm"?'),
    ("forget runvn", 'unknown task: runvn: did you mean "runvm"?'),
    ("info runvn", 'unknown task: runvn: did you mean "runvm"?'),
    ("info", "info needs the name of one task"),
    ("help runvn", 'unknown task: runvn: did you mean "runvm"?'),
    ("runvn --help", 'unknown task: runvn: did you mean "runvm"?'),
    ("conf=x why", 'unknown variable: conf=: did you mean "config="?'),
    ("cofig=x", 'unknown variable: cofig=: did you mean "config="?'),
    ("runvm Config=x", 'unknown variable: Config=: did you mean "config="?'),
    ("switch hots=x", 'unknown variable: hots=: did you mean "host="?'),
    ("switch --dry-run hots=x", 'unknown variable: hots=: did you mean "host="?'),
    ("zzz=1 runvm", "unknown variable: zzz=: the variables are config=, "),
    (
        "MEMORY=64 boot",
        "unknown variable: MEMORY=: environment variables go before the command: MEMORY=64 ./doit",
    ),
    ("config=", "config= has no value: for example config="),
    ("switch host=", "host= has no value: for example host="),
    ("config=a config=b", "config= is given twice"),
    ("to=1 runvm", "runvm does not read to=: it is for kernel:menuconfig, rollback, publish"),
    ("host=x", "runvm does not read host=: it is for "),
    ("list to=1", "list does not read to=: it is for "),
    ("switch port=x", "invalid port: x: it must be a number from 1 to 65535"),
    ("ssh port=65536", "invalid port: 65536: it must be"),
    ("rollback to=0", "invalid to: 0: it must be a number from 1"),
    ("switch within=1.5", "invalid within: 1.5: it must be"),
    ("switch --port x", "invalid port: x: it must be a number from 1 to 65535"),
    ("switch --port=70000", "invalid port: 70000: it must be a number from 1 to 65535"),
    ("switch --port ٣", "invalid port: ٣: it must be a number from 1 to 65535"),
    ("rollback --to 0", "invalid to: 0: it must be a number from 1"),
    ("switch --within 1.5", "invalid within: 1.5: it must be a number from 1"),
    ("switch --host=", "--host has no value: for example --host 192.0.2.7"),
    ("switch --port", "--port needs a value: ./doit help switch"),
    ("switch --hots x", 'unknown option of switch: --hots: did you mean "--host"?'),
    ("switch --port 1 --port 2", "--port is given twice: leave one out"),
    ("port=1 switch --port 1", "--port is given twice: leave one out"),
    ("--port 1 switch", "unknown option: --port: options follow their task: ./doit TASK --port 2222"),
    ("runvm --port 1", "unknown option of runvm: --port: it is for ssh, switch, "),
    ("publish", "missing option: --to DIR: for example ./doit publish --to /srv/cache"),
    ("publis*", "missing option: --to DIR: for example ./doit publish --to /srv/cache"),
    ("list --config", "--config needs a value: for example --config examples/minimal.yaml"),
    ("--config= list", "--config has no value: for example --config examples/minimal.yaml"),
    ("list --config a --config b", "--config is given twice"),
    ("list --config a config=b", "config= is given twice"),
    ("list --conf a", 'unknown option of list: --conf: did you mean "--config"?'),
    ("completion", "completion needs the name of a shell: ./doit completion bash | zsh | fish"),
    ("completion tcsh", "no completion for tcsh"),
    ("ssh --frob", "unknown option of ssh: --frob: arguments for the program follow --"),
]


@pytest.mark.parametrize(("words", "said"), MISTAKES, ids=lambda each: each[:40])
def test_a_mistake_is_one_line(project: Project, words: str, said: str) -> None:
    done = call(project, *words.split())
    assert done.returncode == 3, done.stdout + done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"ERROR: {said}"), line


@pytest.mark.parametrize("words", ["--frob", "runvn", "conf=x", "runvm --frob"])
def test_doit_s_own_command_says_the_same(project: Project, words: str) -> None:
    ours, doits = call(project, words), call(project, words, module="doit")
    assert doits.returncode == 3
    assert doits.stderr == ours.stderr.replace("./doit", "doit")


@pytest.mark.parametrize(
    ("said", "spoken"),
    [
        ("no keys: ./doit runvm makes them", "no keys: notos runvm makes them"),
        ("run `./doit lock`", "run `notos lock`"),
        ("is it down? ./doit ssh 'sv start x'", "is it down? notos ssh 'sv start x'"),
        ("/x/doit runs, /x/./doit x", "/x/doit runs, /x/./doit x"),
    ],
)
def test_hints_name_the_program_that_was_called(
    monkeypatch: pytest.MonkeyPatch, said: str, spoken: str
) -> None:
    assert usage.spoken(said) == said
    monkeypatch.setattr(usage, "_program", "notos")
    assert usage.spoken(said) == spoken


def test_the_sources_call_the_program_by_one_name() -> None:
    """./doit works in a checkout, where doit is not in PATH; usage.spoken() puts in the user's word."""
    names = "|".join(
        [*arguments.COMMANDS, *(path.stem for path in TASKS.glob("*.py")), "runvm", "generations"]
    )
    bare = re.compile(rf"(?<![\w./])doit (?:{names})\b")
    found = []
    for path in [*TASKS.glob("*.py"), *(ROOT / "notos").rglob("*.py")]:
        tree = ast.parse(path.read_text())
        found += [
            f"{path.name}:{node.lineno}: {node.value}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and bare.search(node.value)
        ]
    assert found == []


def test_every_command_is_documented() -> None:
    assert set(arguments.COMMANDS) == set(manual.COMMANDS) - {"help", "completion"}


@pytest.mark.parametrize("program", ["./doit", "notos"])
def test_every_documented_command_has_a_reserved_name(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "_program", program)
    assert sorted(manual.commands()) == sorted(usage.command_names())
    assert set(usage.command_names()) <= set(usage.RESERVED_WORDS)


TWICE = """\
from notos.errors import NotosError
from notos.features.model import Feature

calls = 0

def {name}(machine, settings):
    global calls
    calls += 1
    if calls > {good}:
        raise NotosError("not again", hint="read no clock")
    return {value}
"""


@pytest.mark.parametrize("words", [["list"], ["help", "runvm"]])
@pytest.mark.parametrize(("name", "value"), [("feature", "Feature()"), ("outputs", "[]")])
def test_an_extension_that_fails_after_the_check_of_the_config(
    project: Project, name: str, value: str, words: list[str]
) -> None:
    """Each call that loads the graph may be the first to fail; the error is one, at its line."""
    (project.root / "twice.yaml").write_text("name: twice\nextensions:\n  twice:\n")
    (project.root / "extensions").mkdir(exist_ok=True)
    failed = 0
    for good in range(8):
        code = TWICE.format(name=name, value=value, good=good)
        (project.root / "extensions/twice.py").write_text(code)
        done = call(project, "--config", "twice.yaml", *words)
        if "not again" not in done.stdout + done.stderr:
            break
        failed += 1
        assert done.returncode == 3
        where, *excerpt = done.stderr.splitlines()
        pattern = r"ERROR: twice\.yaml:3: (extensions\.twice: )?extensions/twice\.py:\d+: not again: read .*"
        assert re.fullmatch(pattern, where)
        assert excerpt == ["    twice:", "    ^^^^^"]
    assert failed > 1


def test_an_undocumented_option_leaves_no_file(project: Project) -> None:
    for words in (["--db-file", "x", "list"], ["list", "--db-file", "x"]):
        assert call(project, *words).returncode == 3
    assert not list(project.root.glob("x*"))


@pytest.mark.parametrize(
    ("words", "page"),
    [
        (["bench", "--runs", "3", "--help"], "./doit bench: "),
        (["bench", "--only", "boot*", "--help"], "./doit bench: "),
        (["bench", "--help", "--only", "boot*"], "./doit bench: "),
        (["help", "bench", "--help"], "./doit bench: "),
    ],
)
def test_the_value_of_an_option_is_no_topic(project: Project, words: list[str], page: str) -> None:
    done = call(project, *words)
    assert done.stdout.startswith(page), done.stderr
    assert done.stdout.count("\nExample\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["why", "build"], "runvm"),
        (["list", "build"], "runvm "),
        (["info", "--no-status", "build"], "runvm"),
        (["clean", "-n", "build"], ""),
        (["forget", "run"], "boot"),
        (["-s", "why", "run"], "boot"),
    ],
)
def test_the_words_of_notos_are_tasks_everywhere(project: Project, words: list[str], said: str) -> None:
    done = call_notos(project, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert said in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["build", "--frob"], "unknown option of build: --frob: notos help build shows the options"),
        (["build", "to=1"], "build does not read to=: it is for kernel:menuconfig, rollback, publish"),
        (["why", "biuld"], 'unknown task: biuld: did you mean "build"?'),
        (["dumpdb"], "unknown task: dumpdb: notos list shows the tasks"),
        (["build", "run", "--frob"], "unknown option of run: --frob: "),
    ],
)
def test_a_mistake_has_the_user_s_words(project: Project, words: list[str], said: str) -> None:
    done = call_notos(project, *words)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(f"ERROR: {said}"), done.stderr


@pytest.mark.parametrize("before", [["help"], ["why"], []])
def test_tab_offers_the_words_of_notos(project: Project, before: list[str]) -> None:
    lines = call_notos(project, "complete", *before, "").stdout.splitlines()
    words = {line.partition("\t")[0] for line in lines}
    assert {"build", "run", "runvm", "boot"} <= words
    assert ("clean" in words) == (before != ["why"])


def test_a_missing_config_is_one_line(project: Project) -> None:
    said = "ERROR: cannot read none.yaml: No such file or directory: select a config with --config FILE\n"
    for done in (
        call_notos(project, "-c", "none.yaml", "list"),
        call_notos(project, "list", "--config", "none.yaml"),
        call(project, "config=none.yaml", "list"),
        call(project, "list", "--config", "none.yaml"),
    ):
        assert (done.returncode, done.stdout, done.stderr) == (3, "", said)


def call_notos(project: Project, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return call(project, *words, module="notos", **environment)


@pytest.mark.parametrize("module", ["tasks", "notos", "doit"])
def test_files_are_utf8_in_every_locale(project: Project, module: str) -> None:
    """In another encoding the scripts, some with a …, would be other bytes or none."""
    posix = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "POSIX"}
    (project.root / "dots.yaml").write_text("name: dots\nhostname: a…b\n", encoding="utf-8")
    usual = call(project, "config=dots.yaml", "list", module=module)
    done = call(project, "config=dots.yaml", "list", module=module, **posix)
    assert "a…b" in usual.stderr
    assert (done.returncode, done.stderr) == (3, usual.stderr)


def test_a_look_makes_no_folder(tmp_path: Path) -> None:
    """Completion, help and a list need no database, and work in a checkout of another user's."""
    made = copy_project(tmp_path / "notos")
    for words in (["complete", ""], ["help", "runvm"], ["list"], ["list", "--all"], ["list", "--deps"]):
        assert call(made, *words).returncode == 0
    assert not (made.root / "build").exists()
    assert call(made, "list", "--status").returncode == 0
    assert (made.root / "build").is_dir()


def test_paths_for_pytest_are_the_caller_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text("")
    monkeypatch.setenv("NOTOS_CALLER", str(tmp_path))
    words = ["test_x.py", "test_x.py::test_a", "tests/none.py", "-k", "test_x.py", "--", "test_x.py"]
    at = f"{tmp_path}/test_x.py"
    assert usage.paths_from_caller(words) == [at, f"{at}::test_a", *words[2:]]


def test_an_empty_word(project: Project) -> None:
    assert call(project, "").stderr.startswith("ERROR: a word of the command line is empty")


def test_a_typo_of_config_is_found_before_the_config_is_read(project: Project, tmp_path: Path) -> None:
    empty = Project(tmp_path)
    done = call(empty, "conf=x", "why", PYTHONPATH=str(project.root))
    assert done.stderr == 'ERROR: unknown variable: conf=: did you mean "config="?\n'


@pytest.mark.parametrize(
    ("words", "variables", "rest"),
    [
        (["ssh", "FOO=1", "env"], {}, ["ssh", "FOO=1", "env"]),
        (["ssh", "host=x", "to=1", "port=2"], {"host": "x"}, ["ssh", "to=1", "port=2"]),
        (["config=a", "ssh", "ls", "--help"], {"config": "a"}, ["ssh", "ls", "--help"]),
        (["ssh", "echo a=b"], {}, ["ssh", "echo a=b"]),
        (["ssh", "--", "-v", "a=b"], {}, ["ssh", "--", "-v", "a=b"]),
        (["boot", "--", "-append", "a=b", "--help"], {}, ["boot", "--", "-append", "a=b", "--help"]),
        (["runvm", "config=a=b"], {"config": "a=b"}, ["runvm"]),
        (["runvm", "--config", "a=b"], {"config": "a=b"}, ["runvm"]),
        (["publish", "--to", "key=x"], {}, ["publish", "--to", "key=x"]),
        (["bench", "--only", "a=b"], {}, ["bench", "--only", "a=b"]),
        (["test", "--tests", "--help"], {}, ["test", "--tests", "--help"]),
        (
            ["ssh", "--host", "h", "--config", "c", "port=2", "ls", "--config", "d"],
            {"config": "c", "port": "2"},
            ["ssh", "--host", "h", "ls", "--config", "d"],
        ),
        (["ssh", "--port=2", "--", "--config", "x"], {}, ["ssh", "--port=2", "--", "--config", "x"]),
    ],
)
def test_what_is_a_variable(words: list[str], variables: dict[str, str], rest: list[str]) -> None:
    line = arguments.parse(words)
    assert (dict(line.variables), list(line.words), line.help) == (variables, rest, False)


def test_help_before_the_command_of_ssh_is_ours() -> None:
    assert arguments.parse(["ssh", "--help"]).help
    with pytest.raises(UsageError):
        arguments.parse(["list", "ssh", "FOO=1"])


def test_options_are_read_as_parameters() -> None:
    """Only the config, which determines the graph, is known before the graph is loaded."""
    readers = {path.name for path in TASKS.glob("*.py") if "get_var" in path.read_text()}
    assert readers == {"config.py"}
    declared = {id(each) for each in usage.OPTIONS}
    assert {id(each) for each in vars(usage).values() if isinstance(each, usage.Option)} == declared


GIVEN = """
import json, sys
from tasks import command_line
import doit.runner
def run_all(self, tasks):
    chosen = self.dep_manager and [t for t in tasks.tasks.values() if t.name in tasks.selected_tasks]
    for each in chosen:
        each.init_options()
    print(json.dumps({each.name: [each.options, each.pos_arg_val] for each in chosen}))
    return 0
doit.runner.Runner.run_all = lambda self, dispatcher: run_all(self, dispatcher)
sys.exit(command_line.main(sys.argv[1:], "./doit"))
"""


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("switch --port 2222", "switch port=2222"),
        ("switch --port=2222 --host h", "port=2222 switch host=h"),
        ("rollback --to 3 --within 9", "rollback within=9 to=3"),
        ("publish --to a=b --key k", "publish to=a=b key=k"),
        ("kernel:menuconfig --to f", "to=f kernel:menuconfig"),
        ("ssh --port 22 --host h ls -l a=b", "ssh port=22 host=h ls -l a=b"),
        ("generations --host h 1 2", "generations host=h 1 2"),
        ("test --tests tests/boot", "test tests=tests/boot"),
        ("switch --port 1 generations --port 1", "switch generations port=1"),
        ("ssh --config examples/minimal.yaml ls", "ssh config=examples/minimal.yaml ls"),
    ],
)
def test_both_forms_of_an_option_mean_the_same(project: Project, new: str, old: str) -> None:
    """Return the values that doit passes to the tasks."""
    said = []
    for words in (new, old):
        done = subprocess.run(
            [sys.executable, "-c", GIVEN, *words.split()],
            cwd=project.root,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        said.append(json.loads(done.stdout))
    assert said[0] == said[1]
    options = [each for each, _ in said[0].values()]
    assert all(any(value is not None for value in each.values()) for each in options) or "config" in new
    assert all(isinstance(each.get("port") or 0, int) for each in options)


@pytest.mark.parametrize(
    "words",
    [
        ["--config", "examples/minimal.yaml", "list", "--status"],
        ["list", "--config", "examples/minimal.yaml", "--status"],
        ["list", "--status", "--config=examples/minimal.yaml"],
        ["config=examples/minimal.yaml", "list", "--status"],
    ],
)
@pytest.mark.parametrize("module", ["tasks", "notos", "doit"])
def test_the_config_is_named_anywhere(tmp_path: Path, words: list[str], module: str) -> None:
    made = copy_project(tmp_path / "notos")
    assert call(made, *words, module=module).returncode == 0
    assert [path.name for path in (made.root / "build").iterdir()] == ["minimal"]


PRINTING = (
    "list",
    "list --all",
    "list --deps",
    "list --status",
    "help",
    "help runvm",
    "runvm --help",
    "--version",
    "why",
    "completion bash",
    "complete list",
    "info lock",
    "runit stage2",
    "frob",
)


@pytest.mark.parametrize("words", PRINTING)
def test_head_ends_it_quietly(project: Project, words: str) -> None:
    """As a user pipes it: with more lines than head takes, and none."""
    for lines in ("1", "0"):
        done = subprocess.run(
            ["sh", "-c", f'"$@" | head -n {lines}', "sh", sys.executable, "-m", "tasks", *words.split()],
            cwd=project.root,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.count("\n") <= int(lines)
        wanted = "ERROR: unknown task: frob: ./doit list shows the tasks\n" if words == "frob" else ""
        assert done.stderr == wanted


@pytest.mark.parametrize("words", [each for each in PRINTING if each not in ("frob", "runit stage2")])
@pytest.mark.parametrize("both", [False, True])
def test_a_closed_pipe_ends_it_quietly(project: Project, words: str, both: bool) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "tasks", *words.split()],
        cwd=project.root,
        env=clean_environment(),
        stdout=writing,
        stderr=subprocess.STDOUT if both else subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert done.returncode == 141
    assert not done.stderr


def test_a_full_disk_is_one_line(project: Project) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tasks", "list"],
            cwd=project.root,
            env=clean_environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (
        3,
        "ERROR: cannot write the output: No space left on device\n",
    )


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_stream_is_nobody_s(project: Project, closed: int) -> None:
    command = f'exec "$@" {closed}>&-'
    done = subprocess.run(
        ["sh", "-c", command, "sh", sys.executable, "-m", "tasks", "list"],
        cwd=project.root,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ("runvm" in done.stdout) == (closed != 1)


def test_a_program_that_ssh_becomes_is_ended_by_a_closed_pipe() -> None:
    """Python ignores SIGPIPE, and a program inherits that (proc_pid_status(5))."""
    code = "from notos.process import become; become(['/bin/cat', '/proc/self/status'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    (ignored,) = re.findall(r"^SigIgn:\s*(\w+)$", done.stdout, re.MULTILINE)
    assert not int(ignored, 16) & (1 << (signal.SIGPIPE - 1))


@pytest.mark.parametrize("name", ["dodo.py", "tasks/graph.py", "tasks/command_line.py", "tasks/stages.py"])
def test_an_interrupt_while_it_loads_has_no_traceback(tmp_path: Path, name: str) -> None:
    project = copy_project(tmp_path / "notos")
    path = project.root / name
    docstring, end, rest = path.read_text().partition('"""\n')
    # A shell starts what runs in the background with the signal ignored.
    listens = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    path.write_text(
        f"{docstring}{end}import os, signal\n{listens}\nos.kill(os.getpid(), signal.SIGINT)\n{rest}"
    )
    done = call(project, "list")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\ninterrupted\n")


def on_a_terminal(project: Project, *words: str, **environment: str) -> bytes:
    """Return the output of ./doit on a terminal."""
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(project.root)
        os.execve(
            sys.executable, [sys.executable, "-m", "tasks", *words], {**clean_environment(), **environment}
        )
    said = b""
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # EIO: it has ended
            break
        if not data:
            break
        said += data
    os.close(terminal)
    os.waitpid(pid, 0)
    return said


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {}])
def test_no_colours(project: Project, environment: dict[str, str]) -> None:
    for words in (["help"], ["list"], ["runvn"], ["stage2"]):
        said = on_a_terminal(project, *words, **{"TERM": "xterm", **environment})
        assert not re.search(rb"\x1b\[[0-9;]*m", said)
        if environment.get("TERM") == "dumb":
            assert b"\x1b" not in said
    assert b"\x1b" not in call(project, "runit").stdout.encode()


def test_ssh_s_words_name_no_task(project: Project) -> None:
    """`./doit ssh lock` does not move config.lock to newer versions."""
    code = (
        "import sys; from tasks import command_line, session; "
        "from doit.cmd_run import Run; import doit.runner as r; "
        "r.Runner.run_all = lambda self, _: print(sorted(session._asked)) or 0; "
        "sys.exit(command_line.main(sys.argv[1:], './doit'))"
    )
    for words, asked in ((["ssh", "lock"], "['ssh']"), (["lock"], "['lock']"), (["l*"], "['lock']")):
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=project.root,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"{asked}\n"
