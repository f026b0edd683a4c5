"""run-unit: the plan's syntax, and plans that are broken or hostile."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import FIXTURES
from tests.units.conftest import SOURCE
from tests.units.unit_scene import Scene, plan, shell


@pytest.fixture(scope="session")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """run-unit with the sanitizers of this host's gcc. Skip the tests where this host has none."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("this host has no gcc")
    target = tmp_path_factory.mktemp("checked") / "run-unit"
    words = [
        gcc,
        "-std=c11",
        "-D_GNU_SOURCE",
        "-O1",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
    ]
    done = subprocess.run(
        [*words, *SOURCE.glob("*.c"), "-o", target], check=False, capture_output=True, text=True
    )
    if done.returncode and "sanitize" in done.stderr + done.stdout:
        pytest.skip("this host's gcc has no sanitizers")
    assert done.returncode == 0, done.stderr
    target.parent.chmod(0o755)
    return target


def check(program: Path, folder: Path, data: bytes) -> tuple[int, str]:
    """Return the exit status and the message of run-unit --check for a plan."""
    (folder / "unit").write_bytes(data)
    environment = {"ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run(
        [program, "--check", folder], check=False, capture_output=True, env=environment, timeout=60
    )
    return done.returncode, done.stderr.decode(errors="replace")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (b"", "the plan has no name"),
        (b"name\tx\nnonsense\tyes\n", "line 2: unknown key: nonsense"),
        (b"name\tx", "line 1: the line has no end"),
        (b"name\tx\n\n", "line 2: unknown key: "),
        (b"name\tx\\q\n", "line 1: invalid escape"),
        (b"name\tx\\", "line 1: the line has no end"),
        (b"name\tx\\\n", "line 1: invalid escape"),
        (b"name\tx\0y\n", "line 1: invalid escape"),
        (b"name\n", "line 1: too few fields: name"),
        (b"name\tx\ty\n", "line 1: too many fields: name"),
        (b"name\tx\nstart\t\t/bin/true\n", "line 2: too few fields: start"),
        (b"name\tx\nstart\tq\t/bin/true\ttrue\n", "line 2: invalid value: start"),
        (b"name\tx\ntype\tother\n", "line 2: invalid value: type"),
        (b"name\tx\ntype\tsim\n", "line 2: invalid value: type"),
        (b"name\tx\ntimeout\tstart\tsoon\n", "line 2: invalid value: timeout"),
        (b"name\tx\nrestartsec\t99999999999999999999999\n", "line 2: invalid value: restartsec"),
        (b"name\tx\numask\t99\n", "line 2: invalid value: umask"),
        (b"name\tx\nkillsignal\tNOPE\n", "line 2: invalid value: killsignal"),
        (b"name\tx\nroot\trelative\n", "line 2: invalid value: root"),
        (b"name\tx\nlimit\tNONE\t1\t1\n", "invalid limit NONE"),
        (b"name\tx\nlimit\tNOFILE\t-1\t1\n", "invalid limit NOFILE"),
        (b"name\tx\nambient\tCAP_NONE\n", "unknown capability CAP_NONE"),
        (b"name\tx\ncondition\t\tPathIsFunny\t/\n", "unknown condition PathIsFunny"),
        (b"n" * (1 << 21), "File too large"),
    ],
)
def test_a_wrong_plan_is_one_line(program: Path, tmp_path: Path, lines: bytes, said: str) -> None:
    status, message = check(program, tmp_path, lines)
    assert status == 111
    assert said in message
    assert message.count("\n") == 1
    assert str(tmp_path) in message


def test_a_missing_plan(program: Path, tmp_path: Path) -> None:
    done = subprocess.run([program, tmp_path / "none"], check=False, capture_output=True, text=True)
    assert done.returncode == 111
    assert "none/unit: No such file or directory" in done.stderr


def test_usage(program: Path) -> None:
    for words, status in (
        (["--help"], 0),
        ([], 100),
        (["--none"], 100),
        (["--once"], 100),
        (["a", "b", "c"], 100),
    ):
        done = subprocess.run([program, *words], check=False, capture_output=True, text=True)
        assert done.returncode == status
        assert (
            done.stdout + done.stderr == "usage: run-unit [--once | --check] FOLDER | run-unit --ready NAME\n"
        )
    assert subprocess.run([program, "--ready", "none"], check=False).returncode == 1


GOOD = plan(
    ("type", "dbus", "org.example"),
    ("env", "A", "tab\tline\nback\\slash"),
    ("start", "-+!:", "/bin/true", "true", ""),
    ("bounding",),
    ("limit", "NOFILE", "1", "infinity"),
    ("timeout", "start", "infinity"),
    ("success", "1", "SIG34", "SIGTERM", "TEMPFAIL"),
    ("listen", "stream", "80", "x", "mode=0600"),
    ("mount", "-", "nfsd", "/proc/fs/nfsd", "nfsd", ""),
    ("condition", "|!", "PathExists", ""),
)


def test_a_good_plan(program: Path, tmp_path: Path) -> None:
    assert check(program, tmp_path, GOOD) == (0, "")


def test_every_cut_of_a_plan_is_refused_or_good(checked: Path, tmp_path: Path) -> None:
    for length in range(0, len(GOOD), 7):
        assert check(checked, tmp_path, GOOD[:length])[0] in (0, 111)


BYTES = st.lists(
    st.sampled_from([b"\t", b"\n", b"\\", b"\0", b"name\tx\n", b"start", b"dir\tstate\t", b"\xff", b"9" * 30])
)


@settings(max_examples=60, suppress_health_check=FIXTURES)
@given(pieces=BYTES, at=st.integers(0, len(GOOD)))
def test_hostile_plans_do_not_crash(checked: Path, tmp_path: Path, pieces: list[bytes], at: int) -> None:
    assert check(checked, tmp_path, GOOD[:at] + b"".join(pieces) + GOOD[at:])[0] in (0, 111)


def test_sanitizers_are_content_with_a_life(checked: Path, scene: Scene) -> None:
    """The whole way once: expansion, files of the environment, directories, sandbox, sockets, restarts."""
    scene.binary = checked
    scene.before = "export ASAN_OPTIONS=detect_leaks=0"
    (scene.folder / "environment").write_text("A='open\nB=\"open\nC=\\")
    lines = [
        ("env", "X", "a 'b"),
        ("envfile", "", f"{scene.folder}/environment"),
        ("user", "web"),
        ("supplementary", "log"),
        ("dir", "runtime", "a/b", "0700", "c"),
        ("protectsystem", "strict"),
        ("privatetmp", "disconnected"),
        ("privatedevices", "yes"),
        ("hide", "-", "/home"),
        ("listen", "stream", "/run/s", "s", "user=web", "symlink=/run/l"),
        ("restart", "always"),
        ("restartsec", "0"),
        ("startlimit", "100000000", "2"),
        ("bounding", "CAP_CHOWN"),
        ("condition", "", "KernelVersion", ">=1 <100"),
        shell("echo pre", key="pre"),
        ("start", "", "/bin/echo", "echo", "$X", "${X", "${A}", "$$"),
        shell("echo post", key="stoppost"),
    ]
    status, log = scene.result(*lines)
    assert status == 1
    assert log.count("post\n") == 2
    assert "Sanitizer" not in log and "runtime error" not in log
