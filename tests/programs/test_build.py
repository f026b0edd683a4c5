"""The result of a build that is hostile or careless: nothing of this host gets into the machine."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from notos.config.model import AbsolutePath, BuildPath
from notos.errors import NotosError
from notos.formats.tree import File, Symlink, Tree
from notos.programs import build
from notos.programs.build import Job

SECRET = "the key of this host"


@pytest.fixture(autouse=True)
def outside(tmp_path: Path) -> Path:
    """Return a folder of this host that no build may read."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "id_ed25519").write_text(SECRET)
    return folder


def made(folder: Path, install: Mapping[str, str]) -> Tree:
    """Return the result of a build in `folder`, which has its folders source and result."""
    paths = {AbsolutePath(place): BuildPath(path) for place, path in install.items()}
    job = Job("app", "app", (), "", paths, 1)
    return build._result(job, folder / "source", folder / "result")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "source/out").mkdir(parents=True)
    (tmp_path / "result/opt").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("path", ["dist", "dist/id_ed25519", "dist/missing", "file", "source-2", "deep/dist"])
def test_links_out_of_the_source_are_not_followed(path: str, folder: Path, outside: Path) -> None:
    (folder / "source/dist").symlink_to(outside)
    (folder / "source/file").symlink_to("../outside/id_ed25519")
    (folder / "source-2").mkdir()
    (folder / "source/source-2").symlink_to("../source-2")
    (folder / "source/deep").symlink_to(".")
    with pytest.raises(NotosError, match=r"^build\.app\.install: \S+ leads out of the source") as raised:
        made(folder, {"/opt/x": path})
    assert "id_ed25519" not in raised.value.message.replace(path, "").replace("outside/id_ed25519", "")
    assert raised.value.keys == ("build", "app", "install", "/opt/x")


def test_links_in_the_source_are_followed(folder: Path) -> None:
    (folder / "source/out/a").write_text("a")
    (folder / "source/dist").symlink_to("out")
    (folder / "source/b").symlink_to("dist/a")
    tree = made(folder, {"/opt/x": "dist", "/opt/b": "b"})
    for path in ("opt/x/a", "opt/b"):
        entry = tree.get(path)
        assert isinstance(entry, File)
        assert entry.read() == b"a"


def test_links_below_a_folder_stay_links(folder: Path, outside: Path) -> None:
    (folder / "source/out/a").symlink_to(outside)
    assert made(folder, {"/opt/x": "out"}).get("opt/x/a") == Symlink(str(outside))


def test_a_link_to_itself_and_other_files(folder: Path) -> None:
    (folder / "source/loop").symlink_to("loop")
    os.mkfifo(folder / "source/pipe")
    with pytest.raises(NotosError) as raised:
        made(folder, {"/opt/a": "loop", "/opt/b": "pipe"})
    loop, pipe = raised.value.parts
    assert "loop" in loop.message
    assert pipe.message == "build.app.install: pipe is not a file or folder"


def test_opt_is_a_link_of_the_build(folder: Path, tmp_path: Path) -> None:
    """Its target on this host is neither read nor removed."""
    (tmp_path / "empty").mkdir()
    (folder / "result/opt").rmdir()
    (folder / "result/opt").symlink_to(tmp_path / "empty")
    with pytest.raises(NotosError, match="the build made /opt"):
        made(folder, {})
    assert (tmp_path / "empty").is_dir()
    (folder / "result/opt").unlink()
    with pytest.raises(NotosError, match="the build made no file"):
        made(folder, {})


def test_a_socket_is_an_error_of_the_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "result/opt")  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as made_socket:
        made_socket.bind("s")
    with pytest.raises(
        NotosError, match=r"^build\.app: \S+opt/s is not a file, directory or symbolic"
    ) as raised:
        made(folder, {})
    assert raised.value.keys == ("build", "app")
