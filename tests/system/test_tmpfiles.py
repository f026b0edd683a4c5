"""Run-time folders from tmpfiles.d, made by running the fragment with busybox."""

import os
from pathlib import Path

import pytest

from notos.errors import NotosError
from notos.process import run
from notos.system.tmpfiles import mistakes, script
from tests.conftest import Tool


def apply(text: str, root: Path, tool: Tool) -> str:
    """Run the fragment for `text` below `root`; the fragment."""
    made = script({"x.conf": text})
    environment = {"PATH": os.environ["PATH"]}
    run([*tool("busybox"), "ash", "-eu", "-c", f"root={root}\n{made}"], env=environment)
    return made


def test_folders_files_and_links(tool: Tool, tmp_path: Path) -> None:
    for folder in ("run", "var"):
        (tmp_path / folder).mkdir()
    text = (
        "# a comment\n\nd /run/sshd 0755\nD /run/two 0700 - - 10d\nf /run/flag 0600 - - - it's on\n"
        "d /var/lib/x\nL+ /var/lib/link - - - - /run/sshd\nd %t/three 1777\n"
        "x /tmp/ssh-*\nr! /run/old\nd /usr/share/none 0755\nd /run/log/%m 0755\n"
    )
    apply(text, tmp_path, tool)
    assert (tmp_path / "run/two").stat().st_mode & 0o7777 == 0o700
    assert (tmp_path / "run/three").stat().st_mode & 0o7777 == 0o1777
    assert (tmp_path / "run/flag").read_text() == "it's on"
    assert (tmp_path / "var/lib/link").readlink() == Path("/run/sshd")
    assert not (tmp_path / "usr").exists()
    assert not (tmp_path / "run/log").exists()


def test_it_can_be_applied_twice(tool: Tool, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    text = "d /run/a 0755\nf /run/b - - - - first\nL /run/c - - - - a\n"
    apply(text, tmp_path, tool)
    (tmp_path / "run/b").write_text("changed")
    apply(text, tmp_path, tool)
    assert (tmp_path / "run/b").read_text() == "changed"


def test_one_command_for_many() -> None:
    text = "".join(f"d /run/{name} 0755 web web\n" for name in "abcdef")
    lines = script({"x.conf": text}).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["mkdir", "chmod", "chown"]


def test_a_folder_that_can_be_written_has_the_mode_that_is_given(tool: Tool, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir(0o700)
    text = "v /home 0711\nz /root/ 0750\nq %t 0755\nL /srv - - - - /run\n"
    apply(text, tmp_path, tool)
    modes = {path.name: path.stat().st_mode & 0o7777 for path in tmp_path.iterdir()}
    assert modes == {"home": 0o711, "root": 0o750, "run": 0o755}
    assert [number for number, _ in mistakes("x.conf", text)] == [4]


def test_what_cannot_be_made_is_a_mistake() -> None:
    text = "v /home\nd /home/me\nd /homes\nd /opt\nd /nix\nd /nix/var\nz /var/\nd /\n"
    assert [number for number, _ in mistakes("x.conf", text)] == [3, 4, 5, 8]


@pytest.mark.parametrize(("line", "message"), [("j /run/x", "type j"), ("d", "a type and a path")])
def test_unknown_lines_are_errors(line: str, message: str) -> None:
    with pytest.raises(NotosError, match=rf"tmpfiles\.d/x\.conf:1: .*{message}"):
        script({"x.conf": line + "\n"})
