"""Commands. The facts are those of test-load-fragment.c and systemd.service(5); systemd-analyze is the judge
of the commands with which systemd refuses a unit.
"""

from pathlib import Path

import pytest

from notos.errors import NotosError
from tests.units.conftest import Systemd
from tests.units.made import lines, service

TAKEN = [
    ("/RValue r1", [("", "/RValue", "/RValue", "r1")]),
    ("/RValue///slashes r1///", [("", "/RValue/slashes", "/RValue///slashes", "r1///")]),
    ("@/RValue///slashes2 ///argv0 r1", [("", "/RValue/slashes2", "///argv0", "r1")]),
    ("-@/a argv0a r1", [("-", "/a", "argv0a", "r1")]),
    ("@-/a argv0b r1", [("-", "/a", "argv0b", "r1")]),
    ("-@/a argv0 r1 ; /goo/goo boo", [("-", "/a", "argv0", "r1"), ("", "/goo/goo", "/goo/goo", "boo")]),
    ("-@/a argv0 r1 ; ; /goo boo", [("-", "/a", "argv0", "r1"), ("", "/goo", "/goo", "boo")]),
    ("-@/a argv0 r1 ; ", [("-", "/a", "argv0", "r1")]),
    ("-@/a argv0 r1 ;", [("-", "/a", "argv0", "r1")]),
    ("-@/a argv0 r1 ';'", [("-", "/a", "argv0", "r1", ";")]),
    ("/bin/find \\;", [("", "/bin/find", "/bin/find", ";")]),
    ("/bin/find \\; /x", [("", "/bin/find", "/bin/find", ";", "/x")]),
    ("/bin/find \\;x", [("", "/bin/find", "/bin/find", "\\;x")]),
    ("/bin/find \\073", [("", "/bin/find", "/bin/find", ";")]),
    ('/bin/find ";" /x', [("", "/bin/find", "/bin/find", ";", "/x")]),
    ('"/A B/daemon" -1 -2', [("", "/A B/daemon", "/A B/daemon", "-1", "-2")]),
    ('"/A\\sB/daemon" "-1 -2"', [("", "/A B/daemon", "/A B/daemon", "-1 -2")]),
    ("/path\\s", [("", "/path ", "/path ")]),
    ("/bin/grep '\\w+\\K'", [("", "/bin/grep", "/bin/grep", "\\w+\\K")]),
    ("/a '' \"\"", [("", "/a", "/a", "", "")]),
    ("+/a", [("+", "/a", "/a")]),
    ("!/a", [("!", "/a", "/a")]),
    ("!!/a", [("", "/a", "/a")]),
    (":/a $X", [(":", "/a", "/a", "$X")]),
    ("-:+/a", [("-+:", "/a", "/a")]),
    ("/a $X ${Y} $$ %%", [("", "/a", "/a", "$X", "${Y}", "$$", "%")]),
    ("sh -c x", [("", "/usr/bin/sh", "sh", "-c", "x")]),
    ("/bin/../x", [("", "/x", "/bin/../x")]),
    ("/a a#b ; c;d ;", [("", "/a", "/a", "a#b"), ("", "/usr/bin/c;d", "c;d")]),
]
# systemd refuses the unit.
REFUSED = (
    *("/a/", "@/a", "/path\\a", "/path\\", "/path 'foo", "/path 'foo\\", '"/a\\"b"', "/a b %Z", "a/b", "/."),
    *("!!!/a", "++/a", ".", "..", "/a/..", "+!/a", "@", "''", "/x %", "/%Z"),
)
# It ignores the command, with a warning.
IGNORED = ("--/a b", "-@-/a b", "- /path", "-/a/", "-", "'a", "-/a 'b", "-", ";", ";;x")


@pytest.mark.parametrize(("text", "expected"), TAKEN)
def test_commands(text: str, expected: list[tuple[str, ...]]) -> None:
    assert lines(f"[Service]\nType=oneshot\nExecStart={text}\n", "start") == expected


def judged(systemd: Systemd, folder: Path, text: str) -> bool:
    """Return True if systemd refuses the unit because of the line."""
    verdict = systemd.verify(_written(folder, text))
    return "fatal error" in verdict.text


def _written(folder: Path, text: str) -> Path:
    path = folder / "x.service"
    path.write_text(unit(text))
    return path


def unit(text: str) -> str:
    return f"[Service]\nType=oneshot\nExecStart=/bin/true\nExecStart={text}\n"


@pytest.mark.parametrize("text", REFUSED)
def test_the_judge_of_refused_commands_is_systemd(text: str, systemd: Systemd, tmp_path: Path) -> None:
    if not judged(systemd, tmp_path, text):
        assert service(unit(text))
        return
    with pytest.raises(NotosError, match=r"/usr/lib/systemd/system/x\.service:4: ExecStart= "):
        service(unit(text))


@pytest.mark.parametrize("text", IGNORED)
def test_the_judge_of_ignored_commands_is_systemd(text: str, systemd: Systemd, tmp_path: Path) -> None:
    verdict = systemd.verify(_written(tmp_path, text))
    assert "fatal error" not in verdict.text
    made = service(unit(text))
    assert (4 in verdict.lines) == any("x.service:4: ExecStart=" in each for each in made.notes)
    if text not in (";", ";;x"):
        assert lines(unit(text), "start") == [("", "/bin/true", "/bin/true")]


def test_systemd_takes_these_commands_too(systemd: Systemd, tmp_path: Path) -> None:
    assert not judged(systemd, tmp_path, "\nExecStart=".join(text for text, _ in TAKEN))


def test_programs_are_looked_for_where_systemd_does() -> None:
    have = {"/usr/sbin/x", "/usr/bin/x", "/opt/x"}
    text = "[Service]\nExecStart=x a\n"
    assert lines(text, "start", exists=have.__contains__) == [("", "/usr/sbin/x", "x", "a")]
    searched = text + "ExecSearchPath=/opt:/usr/bin\n"
    assert lines(searched, "start", exists=have.__contains__) == [("", "/opt/x", "x", "a")]
    with pytest.raises(
        NotosError, match=r"x\.service:2: ExecStart= has the program y, which is not in /usr/l"
    ):
        service("[Service]\nExecStart=y\n", exists=have.__contains__)
    assert service("[Service]\nType=oneshot\nExecStart=-y\nExecStart=/a\n", exists=have.__contains__)


def test_an_empty_value_removes_the_commands_before_it() -> None:
    text = "[Service]\nExecStart=/a\nExecStart=\nExecStart=/b\nExecStartPre=/c\nExecStartPre=\n"
    assert lines(text, "start") == [("", "/b", "/b")]
    assert lines(text, "pre") == []


def test_the_old_way_to_run_other_commands_as_root() -> None:
    text = "[Service]\nPermissionsStartOnly=yes\nExecStart=/a\nExecStartPre=/b\nExecStop=!/c\n"
    assert lines(text, "start") == [("", "/a", "/a")]
    assert lines(text, "pre") == [("+", "/b", "/b")]
    assert lines(text, "stop") == [("!", "/c", "/c")]
