"""The choice of a mirror: the config, then the environment, host.yaml and apt."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from notos import loader
from notos.config import host_settings
from notos.config.host_settings import HostSettings
from notos.config.model import Debian, Url
from notos.debian.mirror import Mirrors, mirrors
from notos.errors import FetchError, HostError
from notos.host.proxy import Proxies
from tests.conftest import clean_environment, copy_project
from tests.signed_archive import SignedArchive, serving
from tests.this_host import PATIENCE

MAIN = "http://mirror.example/debian"
SECURITY = "http://security.example/debian-security"
OTHER = "https://other.example/debian"
APT = f'[ "$1" = indextargets ] && printf "{MAIN}/\\ttrixie\\tmain\\tx:1\\tDebian\\tDebian\\n" || true'


def debian(mirror: str = "auto", security: str = "auto") -> Debian:
    return Debian(mirror=Url(mirror), security_mirror=Url(security))


def both(main: str, security: str | None = None) -> Mirrors:
    return Mirrors(main, security or f"{main}-security")


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up a user without settings, on a host without programs except the `apt-get` of a test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("NOTOS_MIRROR", "NOTOS_SECURITY_MIRROR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def apt(tmp_path: Path) -> Callable[[str], None]:
    """Make `apt-get` and `apt-config` the script that is given."""

    def install(script: str) -> None:
        (tmp_path / "bin").mkdir()
        for name in ("apt-get", "apt-config"):
            path = tmp_path / "bin" / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)

    return install


def keep(tmp_path: Path, text: str) -> None:
    (tmp_path / "config/notos").mkdir(parents=True, exist_ok=True)
    (tmp_path / "config/notos/host.yaml").write_text(text)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (debian(MAIN), both(MAIN)),
        (debian(MAIN + "/"), both(MAIN)),
        (debian(MAIN, SECURITY + "/"), Mirrors(MAIN, SECURITY)),
        (debian("https://host.example/x", SECURITY), Mirrors("https://host.example/x", SECURITY)),
    ],
)
def test_a_config_comes_first(
    asked: Debian, expected: Mirrors, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NOTOS_MIRROR", OTHER)
    keep(tmp_path, f"mirror: {OTHER}\n")
    found = mirrors(asked)
    assert (found.main, found.security, found.pinned) == (expected.main, expected.security, True)


def test_then_the_environment_then_host_yaml_then_apt(
    apt: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    apt(APT)
    assert mirrors(debian()) == both(MAIN)
    assert mirrors(debian(security=SECURITY)) == both(MAIN, SECURITY)
    keep(tmp_path, "mirror: http://kept.example/debian/\n")
    assert mirrors(debian()) == both("http://kept.example/debian")
    monkeypatch.setenv("NOTOS_MIRROR", f"{OTHER}/")
    assert mirrors(debian()) == both(OTHER)
    monkeypatch.setenv("NOTOS_SECURITY_MIRROR", SECURITY)
    assert mirrors(debian()) == both(OTHER, SECURITY)
    monkeypatch.delenv("NOTOS_MIRROR")
    assert mirrors(debian()) == both("http://kept.example/debian", SECURITY)


def test_the_security_mirror_of_the_host_goes_with_the_host_s_mirror(tmp_path: Path) -> None:
    keep(tmp_path, f"mirror: http://kept.example/x\nsecurity_mirror: {SECURITY}\n")
    assert mirrors(debian()) == Mirrors("http://kept.example/x", SECURITY)
    assert mirrors(debian(MAIN)).security == f"{MAIN}-security"


def test_fallback_mirrors(tmp_path: Path) -> None:
    keep(tmp_path, f"mirror: {MAIN}\nfallback_mirrors: [{OTHER}, http://third.example/x, {MAIN}]\n")
    expected = (both(OTHER), both("http://third.example/x", f"{MAIN}-security"))
    assert mirrors(debian()).others == expected


def test_a_security_mirror_that_cannot_be_guessed() -> None:
    with pytest.raises(FetchError) as caught:
        mirrors(debian("http://mirror.example/archive"))
    assert "debian.security_mirror" in caught.value.hint


@pytest.mark.parametrize("name", ["NOTOS_MIRROR", "NOTOS_SECURITY_MIRROR"])
@pytest.mark.parametrize("value", ["mirror.example/debian", "ftp://mirror.example/debian", "auto", "http://"])
def test_the_environment_is_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    keep(tmp_path, f"mirror: {MAIN}\n")
    monkeypatch.setenv(name, value)
    with pytest.raises(FetchError) as caught:
        mirrors(debian())
    assert str(caught.value).startswith(f"{name}: invalid address: '{value}': ")
    assert MAIN in caught.value.hint


def test_a_variable_that_does_not_count_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTOS_MIRROR", "ftp://mirror.example/debian")
    assert mirrors(debian(MAIN)).main == MAIN
    monkeypatch.setenv("NOTOS_SECURITY_MIRROR", "auto")
    assert mirrors(debian(MAIN, SECURITY)) == replace(both(MAIN, SECURITY), pinned=True)
    with pytest.raises(FetchError, match="NOTOS_SECURITY_MIRROR: invalid address"):
        mirrors(debian(MAIN))


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTOS_MIRROR", "http://me:secret@mirror.example/debian")
    with pytest.raises(FetchError) as caught:
        mirrors(debian())
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("script", [None, "echo 'E: broken' >&2; exit 100", "true"])
def test_hosts_without_a_mirror(apt: Callable[[str], None], script: str | None, tmp_path: Path) -> None:
    """The error has commands to copy; the first one sets a mirror."""
    if script:
        apt(script)
    with pytest.raises(FetchError) as caught:
        mirrors(debian())
    said = str(caught.value)
    assert "\n" not in said
    assert f"NOTOS_MIRROR={MAIN} ./doit runvm" in said
    line = said.partition("name one near you: ")[2].partition(", or for one run")[0]
    subprocess.run(line, shell=True, check=True, env={"PATH": "/usr/bin:/bin"})
    assert mirrors(debian()) == both(MAIN)


def test_apt_s_proxy_goes_with_apt_s_mirror(
    apt: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    apt(f"""{APT.removesuffix(" || true")} || echo 'Acquire::http::Proxy "http://proxy.example:3142";'""")
    both_schemes = dict.fromkeys(("http", "https"), "http://proxy.example:3142")
    assert mirrors(debian()).proxies == Proxies(both_schemes)
    monkeypatch.setenv("NOTOS_MIRROR", OTHER)
    assert mirrors(debian()).proxies == Proxies()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, f"mirror: {MAIN}\n"),
        ("", f"mirror: {MAIN}\n"),
        ("# mine\njobs: 2", f"# mine\njobs: 2\nmirror: {MAIN}\n"),
        ("ccache:\n  size: 9G\n", f"ccache:\n  size: 9G\nmirror: {MAIN}\n"),
    ],
)
def test_an_answer_is_kept_beside_what_the_file_has(tmp_path: Path, before: str | None, after: str) -> None:
    file = tmp_path / "config/notos/host.yaml"
    if before is not None:
        keep(tmp_path, before)
        file.chmod(0o600)
    assert host_settings.keep_mirror(MAIN) == file
    assert file.read_text() == after
    assert file.stat().st_mode & 0o777 == (0o644 if before is None else 0o600)
    assert [each.name for each in file.parent.iterdir()] == ["host.yaml"]


@pytest.mark.parametrize("before", ["{jobs: 2}\n", "jobs: 2\n...\n", "jobs: [\n"])
def test_a_file_to_which_no_line_can_be_added(tmp_path: Path, before: str) -> None:
    keep(tmp_path, before)
    with pytest.raises(HostError, match="cannot append a line") as caught:
        host_settings.keep_mirror(MAIN)
    assert f"mirror: {MAIN}" in caught.value.hint
    assert (tmp_path / "config/notos/host.yaml").read_text() == before


class Terminal:
    """doit at a terminal of its own."""

    def __init__(self, root: Path, environment: dict[str, str]) -> None:
        self.said = ""
        self._master, slave = pty.openpty()
        words = [sys.executable, "-m", "doit", "lock"]
        self._process = subprocess.Popen(
            words, cwd=root, env=environment, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)

    def wait(self, text: str) -> None:
        """Wait until `text` has come, and forget what came before it."""
        end = time.monotonic() + PATIENCE
        while text not in self.said:
            assert time.monotonic() < end, self.said
            if select.select([self._master], [], [], 1)[0]:
                try:
                    self.said += os.read(self._master, 4096).decode()
                except OSError:  # all others have closed it
                    assert text in self.said, self.said
        self.said = self.said.partition(text)[2]

    def type(self, line: str) -> None:
        os.write(self._master, f"{line}\n".encode())

    def status(self) -> int:
        return self._process.wait(PATIENCE)


def test_a_user_at_a_terminal_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is saved even if the lock fails: the archive lacks the machine's packages."""
    project = copy_project(tmp_path / "project")
    (project.root / "config.yaml").write_text("name: tiny\n")
    archive = SignedArchive(tmp_path / "signed")
    (project.root / "notos/debian/keys/test.asc").write_bytes((archive.keys / "test.asc").read_bytes())
    environment = {
        **clean_environment(),
        "NOTOS_CACHE": str(tmp_path / "cache"),
        "PATH": "/nonexistent",
        "no_proxy": "127.0.0.1",
        "TERM": "dumb",
    }
    with serving(archive.root) as server:
        address = f"{server.url}/debian"
        first = Terminal(project.root, environment)
        first.wait("mirror: ")
        first.type("nonsense")
        first.wait("invalid address: 'nonsense'; another one, or Enter to give up")
        first.type(f"{server.url}/nothing")
        first.wait("no suite trixie at")
        first.type(address)
        first.wait(f"kept in {tmp_path / 'config/notos/host.yaml'}")
        first.wait("has no package")
        assert first.status() == 1
        assert (tmp_path / "config/notos/host.yaml").read_text() == f"mirror: {address}\n"
        second = Terminal(project.root, environment)
        second.wait("has no package")
        assert second.status() == 1
        assert "mirror: " not in second.said
    (tmp_path / "config/notos/host.yaml").unlink()
    third = Terminal(project.root, environment)
    third.wait("mirror: ")
    third.type("")
    third.wait(f"name one near you: echo 'mirror: {MAIN}'")
    assert third.status() == 1
    # Without a terminal nothing is asked.
    done = project.doit("lock", check=False, NOTOS_CACHE=str(tmp_path / "cache"), PATH="/nonexistent")
    assert f"NOTOS_MIRROR={MAIN}" in done.stdout + done.stderr
    assert done.returncode == 1


def test_settings_of_the_host_are_read_as_configs_are(tmp_path: Path) -> None:
    keep(
        tmp_path,
        f"mirror: {MAIN}\nfallback_mirrors: [{OTHER}]\njobs: 3\n"
        "ccache: {enable: false, size: 9G, remote_storage: 'http://cache.example'}\n",
    )
    found = host_settings.load()
    assert (found.mirror, found.fallback_mirrors, found.jobs) == (MAIN, (OTHER,), 3)
    assert (found.ccache.enable, found.ccache.size) == (False, "9G")
    keep(tmp_path, "")
    assert host_settings.load() == HostSettings()


def test_a_config_s_own_settings_go_before_those_of_the_host(tmp_path: Path) -> None:
    keep(tmp_path, "jobs: 3\nccache: {enable: false, size: 9G}\n")
    host = host_settings.load()
    (tmp_path / "none.yaml").write_text("name: x\n")
    loaded = loader.load(tmp_path / "none.yaml")
    build = host.build(loaded.machine.build, loaded.gives)
    assert (build.jobs, build.ccache.enable, build.ccache.size) == (3, False, "9G")
    # A value that is the default's counts too, where the config gives it.
    (tmp_path / "some.yaml").write_text("name: x\nbuild: {jobs: 7, ccache: {size: 5G, enable: true}}\n")
    loaded = loader.load(tmp_path / "some.yaml")
    build = host.build(loaded.machine.build, loaded.gives)
    assert (build.jobs, build.ccache.enable, build.ccache.size) == (7, True, "5G")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("miror: x\n", 1, 'did you mean "mirror"?'),
        ("jobs: 2\nmirror: mirror.example\n", 2, "; write http://mirror.example"),
        ("jobs: 0\n", 1, "1 to 1024"),
        ("mirror: [\n", 1, "this is not YAML: the [ that opens here has no ]"),
        ("- a\n", 1, "host.yaml must be a map"),
        ("ccache: {sise: 5G}\n", 1, 'did you mean "size"?'),
    ],
)
def test_bad_settings_are_shown_at_their_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    keep(tmp_path, text)
    with pytest.raises(HostError) as caught:
        host_settings.load()
    assert caught.value.message.startswith(f"{tmp_path}/config/notos/host.yaml:{line}: ")
    assert message in caught.value.message
    assert "^" in caught.value.message
