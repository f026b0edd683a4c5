"""./doit: it makes .venv from any folder, and reports in one line what is missing, and the cause."""

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import ROOT, Project, copy_project
from tests.proxy_server import proxying


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    project = copy_project(tmp_path / "fresh")
    (project.root / "requirements.txt").write_text("# nothing\n")
    return project


def call(
    project: Project,
    *words: str,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [project.root / "doit", *words],
        cwd=cwd or project.root,
        env={**os.environ, **(environment or {}), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_environment_is_made_once_and_again_when_requirements_change(fresh: Project) -> None:
    first = call(fresh, "list")
    assert "doit: making .venv" in first.stderr
    assert (fresh.root / ".venv/requirements.txt").exists()
    assert "making" not in call(fresh, "list").stderr
    (fresh.root / "requirements.txt").write_text("# something else\n")
    assert "making" in call(fresh, "list").stderr
    (fresh.root / ".venv/requirements.txt").unlink()  # as after an interrupted run
    assert "making" in call(fresh, "list").stderr
    python = fresh.root / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/nonexistent/python3")  # as after an upgrade of the host's Python
    assert "making" in call(fresh, "list").stderr
    assert not list(fresh.root.glob(".venv.*"))


def test_it_works_from_anywhere_and_configs_are_the_caller_s(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    (project.root / ".venv/bin").mkdir(parents=True)
    (project.root / ".venv/bin/python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (project.root / ".venv/bin/python").chmod(0o755)
    shutil.copy(project.root / "requirements.txt", project.root / ".venv/requirements.txt")
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    (elsewhere / "mine.yaml").write_text("name: mine\n")
    done = call(project, "config=mine.yaml", "list", cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    assert not (project.root / "build").exists()  # nothing is written to list tasks
    done = call(project, "config=mine.yaml", "list", "--status", cwd=elsewhere)
    assert done.returncode == 0, done.stderr
    assert (project.root / "build/mine").is_dir()
    call(project, "config=mine.yaml", "stage2", cwd=elsewhere, NOTOS_CACHE="my cache")
    assert (elsewhere / "my cache").is_dir()
    link = elsewhere / "link"
    link.symlink_to(project.root / "doit")
    folder = tmp_path / "folder"
    folder.symlink_to(project.root)
    for words in ([str(link)], ["./link"], ["../folder/doit"], ["sh", "../project/doit"]):
        done = subprocess.run(
            [*words, "config=mine.yaml", "list"],
            cwd=elsewhere,
            env={**os.environ, "CDPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("lock ")
    done = call(project, "config=none.yaml", "list", cwd=elsewhere)
    assert done.returncode == 3
    assert "none.yaml" in done.stderr


def test_files_are_in_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    (project.root / ".venv/bin").mkdir(parents=True)
    python = project.root / ".venv/bin/python"
    show = "import sys; print(sys.flags.utf8_mode)"
    python.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{show}'\n")
    python.chmod(0o755)
    shutil.copy(project.root / "requirements.txt", project.root / ".venv/requirements.txt")
    done = call(project, "list", LC_ALL="POSIX", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.stdout == "1\n"


def test_without_python_it_says_what_to_install(fresh: Project, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    link_tools(tools)
    done = call(fresh, "list", PATH=str(tools))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("doit: no Python 3.11 or newer found; install it")
    assert not (fresh.root / ".venv").exists()
    assert not list(fresh.root.glob(".venv.*"))


def link_tools(folder: Path) -> None:
    """Link the programs of a minimal Debian that ./doit uses into `folder`."""
    for name in (
        "sh",
        "cmp",
        "cp",
        "grep",
        "mkdir",
        "readlink",
        "rm",
        "sed",
        "tail",
        "uname",
    ):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)


def fake_python(tmp_path: Path, script: str) -> str:
    """Return a PATH with a python3 that runs `script` before the real program."""
    tools = tmp_path / "bin"
    tools.mkdir()
    link_tools(tools)
    (tools / "python3").write_text(f'#!/bin/sh\n{script}\nexec {sys.executable} "$@"\n')
    (tools / "python3").chmod(0o755)
    return str(tools)


def failed(done: subprocess.CompletedProcess[str], fresh: Project) -> str:
    """Return the error line of ./doit, after a check that no files are left."""
    assert done.returncode == 1
    assert not (fresh.root / ".venv").exists()
    lines = [line for line in done.stderr.splitlines() if line != "doit: making .venv"]
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            '[ "$2" = venv ] && echo "$0: No module named venv" && exit 1',
            "python3-venv is missing; install it (apt install python3-venv), or uv",
        ),
        (
            "[ \"$2\" = venv ] && echo 'Error: [Errno 28] No space left on device: /x' && exit 1",
            "cannot make virtual environments: No space left on device",
        ),
        (
            "[ \"$2\" = venv ] && echo 'Error: This build of python cannot create venvs' && exit 1",
            "cannot make virtual environments: This build of python cannot create venvs",
        ),
        # Debian's venv works without python3-venv until pip is wanted.
        (
            '[ "$2" = venv ] && mkdir .venv/bin && cp "$0" .venv/bin/python && exit 0\n'
            "case $2 in *ensurepip*) echo No module named ensurepip; exit 1; esac",
            "python3-venv is missing; install it (apt install python3-venv), or uv",
        ),
    ],
)
def test_the_cause_of_a_venv_that_cannot_be_made(
    fresh: Project, tmp_path: Path, script: str, message: str
) -> None:
    done = call(fresh, "list", PATH=fake_python(tmp_path, script))
    assert failed(done, fresh).endswith(message)


def test_a_python_that_is_too_old(fresh: Project, tmp_path: Path) -> None:
    script = "case $2 in *print*) echo 3.9; exit 0 ;; esac; exit 1"
    done = call(fresh, "list", PATH=fake_python(tmp_path, script))
    assert failed(done, fresh).startswith("doit: Python 3.9 is too old: no Python 3.11 or newer found; ")


def test_another_kind_of_host(fresh: Project, tmp_path: Path) -> None:
    path = Path(fake_python(tmp_path, ""))
    (path / "uname").unlink()
    (path / "uname").write_text("#!/bin/sh\necho Linux aarch64\n")
    (path / "uname").chmod(0o755)
    done = call(fresh, "list", PATH=str(path))
    assert failed(done, fresh) == "doit: Notos runs on Linux on x86-64 only; this is Linux aarch64"


PACKAGE = f"doit==0.37.0 --hash=sha256:{'0' * 64}\n"


@pytest.fixture
def wanting(fresh: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a fresh project with one required package, and a pip with only the settings of the test."""
    (fresh.root / "requirements.txt").write_text(PACKAGE)
    for name in [each for each in os.environ if each.startswith("PIP_") or each.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return fresh


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {"PIP_INDEX_URL": "http://127.0.0.1:9/simple"},
            "doit: cannot reach Python's package index: Connection refused; check the network; ",
        ),
        (
            {"PIP_INDEX_URL": "https://index.invalid/simple"},
            "doit: cannot reach Python's package index: Name or service not known; check the network; ",
        ),
        (
            {"PIP_INDEX_URL": "https://index.invalid/simple", "https_proxy": "http://me:secret@127.0.0.1:9"},
            "doit: cannot reach Python's package index through the proxy http://127.0.0.1:9 (https_proxy): "
            "Connection refused; ",
        ),
        (
            {"PIP_INDEX_URL": "https://index.invalid/simple", "https_proxy": "htp://127.0.0.1:9"},
            "doit: cannot reach Python's package index through the proxy htp://127.0.0.1:9 (https_proxy): ",
        ),
    ],
)
def test_without_a_network(wanting: Project, environment: dict[str, str], message: str) -> None:
    line = failed(call(wanting, "list", environment=environment), wanting)
    if "Name or service" in message:  # the resolver's message depends on the host
        message = message.partition("Name or")[0]
    assert line.startswith(message)


def test_a_proxy_that_wants_a_password(wanting: Project) -> None:
    with proxying(407) as proxy:
        done = call(wanting, "list", PIP_INDEX_URL="https://index.invalid/simple", https_proxy=proxy.url)
    expected = f"through the proxy {proxy.url} (https_proxy): 407 Proxy Authentication Required; "
    assert expected in failed(done, wanting)


def test_a_package_index_that_is_slow_at_first_is_asked_again(wanting: Project, tmp_path: Path) -> None:
    """Connections that break pass: three of them, more than the first try bears."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = []

        def hang_up() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                asked.append(1)
                connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        index = f"http://127.0.0.1:{server.getsockname()[1]}/simple"
        try:
            done = call(wanting, "list", PIP_INDEX_URL=index)
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
    failed(done, wanting)
    assert len(asked) > 2


def test_wrong_bytes_from_the_package_index(wanting: Project, tmp_path: Path) -> None:
    folder = tmp_path / "links"
    folder.mkdir()
    (folder / "doit-0.37.0-py3-none-any.whl").write_bytes(b"not that")
    line = failed(call(wanting, "list", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(folder)), wanting)
    assert line.startswith("doit: doit==0.37.0 does not match its hash in requirements.txt; ")


def test_a_package_that_the_index_lacks(wanting: Project, tmp_path: Path) -> None:
    line = failed(call(wanting, "list", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path)), wanting)
    assert line.endswith(
        "cannot install the packages of requirements.txt: No matching distribution found for doit==0.37.0"
    )


def test_an_unwritable_checkout(fresh: Project) -> None:
    """The error has the folder and the system's message, for another user and a read-only file system."""
    fresh.root.chmod(0o755)
    if os.geteuid() == 0:
        words, reason = (
            [
                "unshare",
                "-m",
                "sh",
                "-c",
                'mount --bind . . && mount -o remount,ro,bind . && cd "$PWD" && ./doit list',
            ],
            "Read-only file system",
        )
    else:
        words, reason = ["./doit", "list"], "Permission denied"
        fresh.root.chmod(0o555)
    done = subprocess.run(words, cwd=fresh.root, check=False, capture_output=True, text=True)
    fresh.root.chmod(0o755)
    if "unshare failed" in done.stderr or "mount:" in done.stderr:
        pytest.skip("no file system can be mounted here")
    assert failed(done, fresh).startswith(f"doit: cannot make {fresh.root}/.venv: {reason}; ")


def test_the_requirements_are_pinned_with_hashes() -> None:
    for name in ("requirements.txt", "requirements-test.txt"):
        text = (ROOT / name).read_text()
        pinned = [line for line in text.splitlines() if "==" in line]
        assert len(pinned) >= 8
        assert all(line.endswith("\\") for line in pinned)
        assert "--index-url" not in text
