"""First states: their comments, order and report, and the runner with busybox's shell."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from notos.architecture import AMD64
from notos.debian.unpack import Unpack
from notos.integration import first_states, not_done
from tests.conftest import ROOT, Tool
from tests.integration.packages import laid_out, script
from tests.signed_archive import Deb

RUNNER = ROOT / "runit/first-state"
STATES = sorted((ROOT / "runit/first-states").iterdir())


@pytest.mark.parametrize("path", STATES, ids=lambda path: path.name)
def test_each_says_whose_work_it_does(path: Path) -> None:
    state = first_states.parse(path.read_text())
    assert state.claims or path.name == "vsftpd", "the link in /etc is Notos' own"
    for name in (*state.after, path.name):
        assert (path.parent / name).is_file()
    assert {"isMade() {", "make() {"} <= {
        f"{line.partition('{')[0]}{{" for line in path.read_text().splitlines()
    }


def test_claims() -> None:
    text = "#!/bin/sh\n# does postinst of x-*: one ?\n# does config of y: *\n# after: a b\n"
    state = first_states.parse(text)
    assert state.after == ("a", "b")
    one, all_of = state.claims
    assert one.covers("x-1", "postinst", "one")
    assert one.covers("x-1", "postinst", "")
    assert not one.covers("x-1", "postinst", "two")
    assert not one.covers("x-1", "preinst", "one")
    assert not one.covers("x", "postinst", "one")
    assert all_of.covers("y", "config", first_states.ALL)
    assert not one.covers("x-1", "postinst", first_states.ALL)


def debs(folder: Path, made: Sequence[Deb]) -> list[Unpack]:
    found = []
    for each in made:
        path = folder / each.file_name
        path.write_bytes(each.build())
        found.append(Unpack(path, package=each.name))
    return found


def test_the_order(tmp_path: Path) -> None:
    """It is dpkg's order, except that postfix names a package that comes first."""
    made = [
        Deb("bind9", depends="rabbitmq-server"),
        Deb("other"),
        Deb("postfix"),
        Deb("rabbitmq-server"),
        Deb("ssl-cert"),
    ]
    names = [path.name for path in STATES]
    assert first_states.ordered(debs(tmp_path, made), names) == [
        "rabbitmq-server",
        "bind9",
        "ssl-cert",
        "postfix",
    ]


def test_parts_of_a_package_have_no_first_state(tmp_path: Path) -> None:
    (unpack,) = debs(tmp_path, [Deb("ssl-cert")])
    part = Unpack(unpack.path, ("usr/bin/x",), (), "ssl-cert")
    assert first_states.ordered([part], ["ssl-cert"]) == []


def test_a_service_of_notos_in_its_place(tmp_path: Path) -> None:
    made = debs(tmp_path, [Deb("openssh-server")])
    assert first_states.ordered(made, ["openssh-server"]) == ["openssh-server"]
    assert first_states.ordered(made, ["openssh-server"], ["sshd"]) == []


def test_the_report_leaves_out_their_work(tmp_path: Path) -> None:
    """A command that a new version of the package adds is reported."""
    lines = script("make-ssl-cert generate-default-snakeoil", "make-other-cert now")
    _, context = laid_out(tmp_path, [Deb("ssl-cert", scripts={"postinst": lines})])
    assert [str(each) for each in not_done.find(context.packages.values(), AMD64)] == [
        "postinst of ssl-cert calls make-other-cert now, which is not done"
    ]


class Machine:
    """The folders of a made-up machine, in which the runner runs."""

    def __init__(self, root: Path, busybox: list[str]) -> None:
        self.root = root
        self._busybox = busybox
        for name in ("states", "bin", "tmp", "etc"):
            (root / name).mkdir(parents=True)
        applets = ("sh", "mkdir", "cp", "mv", "rm", "sync", "cat", "touch", "chown", "chmod", "ln", "install")
        applets += ("readlink", "sleep")
        for name in applets:
            (root / "bin" / name).write_text(f'#!/bin/sh\nexec {" ".join(busybox)} {name} "$@"\n')
        (root / "bin/busybox").write_text(f'#!/bin/sh\nexec {" ".join(busybox)} "$@"\n')
        for path in (root / "bin").iterdir():
            path.chmod(0o755)
        (root / "step").write_text('step() { echo "$1"; }\nmark() { :; }\n')
        text = RUNNER.read_text()
        for line, place in {
            "states=/etc/runit/first-states": f"states={root}/states",
            "kept=/var/lib/notos/first-states": f"kept={root}/kept",
            "folders=/var/lib/notos/etc": f"folders={root}/folders",
            "logs=/var/log/first-states": f"logs={root}/logs",
            "lock=/run/notos/first-state.lock": f"lock={root}/run/lock",
            ". /etc/runit/step": f". {root}/step",
        }.items():
            assert text.count(f"{line}\n") == 1
            text = text.replace(f"{line}\n", f"{place}\n")
        (root / "runner").write_text(text)

    def state(self, name: str, text: str) -> None:
        (self.root / "states" / name).write_text(text.replace("@", str(self.root)))

    def begin(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self._busybox, "sh", str(self.root / "runner")],
            env={"PATH": str(self.root / "bin")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self) -> str:
        with self.begin() as process:
            out, err = process.communicate()
        assert err == ""
        return out

    def kill(self) -> None:
        """Leave what an interrupted run of the state `x` leaves."""
        (self.root / "kept").mkdir(exist_ok=True)
        (self.root / "kept/x.unfinished").touch()

    def read(self, path: str) -> str:
        return (self.root / path).read_text()


@pytest.fixture
def made_up(tmp_path: Path, tool: Tool) -> Machine:
    return Machine(tmp_path / "root", [str(word) for word in tool("busybox")])


STATE = """
isMade() { [ -e @/result ]; }
undo() { rm -f @/result; echo undone; }
make() { echo made >>@/runs; false_if_broken; touch @/result; }
false_if_broken() { [ ! -e @/broken ]; }
"""


def test_a_state_is_made_once(made_up: Machine) -> None:
    made_up.state("00-x", STATE)
    assert made_up.run() == "making the first state of x...\n"
    assert made_up.run() == ""
    assert made_up.read("runs") == "made\n"
    assert not (made_up.root / "kept/x.unfinished").exists()


def test_a_failure_is_one_line_and_the_others_go_on(made_up: Machine) -> None:
    """The remains of a failure are removed, and the next boot tries again."""
    made_up.state("00-x", STATE)
    made_up.state("01-y", "isMade() { [ -e @/y ]; }\nmake() { touch @/y; }\n")
    (made_up.root / "broken").touch()
    log = made_up.root / "logs/x"
    assert made_up.run().splitlines() == [
        "making the first state of x...",
        f"the first state of x failed; {log} has its output",
        "making the first state of y...",
    ]
    assert log.read_text() == "undone\n"
    assert not (made_up.root / "result").exists()
    (made_up.root / "broken").unlink()
    assert made_up.run() == "making the first state of x...\n"


def test_a_second_run_waits_for_the_first(made_up: Machine) -> None:
    """A boot and a switch may begin at the same time."""
    made_up.state("00-x", STATE.replace("false_if_broken;", "touch @/begun; sleep 2; false_if_broken;"))
    with made_up.begin() as first:
        while not (made_up.root / "begun").exists():
            assert first.poll() is None
        assert made_up.run() == ""
        assert first.communicate() == ("making the first state of x...\n", "")
    assert made_up.read("runs") == "made\n"
    assert "undone" not in made_up.read("logs/x")


def test_a_run_that_was_killed_holds_no_lock(made_up: Machine) -> None:
    made_up.state("00-x", STATE)
    (made_up.root / "run").mkdir()
    (made_up.root / "run/lock").symlink_to("1")
    assert made_up.run() == "making the first state of x...\n"
    assert not list((made_up.root / "run").iterdir())


def test_an_interrupted_run_is_made_again(made_up: Machine) -> None:
    made_up.state("00-x", STATE)
    made_up.kill()
    (made_up.root / "result").touch()
    assert made_up.run() == "making the first state of x...\n"
    assert "undone" in made_up.read("logs/x")
    assert made_up.run() == ""


def test_a_result_that_is_missing_after_make_is_a_failure(made_up: Machine) -> None:
    made_up.state("00-x", "isMade() { false; }\nmake() { :; }\n")
    assert "the first state of x failed" in made_up.run()


def test_files_in_etc_are_kept(made_up: Machine) -> None:
    """The next boot has an empty /etc, and the same secret. A file of the config is not replaced."""
    made_up.state(
        "00-x",
        "keeps=@/etc/x/key\nisMade() { [ -s @/etc/x/key ]; }\n"
        "make() { mkdir -p @/etc/x; echo x >>@/runs; cat @/runs >@/etc/x/key; chmod 600 @/etc/x/key; }\n",
    )
    made_up.run()
    key = made_up.root / "etc/x/key"
    key.unlink()
    key.parent.rmdir()
    assert made_up.run() == ""
    assert key.read_text() == "x\n"
    assert key.stat().st_mode & 0o777 == 0o600
    assert (made_up.root / "kept").stat().st_mode & 0o777 == 0o700
    key.write_text("mine\n")
    made_up.run()
    assert key.read_text() == "mine\n"
