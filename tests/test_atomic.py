"""Files that are whole or absent, judged by processes that are killed, writers at once, umasks and modes."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from notos import atomic


@pytest.fixture(params=[0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    old = os.umask(request.param)
    yield request.param
    os.umask(old)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def in_python(code: str, folder: Path) -> list[str]:
    return [
        sys.executable,
        "-c",
        f"from pathlib import Path\nfrom notos import atomic\nfolder = Path({str(folder)!r})\n{code}",
    ]


def test_mode_does_not_depend_on_the_umask(tmp_path: Path, umask: int) -> None:
    for wanted in (0o600, 0o644, 0o755):
        atomic.write(tmp_path / f"{wanted:o}", "text", mode=wanted)
        assert mode(tmp_path / f"{wanted:o}") == wanted
    with atomic.folder(tmp_path / "folder") as new:
        (new / "file").touch()
    assert mode(tmp_path / "folder") == 0o755


def test_a_replaced_folder(tmp_path: Path) -> None:
    """The new files take the place of all old ones; with an error in the block the old ones stay."""
    folder = tmp_path / "folder"
    for name in ("one", "two"):
        with atomic.folder(folder, replace=True) as new:
            (new / name).touch()
        assert (names(folder), names(tmp_path)) == ([name], ["folder"])
    with pytest.raises(OSError, match="no more"), atomic.folder(folder, replace=True) as new:
        raise OSError("no more")
    (folder / "two").write_text("2")
    with pytest.raises(FileNotFoundError), atomic.folder(folder, replace=True) as new:
        new.rmdir()  # so that it cannot be renamed
    assert ((folder / "two").read_text(), names(tmp_path)) == ("2", ["folder"])


def test_the_users_own_file_keeps_its_mode(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "host.yaml"
    atomic.write(path, "one", mode=None)
    assert mode(path) == 0o666 & ~umask
    path.chmod(0o640)
    atomic.write(path, "two", mode=None)
    assert (path.read_text(), mode(path)) == ("two", 0o640)


def test_a_secret_is_never_readable_by_others(tmp_path: Path) -> None:
    with atomic.file(tmp_path / "key", mode=0o600) as stream:
        assert os.fstat(stream.fileno()).st_mode & 0o777 == 0o600


def test_what_raises_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic.write(path, "old")

    def fail() -> None:
        with atomic.file(path) as stream:
            stream.write(b"half")
            stream.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert atomic.leftovers(tmp_path) == []


def test_a_folder_that_raises_is_gone(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic.folder(tmp_path / "tree") as new:
            (new / "below").mkdir(mode=0o500)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_the_first_of_two_folders_stays(tmp_path: Path) -> None:
    with atomic.folder(tmp_path / "tree") as one:
        (one / "first").touch()
        with atomic.folder(tmp_path / "tree") as two:
            (two / "second").touch()
    assert names(tmp_path / "tree") == ["second"]  # it was renamed first
    assert names(tmp_path) == ["tree"]


def test_a_killed_writer_leaves_what_the_next_one_reuses(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic.write(path, "old")
    code = """
with atomic.file(folder / "file") as out:
    out.write(b"a long half")
    out.flush()
    print(flush=True)
    import time; time.sleep(600)
"""
    with subprocess.Popen(in_python(code, tmp_path), stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
    assert path.read_text() == "old"
    assert atomic.leftovers(tmp_path) == [atomic.beside(path)]
    atomic.write(path, "new")
    assert path.read_text() == "new"
    assert atomic.leftovers(tmp_path) == []


def test_two_writers_take_turns(tmp_path: Path) -> None:
    """Each writer writes many pieces; readers see only complete files."""
    code = """
import sys
for _ in range(60):
    with atomic.file(folder / "file") as out:
        for _ in range(50):
            out.write(sys.argv[1].encode() * 100); out.flush()
"""
    whole = {b"a" * 5000, b"b" * 5000, b"c" * 5000}
    writers = [subprocess.Popen([*in_python(code, tmp_path), each]) for each in "abc"]
    seen = set()
    while any(each.poll() is None for each in writers):
        if (tmp_path / "file").exists():
            seen.add((tmp_path / "file").read_bytes())
        time.sleep(0.001)
    assert [each.wait() for each in writers] == [0, 0, 0]
    seen.add((tmp_path / "file").read_bytes())
    assert seen <= whole
    assert names(tmp_path) == ["file"]


def test_create_keeps_what_exists(tmp_path: Path) -> None:
    atomic.create(tmp_path / "key", b"one", mode=0o600)
    atomic.create(tmp_path / "key", b"two", mode=0o600)
    assert ((tmp_path / "key").read_bytes(), mode(tmp_path / "key")) == (b"one", 0o600)
    assert names(tmp_path) == ["key"]


def test_write_if_changed_looks_at_bytes_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "folder/file"
    atomic.write_if_changed(path, "text")
    before = path.stat()
    atomic.write_if_changed(path, "text")
    assert path.stat().st_ino == before.st_ino
    path.chmod(0o600)
    atomic.write_if_changed(path, "text")
    assert mode(path) == 0o644
    atomic.write_if_changed(path, "other")
    assert path.read_text() == "other"


def test_link_replaces_files_and_links(tmp_path: Path) -> None:
    (tmp_path / "result").touch()
    (tmp_path / ".result.new").touch()
    for target in ("one", "two"):
        atomic.link(tmp_path / "result", target)
        assert os.readlink(tmp_path / "result") == target
    assert names(tmp_path) == ["result"]


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("kept")
    (tmp_path / ".file.new").symlink_to("target")
    with pytest.raises(OSError, match="symbolic links"):
        atomic.write(tmp_path / "file", "text")
    assert (tmp_path / "target").read_text() == "kept"


@pytest.mark.parametrize("durable", [False, True])
def test_durable_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, durable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    calls = []

    def fsync(handle: int) -> None:
        name = os.readlink(f"/proc/self/fd/{handle}")
        calls.append((Path(name).name, path.exists(), Path(name).is_file() and Path(name).read_bytes()))

    monkeypatch.setattr(os, "fsync", fsync)
    atomic.write(path, b"secret", durable=durable)
    wanted = [(".key.new", False, b"secret"), (tmp_path.name, True, False)]
    assert calls == (wanted if durable else [])


@pytest.mark.parametrize("lacking", [errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL])
def test_a_share_without_locks_will_do(tmp_path: Path, lacking: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_handle: int, _kind: int) -> None:
        raise OSError(lacking, os.strerror(lacking))

    monkeypatch.setattr(fcntl, "flock", refused)
    atomic.write(tmp_path / "file", "text")
    assert (tmp_path / "file").read_text() == "text"


def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        atomic.write(tmp_path / "file", "text", durable=True)
    assert names(tmp_path) == []
