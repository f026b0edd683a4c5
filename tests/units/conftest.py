"""run-unit for tests, compiled once by the code of the build, and scenes in which it runs."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from notos import architecture, loader
from notos.cache import Cache
from notos.config.model import Machine
from notos.debian import download
from notos.debian.archive import Archive
from notos.debian.unpack import Unpack
from notos.features.model import Features
from notos.lock import lockfile
from notos.lock.request import Request
from notos.lock.resolve import resolve
from notos.system import contents, run_unit
from notos.toolchain import tools_tree
from notos.toolchain.tools_tree import ToolsTree
from tests.conftest import ROOT
from tests.units.unit_scene import Scene

SOURCE = ROOT / "runit/run-unit"


@pytest.fixture(scope="session")
def compiler_key() -> tuple[ToolsTree, str]:
    """Return the tools tree that compiles run-unit, and its key; its lock is in build/."""
    machine: Machine = loader.load(ROOT / "config.yaml").machine
    cache, build, name = Cache.default(), architecture.host(), contents.TOOLS_RUN_UNIT
    archive = Archive(machine.debian, cache, build)
    packages = contents.tool_packages(name, Features(), build, build)

    def fetch(found: object) -> None:
        downloads = [each.download(archive.mirrors) for each in found]  # type: ignore[attr-defined]
        download.fetch(downloads, cache, proxies=archive.mirrors.proxies)

    kept = ROOT / "build/tests/run-unit.lock"
    kept.parent.mkdir(parents=True, exist_ok=True)
    requests = {str(each.name): Request(each.closure or "elf", each.only, each.exclude) for each in packages}
    locked = resolve(
        {name: requests},
        suite=archive.debian.suite,
        base=lockfile.read(kept),
        archive=archive,
        cache=cache,
        fetch=fetch,
    )
    lockfile.write(kept, locked)
    rows = locked.set(name)
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
        fetch(rows)
    return tools_tree.ensure(cache, key, build, debs), key


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
