"""Fixtures of all tests: peers from a tools tree, and copies of the project for builds."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from benchmarks.scene import COPIED
from notos import architecture, loader
from notos.cache import Cache
from notos.debian.archive import Archive
from notos.process import run
from notos.toolchain import peers
from notos.toolchain.tools_tree import ToolsTree

ROOT = Path(__file__).resolve().parent.parent
# The duration of an example depends on the load of this host, so hypothesis must not judge it.
settings.register_profile("notos", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("notos")
Tool = Callable[[str], list[str]]  # the fixture `tool`
# For tests whose examples may share a fixture.
FIXTURES = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)
PEERS = (
    *(
        "apt",
        "bubblewrap",
        "busybox",
        "cpio",
        "dpkg",
        "e2fsprogs",
        "iproute2",
        "ipxe-qemu",
        "kmod",
        "libarchive-tools",
        "nginx",
        "nix-bin",
        "openssh-client",
        "openssl",
    ),
    *(
        "squashfs-tools",
        "systemd-standalone-sysusers",
        "systemd-standalone-tmpfiles",
        "tar",
        "xz-utils",
        "zstd",
    ),
)
RAN = re.compile(r"([\w:-]+) +[\d.]+ s(?:  \(|$)")  # the line of a task that ran
COPIED_TOO = ("requirements-test.txt", "pyproject.toml")
# These files take longest, so they start first when test files run in parallel.
LONGEST = (
    "tests/test_every_key.py",
    *("tests/machines/test_disk.py", "tests/machines/test_driver.py", "tests/machines/test_switch.py"),
    *(
        "tests/test_graph.py",
        "tests/test_example.py",
        "tests/test_extending.py",
        "tests/boot",
        "tests/tasks/test_reproducible.py",
        "tests/vm",
    ),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the test files that take longest first."""

    def place(item: pytest.Item) -> int:
        path = Path(item.nodeid.partition("::")[0])
        return next((at for at, each in enumerate(LONGEST) if path.is_relative_to(each)), len(LONGEST))

    items.sort(key=place)


@pytest.fixture(scope="session")
def tools_tree() -> ToolsTree:
    """Programs of Debian as peers of ours; their lock is in build/."""
    debian = loader.load(ROOT / "config.yaml").machine.debian
    return peers.tree(
        PEERS, Archive(debian, Cache.default(), architecture.host()), ROOT / "build/tests/tools.lock"
    )


@pytest.fixture(scope="session")
def tool(tools_tree: ToolsTree) -> Tool:
    """Return the function `tool("cpio")`, which returns the command of a peer."""
    return tools_tree.command


@pytest.fixture(scope="session")
def compiler_key() -> tuple[ToolsTree, str]:
    """Return the tools tree that compiles run-unit, and its key; its lock is in build/."""
    from notos.debian.unpack import Unpack
    from notos.features.model import Features
    from notos.lock.request import Request
    from notos.system import contents
    from notos.toolchain import tools_tree

    machine = loader.load(ROOT / "config.yaml").machine
    cache, build, name = Cache.default(), architecture.host(), contents.TOOLS_RUN_UNIT
    archive = Archive(machine.debian, cache, build)
    packages = contents.tool_packages(name, Features(), build, build)
    requests = {str(each.name): Request(each.closure or "elf", each.only, each.exclude) for each in packages}
    rows = peers.locked(requests, archive, ROOT / "build/tests/run-unit.lock")
    key = tools_tree.key((each.sha256 for each in rows), packages)
    options = {str(each.name): each for each in packages}
    debs = [
        Unpack(
            cache.download(each.sha256),
            *((options[each.name].only, options[each.name].exclude) if each.name in options else ((), ())),
            each.name,
        )
        for each in rows
    ]
    if not cache.tools(key).exists():
        peers.fetch(rows, archive)
    return tools_tree.ensure(cache, key, build, debs), key


@pytest.fixture
def nix(tool: Tool, tmp_path: Path) -> Callable[..., bytes]:
    """Return a function that runs Nix with a store in tmp_path/nix, whose paths begin with /nix/store."""
    environment = {
        "HOME": str(tmp_path / "home"),
        "NIX_CONF_DIR": str(tmp_path),
        "NIX_CONFIG": "build-users-group =\nexperimental-features = nix-command\nsandbox = false",
        "PATH": "/nonexistent",
        "LC_ALL": "C.UTF-8",
    }

    def call(program: str, *words: str | Path, input: bytes | None = None) -> bytes:
        return run([*tool(program), "--store", tmp_path / "nix", *words], env=environment, input=input)

    return call


def clean_environment() -> dict[str, str]:
    """Return the environment without the variables that ./doit sets for the tests."""
    return {name: value for name, value in os.environ.items() if name not in ("NOTOS_CALLER", "NOTOS_CONFIG")}


@dataclass(frozen=True)
class Project:
    """A copy of the project in a separate folder, for tests that build."""

    root: Path
    name: str = "notos"  # the machine's

    @property
    def script(self) -> Path:
        """Return the machine's runvm.sh. The link `result` leads to that of the config built last."""
        return self.root / "build" / self.name / "runvm.sh"

    def doit(
        self,
        *words: str,
        check: bool = True,
        input: str | None = None,
        environment: Mapping[str, str] | None = None,
        **variables: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run doit in the copy with this environment's Python; `variables` are added to `environment`."""
        done = subprocess.run(
            [sys.executable, "-m", "doit", *words],
            cwd=self.root,
            env={**clean_environment(), **(environment or {}), **variables},
            input=input,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"doit {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def build(self, name: str, text: str) -> "Project":
        """Build the machine `name` with the config `text`; return the project with this machine."""
        (self.root / f"{name}.yaml").write_text(text)
        self.doit(f"config={name}.yaml", "runvm")
        return replace(self, name=name)

    def ran(self, *words: str, **variables: str) -> list[str]:
        """Return the names of the tasks that `doit` ran, in order."""
        lines = self.doit(*words, environment=variables).stdout.splitlines()
        return [found[1] for found in map(RAN.match, lines) if found]


def copy_project(root: Path) -> Project:
    """Copy the files of a clone to the new folder `root`."""
    root.mkdir(parents=True)
    for name in (*COPIED, *COPIED_TOO):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, root / name)
    return Project(root)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a copy with the default machine built; tests do not change it."""
    project = copy_project(tmp_path_factory.mktemp("built") / "notos")
    project.doit("runvm")
    return project


@pytest.fixture(scope="session")
def kernel_tools(built: Project) -> ToolsTree:
    """Return the tools that compile kernels."""
    built.doit("config=examples/fast.yaml", "tools:kernel")
    key = json.loads((built.root / "build/fast/tools/kernel.json").read_bytes())["key"]
    return ToolsTree(Cache.default().tools(key), architecture.host())
