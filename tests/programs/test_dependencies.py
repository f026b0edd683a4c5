"""Dependencies that cannot be fetched: each error has the keys of the program."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from notos import architecture
from notos.cache import Cache
from notos.errors import FetchError
from notos.programs import kinds
from notos.programs.dependencies import Dependencies
from notos.programs.kinds import Kind
from notos.programs.wheels import Python
from notos.toolchain.tools_tree import ToolsTree
from tests.programs.packages import Registry, index, integrity, pinned, registry, wheel

KEYS = ("build", "app")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    (tmp_path / "www").mkdir()
    with registry(tmp_path / "www") as found:
        monkeypatch.setenv("PIP_INDEX_URL", f"{found.url}/simple")
        yield found


def prepare(folder: Path, kind: Kind) -> None:
    """Fetch the dependencies of the program in folder/app."""
    tools = ToolsTree(folder / "tools", architecture.host())
    for each in ("deps", "home"):
        (folder / each).mkdir()
    Dependencies(
        name="app",
        source=str(folder / "app"),
        left_out=(),
        kinds=(kind,),
        target=architecture.AMD64,
        python=Python("3.13.5", 41, architecture.AMD64) if kind is kinds.PYTHON else None,
        packages=(),
        cache=Cache(folder / "cache"),
        bwrap=tools,
        system=folder,
        progress=lambda _: None,
        on_line=lambda _: None,
    ).prepare(folder / "app", folder / "deps", folder / "home")


def test_a_tarball_of_npm_that_the_server_lacks(server: Registry, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    entry = {"version": "1.0.0", "resolved": f"{server.url}/a.tgz", "integrity": integrity(b"x")}
    lock = {"lockfileVersion": 3, "packages": {"node_modules/a": entry}}
    (tmp_path / "app/package-lock.json").write_text(json.dumps(lock))
    with pytest.raises(FetchError, match="no longer has a 1") as raised:
        prepare(tmp_path, kinds.NPM)
    assert raised.value.keys == KEYS


def test_a_wheel_that_the_server_lacks(server: Registry, tmp_path: Path) -> None:
    made = wheel(tmp_path / "www/files", "a", "1.0", {"a.py": ""})
    index(tmp_path / "www", [made])
    (tmp_path / "app").mkdir()
    (tmp_path / "app/requirements.txt").write_text(pinned(made))
    made.unlink()
    with pytest.raises(FetchError, match=r"no longer has a-1\.0-py3") as raised:
        prepare(tmp_path, kinds.PYTHON)
    assert raised.value.keys == KEYS
