"""Folders that cannot be written: named at once, in one line, before anything runs."""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import Project, clean_environment, copy_project

READ_ONLY = "mount --bind {0} {0} && mount -o remount,ro,bind {0}"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = copy_project(tmp_path / "my project ü")
    (project.root / "build/tiny").mkdir(parents=True)
    (project.root / "config.yaml").write_text("name: tiny\n")
    return project


def doit(
    project: Project,
    *words: str,
    read_only: Path | None = None,
    environment: Mapping[str, str] | None = None,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Run doit where `read_only` is a read-only file system, for root too: in a namespace of its own."""
    command = [sys.executable, "-m", "doit", *words]
    if read_only is not None:
        unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
        script = READ_ONLY.format(shlex.quote(str(read_only)))
        if subprocess.run([*unshare, "sh", "-c", script], check=False, capture_output=True).returncode:
            pytest.skip("no file system can be mounted here")
        command = [
            *unshare,
            "sh",
            "-c",
            f"{script} && cd {shlex.quote(str(project.root))} && {shlex.join(command)}",
        ]
    given = {"NOTOS_MIRROR": "http://127.0.0.1:9/debian", **(environment or {}), **variables}
    env = {name: value for name, value in {**clean_environment(), **given}.items() if value != "UNSET"}
    return subprocess.run(command, cwd=project.root, env=env, check=False, capture_output=True, text=True)


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line of doit's output."""
    assert done.returncode == 3, done.stdout + done.stderr
    (line,) = (done.stdout + done.stderr).splitlines()
    return line


@pytest.mark.parametrize("words", [[], ["list", "--status"], ["clean"], ["forget"], ["why"]])
def test_a_read_only_checkout(project: Project, words: list[str]) -> None:
    line = said(doit(project, *words, read_only=project.root))
    assert line.startswith(f"ERROR: cannot write in {project.root}/build/tiny: Read-only file system; ")


@pytest.mark.parametrize("words", [["list"], ["help", "runvm"], ["complete", ""]])
def test_a_look_in_a_read_only_checkout(project: Project, words: list[str]) -> None:
    """Nothing is made for what needs no database."""
    (project.root / "build/tiny").rmdir()
    (project.root / "build").rmdir()
    done = doit(project, *words, read_only=project.root)
    assert (done.returncode, done.stderr) == (0, "")
    assert "runvm" in done.stdout


def test_a_read_only_build_folder(project: Project) -> None:
    (project.root / "build/tiny").rmdir()
    line = said(doit(project, read_only=project.root / "build"))
    assert line.startswith(f"ERROR: cannot make {project.root}/build/tiny: Read-only file system; ")


def test_a_file_in_the_place_of_a_folder(project: Project) -> None:
    (project.root / "build/tiny").rmdir()
    (project.root / "build").rmdir()
    (project.root / "build").write_text("")
    line = said(doit(project, "why"))
    assert line.startswith(
        f"ERROR: cannot make {project.root}/build/tiny: Not a directory; move or rename the file"
    )
    assert "owner" not in line


@pytest.mark.parametrize("name", ["result", ".result.new"])
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_something_of_the_user_s_in_the_place_of_the_link(project: Project, name: str, kind: str) -> None:
    place = project.root / name
    if kind == "folder":
        place.mkdir()
    else:
        place.write_text("measurements\n")
    line = said(doit(project, "runvm"))
    assert line.startswith(
        f"ERROR: {place} is a {kind}, but the build writes a link there; move or rename it"
    )
    assert place.is_dir() or place.read_text() == "measurements\n"


@pytest.mark.parametrize("words", [["why"], ["list", "--status", "runvm"], ["info", "runvm"]])
def test_a_damaged_build_is_a_reason_and_not_an_error(project: Project, words: list[str]) -> None:
    """The least memory follows from files of earlier tasks; the task that uses them names what is wrong."""
    (project.root / "build/tiny/manifests").mkdir()
    (project.root / "build/tiny/manifests/stage1.json").write_text("{")
    done = doit(project, *words)
    assert done.stderr == ""
    assert ("R runvm" if "--status" in words else "runvm") in done.stdout


def test_a_read_only_top_folder(project: Project, tmp_path: Path) -> None:
    """The build folder may be elsewhere, and is not enough: `result` and config.lock lie in the top one."""
    elsewhere = tmp_path / "elsewhere"
    (project.root / "build/tiny").rmdir()
    (project.root / "build").rmdir()
    elsewhere.mkdir()
    (project.root / "build").symlink_to(elsewhere)
    line = said(doit(project, read_only=project.root))
    assert line.startswith(f"ERROR: cannot write in {project.root}: Read-only file system; ")
    done = doit(project, "list", read_only=project.root)
    assert done.returncode == 0, done.stderr


def test_a_config_in_a_read_only_folder(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "mine.yaml").write_text("name: tiny\n")
    words = [f"config={folder / 'mine.yaml'}", "runvm"]
    line = said(doit(project, *words, read_only=folder))
    assert line.startswith(
        f"ERROR: cannot write in {folder}: Read-only file system; the build writes mine.lock"
    )


def test_a_cache_that_cannot_be_written(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    line = said(doit(project, read_only=folder, NOTOS_CACHE=str(folder)))
    assert line == (
        f"ERROR: cannot write in {folder}: Read-only file system; set NOTOS_CACHE to a folder that you own"
    )
    (tmp_path / "file").write_text("")
    line = said(doit(project, NOTOS_CACHE=str(tmp_path / "file/cache")))
    assert line.startswith(f"ERROR: cannot make {tmp_path}/file/cache: Not a directory; set NOTOS_CACHE")
    assert "has a colon" in said(doit(project, NOTOS_CACHE=str(tmp_path / "a:b")))


def test_a_home_that_cannot_be_written(project: Project, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    unset = {"NOTOS_CACHE": "UNSET", "XDG_CACHE_HOME": "UNSET", "XDG_CONFIG_HOME": "UNSET"}
    line = said(doit(project, read_only=home, HOME=str(home), environment=unset))
    assert line.startswith(f"ERROR: cannot make {home}/.cache/notos: Read-only file system; set NOTOS_CACHE")
    for command in ([], ["list"]):
        line = said(doit(project, *command, HOME="/nonexistent", environment=unset))
        assert "this user has no home folder: set HOME, or set NOTOS_CACHE to a writable folder" in line
    done = doit(project, "list", HOME="UNSET", NOTOS_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr


def test_nothing_is_said_where_nothing_is_to_be_made(project: Project, tmp_path: Path) -> None:
    """A link and a lock that exist need no folder to be written: other commands work there."""
    (project.root / "config.lock").write_text("{}")
    (project.root / "result").symlink_to("build/tiny/runvm.sh")
    elsewhere = tmp_path / "elsewhere"
    moved(project.root / "build", elsewhere)
    done = doit(project, read_only=project.root, NOTOS_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 1
    assert "cannot write" not in done.stdout + done.stderr


def moved(folder: Path, target: Path) -> None:
    """Move a folder, and leave a link in its place."""
    folder.rename(target)
    folder.symlink_to(target)


@pytest.mark.parametrize(
    ("size", "words", "message"),
    [
        (
            "4k",
            ["list", "--status"],
            "ERROR: cannot write the build folder's .doit.db: database or disk is full; ",
        ),
        (
            "88k",
            ["stage2", "runit"],
            "ERROR: cannot write the build folder's .doit.db: database or disk is full; ",
        ),
        ("112k", ["stage2", "runit"], "FAILED   lock: build/tiny, "),
    ],
)
def test_a_full_disk(project: Project, size: str, words: list[str], message: str) -> None:
    fill = "dd if=/dev/zero of=build/fill status=none; " if size == "4k" else ""
    script = (
        f"mount -t tmpfs -o size={size} tmpfs build && mkdir build/tiny; {fill}"
        f"{shlex.join([sys.executable, '-m', 'doit', *words])}"
    )
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    done = subprocess.run(
        [*unshare, "sh", "-c", script],
        cwd=project.root,
        env=clean_environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    if "unshare failed" in done.stderr or "mount" in done.stderr:
        pytest.skip("no file system can be mounted here")
    assert (done.stdout + done.stderr).splitlines()[-1].startswith(message)
    assert "Traceback" not in done.stderr


def test_a_damaged_database(project: Project) -> None:
    (project.root / "build/tiny/.doit.db").write_text("this is no database of sqlite3\n")
    line = said(doit(project, "list", "--status"))
    assert line.startswith("ERROR: the build folder's .doit.db is damaged: file is not a database; remove it")


def test_a_file_of_another_user_s(project: Project) -> None:
    """A target that cannot be removed, as one in a folder that is another user's."""
    manifests = project.root / "build/tiny/manifests"
    manifests.mkdir()
    (manifests / "stage2.json").write_text("{}")
    for words in (["clean", "stage2"], ["clean"]):
        done = doit(project, *words, read_only=manifests)
        assert done.returncode == 3
        last = done.stderr.splitlines()[-1]
        assert last.startswith("ERROR: build/tiny/manifests/stage2.json: Read-only file system; ")
        assert "Traceback" not in done.stderr
