"""The first minutes: a fresh root of Debian, an ordinary user, a clone, and the README's two commands."""

import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from notos.vm.console import Console
from tests.conftest import ROOT
from tests.fresh.roots import HOME, Maker, Root
from tests.this_host import free_port, slowed

README = (ROOT / "README.md").read_text()
# The README's requirements. Hosts with a network have the certificates.
NEEDED = ("python3-venv", "ca-certificates")
AT_ONCE = 10.0  # seconds on a quiet host
MADE = "doit: making .venv"


def commands() -> str:
    """Return the README's two commands, which are one line."""
    (found,) = re.findall(r"^## Two commands\n\n    \$ (.+)$", README, re.MULTILINE)
    return str(found)


def shell(
    root: Root, home: Path, line: str, *, environment: Mapping[str, str] | None = None, network: bool = True
) -> list[str]:
    """Return the command that runs a line of shell in the clone."""
    words = ("/bin/sh", "-c", f"cd notos && {line}")
    return root.command(home, *words, network=network, environment=environment)


def ran(words: list[str]) -> tuple[int, list[str]]:
    """Run a command to its end; return its status and the lines of its output."""
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize("suite", ["trixie", "bookworm"])
def test_two_commands(maker: Maker, home: Path, tmp_path: Path, suite: str) -> None:
    """They end in a machine that answers; it takes commands by ./doit ssh, and ends."""
    root = maker.root(suite, *NEEDED)
    assert not list((root.folder / "var/lib/apt/lists").iterdir())
    port = free_port()
    # Only the ports are not the default ones, which another machine of this host may have.
    own = {"SSH_PORT": str(port), "FORWARD": f"{free_port()}:80 2222:22"}
    begun = time.monotonic()
    with subprocess.Popen(
        shell(root, home, commands(), environment=own),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
    ) as process:
        assert process.stdout
        console = Console(process.stdout, tmp_path / "console.log", begun)
        try:
            while not console.find(re.compile(rf"^ready in \d+\.\d s: SSH_PORT={port} \./doit ssh$")):
                assert process.poll() is None, "\n".join(console.tail(40))
                assert time.monotonic() < begun + 900, "\n".join(console.tail(40))
                console.wait(0.2)
            said = [line.text for line in console.lines]
            assert said[0] == MADE
            assert "Entering stage-2..." in said
            assert not [line for line in said if "Traceback" in line or "FAILED" in line]
            assert ran(shell(root, home, "./doit ssh true", environment=own)) == (0, [])
            assert ran(shell(root, home, "./doit ssh 'hostname; id -u'", environment=own)) == (
                0,
                ["notos", "0"],
            )
            ran(shell(root, home, "./doit ssh poweroff", environment=own))
            assert process.wait(300) == 0
        finally:
            process.kill()
            console.close()
    # What is kept is the user's own, and where the README says.
    assert (home / ".cache/notos/sha256").is_dir()
    assert {path.name for path in home.iterdir()} <= {".cache", "notos"}
    assert all(path.lstat().st_uid for path in home.rglob("*"))


def test_without_venv_it_says_what_to_install(maker: Maker, home: Path) -> None:
    root = maker.root("trixie", "python3", "ca-certificates")
    status, said = ran(shell(root, home, "./doit runvm"))
    assert status == 1
    assert said[:-1] in ([], [MADE])
    assert "(apt install python3-venv)" in said[-1]
    assert not list((home / "notos").glob(".venv*"))


def test_without_a_network_it_says_so_at_once(maker: Maker, home: Path) -> None:
    """This holds for a first run, and for a run that has only its Python packages."""
    root = maker.root("trixie", *NEEDED)
    begun = time.monotonic()
    status, said = ran(shell(root, home, "./doit runvm", network=False))
    assert time.monotonic() - begun < slowed(AT_ONCE)
    assert status == 1
    assert said[:-1] == [MADE]
    assert re.fullmatch(r"doit: .*network.*", said[-1])
    status, said = ran(shell(root, home, "./doit list"))
    assert (status, said[0]) == (0, MADE)
    begun = time.monotonic()
    status, said = ran(shell(root, home, "./doit runvm", network=False))
    assert time.monotonic() - begun < slowed(AT_ONCE)
    assert status == 1
    (line,) = said
    assert line.startswith("FAILED   lock: ")
    assert "Traceback" not in line


def test_nothing_of_the_root_is_the_user_s(maker: Maker, home: Path) -> None:
    """Show what the other tests rely on: the user can write nowhere else, and apt has never updated."""
    root = maker.root("trixie", *NEEDED)
    status, said = ran(
        root.command(home, "/bin/sh", "-c", "id -u; pwd; touch /usr/x /etc/x; apt-get indextargets")
    )
    assert status == 0
    assert said[:2] == ["1000", HOME]
    assert len([line for line in said if "Read-only file system" in line or "Permission denied" in line]) == 2
    assert len(said) == 4
