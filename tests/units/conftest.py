"""Fixtures of the tests of units: systemd's programs as judges, and run-unit, compiled once."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from notos import architecture, atomic, loader
from notos.cache import Cache
from notos.debian import download
from notos.debian.archive import Archive
from notos.debian.unpack import Aside, Unpack, unpack
from notos.lock import lockfile
from notos.system import run_unit
from notos.toolchain import peers
from notos.toolchain.tools_tree import ToolsTree
from tests.conftest import ROOT
from tests.units.unit_scene import Scene

SOURCE = ROOT / "runit/run-unit"


@pytest.fixture(scope="session")
def program(compiler_key: tuple[ToolsTree, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the compiled run-unit."""
    tools, key = compiler_key
    tree = run_unit.compiled(Cache.default(), SOURCE, tools, key, target=tools.build)
    folder = tmp_path_factory.mktemp("run-unit")
    tree.write_to(folder)
    folder.chmod(0o755)
    return folder / run_unit.NAME


@pytest.fixture
def scene(program: Path, tmp_path: Path) -> Scene:
    """Return a scene in which run-unit runs. Skip the test where this host has no namespaces."""
    words = ["unshare", "--mount", "--pid", "--fork", "--cgroup", "--ipc", "--uts", "--net", "true"]
    if subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("these tests need root's namespaces")
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent != Path("/tmp") and parent.is_relative_to("/tmp") and parent.stat().st_mode & 0o5 != 0o5:
            parent.chmod(0o755)
    return Scene(program, tmp_path)


Starter = Callable[..., object]

PACKAGES = (
    *("systemd", "libseccomp2", "python3-minimal", "python3.13-minimal", "libpython3.13-minimal"),
    "libpython3.13-stdlib",
)


@dataclass(frozen=True)
class Verdict:
    """The judgement of systemd-analyze(1) about a unit: messages by line, and True if it is refused."""

    lines: dict[int, str]
    refused: bool
    text: str


@dataclass(frozen=True)
class Systemd:
    """The programs of the package systemd."""

    tree: ToolsTree

    def command(self, program: str) -> list[str]:
        """Return the command of a program, which finds systemd's own libraries."""
        private = self.tree.libraries / "systemd"
        loader_, option, libraries, *rest = self.tree.command(program)
        return [loader_, option, f"{libraries}:{private}", *rest]

    def run(self, program: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program without the host's environment."""
        environment = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "SYSTEMD_LOG_LEVEL": "info", "SYSTEMD_COLORS": "0"}
        return subprocess.run(
            [*self.command(program), *words],
            capture_output=True,
            text=True,
            check=False,
            env=environment | variables,
        )

    def verify(self, path: Path) -> Verdict:
        """Return the judgement about the unit at `path`."""
        done = self.run("systemd-analyze", "verify", "--man=no", str(path))
        found = re.findall(rf"^{re.escape(str(path))}:(\d+): (.*)$", done.stderr, re.MULTILINE)
        refused = bool(re.search("bad unit file setting|Refusing|failed to load", done.stderr))
        return Verdict({int(line): text for line, text in found}, refused, done.stderr)


@pytest.fixture(scope="session")
def systemd() -> Systemd:
    """Return systemd 257's programs; the lock of the packages is in build/."""
    debian = loader.load(ROOT / "config.yaml").machine.debian
    archive = Archive(debian, Cache.default(), architecture.host())
    return Systemd(peers.tree(PACKAGES, archive, ROOT / "build/tests/systemd.lock"))


@pytest.fixture(scope="session")
def own_units(systemd: Systemd) -> Aside:
    """Return the units of the package systemd, which a tools tree does not have."""
    cache = Cache.default()
    locked = lockfile.read(ROOT / "build/tests/systemd.lock")
    assert locked is not None
    (package,) = (each for each in locked.set(peers.SET) if each.name == "systemd")
    kept = ROOT / f"build/tests/systemd-units-{package.sha256[:16]}.json"
    if not kept.exists():
        if not cache.download(package.sha256).exists():
            debian = loader.load(ROOT / "config.yaml").machine.debian
            mirrors = Archive(debian, cache, architecture.host()).mirrors
            download.fetch([package.download(mirrors)], cache, proxies=mirrors.proxies)
        found = Aside()
        unpack([Unpack(cache.download(package.sha256), package="systemd")], aside=found)
        texts = {path: data.decode() for path, data in found.units.items()}
        atomic.write(kept, json.dumps([texts, found.links]))
    units, links = json.loads(kept.read_text())
    return Aside({path: text.encode() for path, text in units.items()}, links)


@pytest.fixture(scope="session")
def library(systemd: Systemd) -> Iterator["Library"]:
    """Return functions of systemd's library, which run in a Python of the tools tree."""
    (path,) = systemd.tree.libraries.glob("systemd/libsystemd-shared-*.so")
    script = Path(__file__).with_name("oracle.py")
    command = [*systemd.command("python3"), "-s", str(script), str(path)]
    environment = {"PYTHONHOME": str(systemd.tree.root / "usr"), "TZ": "UTC"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield Library(process)
        assert process.stdin is not None
        process.stdin.close()


@dataclass(frozen=True)
class Library:
    """A process that calls functions of systemd's library (oracle.py)."""

    process: "subprocess.Popen[str]"

    def __call__(self, name: str, *arguments: Any) -> Any:
        """Return the result of a function. Bytes that are not UTF-8 are surrogate escapes."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        sent = [_narrow(each) for each in arguments]
        self.process.stdin.write(json.dumps([name, *sent]) + "\n")
        self.process.stdin.flush()
        return _wide(json.loads(self.process.stdout.readline()))


def _narrow(value: Any) -> Any:
    return value.encode("utf-8", "surrogateescape").decode("latin-1") if isinstance(value, str) else value


def _wide(value: Any) -> Any:
    if isinstance(value, list):
        return [_wide(each) for each in value]
    return value.encode("latin-1").decode("utf-8", "surrogateescape") if isinstance(value, str) else value
