"""Links in a service's folder: kept, copied or refused."""

import os
from pathlib import Path

import pytest

from notos.errors import NotosError
from notos.formats.tree import Directory, File, Symlink
from notos.system.service_folder import read, sources

RUN = "#!/bin/sh\nexec true\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shared/deep").mkdir(parents=True)
    (tmp_path / "shared/run").write_text(RUN)
    (tmp_path / "shared/deep/file").write_text("deep")
    (tmp_path / "shared/deep/up").symlink_to("../run")
    made = tmp_path / "web"
    made.mkdir()
    return made


def test_links_are_kept_or_copied(folder: Path) -> None:
    (folder / "run").symlink_to("../shared/run")
    (folder / "again").symlink_to("run")
    (folder / "conf").symlink_to("/etc/web")
    (folder / "deep").symlink_to("../shared/deep")
    (folder / "env").mkdir()
    (folder / "supervise").mkdir()
    (folder / "supervise/lock").touch()
    tree = read(folder, ())
    assert tree.get("again") == Symlink("run")
    assert tree.get("conf") == Symlink("/etc/web")
    assert isinstance(tree.get("env"), Directory)
    assert "supervise" not in tree
    for path in ("run", "deep/up"):
        entry = tree.get(path)
        assert isinstance(entry, File)
        assert entry.read().decode() == RUN
        assert entry.executable
    entry = tree.get("deep/file")
    assert isinstance(entry, File)
    assert entry.read() == b"deep"


def test_the_state_of_runsv_is_left_out(folder: Path) -> None:
    """Runsv leaves pipes (runsv(8), FILES). A folder of the log service may be a link."""
    (folder / "run").write_text(RUN)
    shared = folder.parent / "shared/log"
    for state in (folder / "supervise", shared / "supervise"):
        state.mkdir(parents=True)
        for name in ("control", "ok"):
            os.mkfifo(state / name)
    (shared / "run").write_text(RUN)
    (folder / "log").symlink_to("../shared/log")
    assert [path for path, _ in read(folder, ()).items()] == ["log", "log/run", "run"]


def test_other_kinds_of_files_are_refused(folder: Path) -> None:
    keys = ("services", "web", "source")
    (folder / "link").symlink_to("../pipe")
    os.mkfifo(folder.parent / "pipe")
    with pytest.raises(NotosError, match=r"link is a link to \.\./pipe, which is not a file or folder"):
        read(folder, keys)
    (folder / "deep").mkdir()
    os.mkfifo(folder / "deep/pipe")
    with pytest.raises(NotosError, match="web/deep/pipe is not a file, directory or symbolic link") as caught:
        read(folder, keys)
    assert caught.value.keys == keys


def test_an_absolute_link_of_a_script_is_copied(folder: Path) -> None:
    (folder / "run").symlink_to(folder.parent / "shared/run")
    assert isinstance(read(folder, ()).get("run"), File)


def test_links_that_lead_nowhere_are_refused(folder: Path) -> None:
    (folder / "run").write_text(RUN)
    (folder / "a").symlink_to("../missing")
    (folder / "b").symlink_to("missing")
    (folder / "finish").symlink_to("/missing")
    (folder.parent / "shared/loop").symlink_to("../shared")
    (folder / "c").symlink_to("../shared")
    with pytest.raises(NotosError) as caught:
        read(folder, ("services", "web", "source"))
    assert [each.message.partition("web/")[2] for each in caught.value.parts] == [
        "a is a link to ../missing, which does not exist",
        "b is a link to missing, which does not exist",
        "finish is a link to /missing, which does not exist",
    ]
    assert {each.keys for each in caught.value.parts} == {("services", "web", "source")}


def test_the_sources_are_the_paths_that_are_read(folder: Path) -> None:
    """Not those to which an absolute link leads on this host, and not those of runsv."""
    (folder / "run").symlink_to("../shared/run")
    (folder / "deep").symlink_to("../shared/deep")
    (folder / "data").symlink_to("/var")
    (folder / "process").symlink_to("/proc/self")
    (folder / "loop").symlink_to("loop")
    (folder / "lost").symlink_to("../lost")
    (folder / "env").mkdir()
    (folder / "env/inner").symlink_to("..")
    (folder / "supervise").mkdir()
    (folder / "supervise/lock").touch()
    found = list(sources(str(folder)))
    own = ["", "run", "deep", "data", "process", "loop", "lost", "env", "env/inner"]
    shared = ["run", "deep", "deep/file", "deep/up"]
    assert sorted(set(found)) == sorted(
        [*(str(folder / each) for each in own), *(str(folder.parent / "shared" / each) for each in shared)]
    )


def test_sources_of_links_into_each_other_end(folder: Path) -> None:
    (folder.parent / "shared/loop").symlink_to("../shared")
    (folder / "c").symlink_to("../shared")
    assert len(set(sources(str(folder)))) < 20
