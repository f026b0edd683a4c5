"""The source of a program: what counts, its hash, and its copy."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from notos.errors import NotosError
from notos.programs import source

TIME = 315532800


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    for path in ("main.c", "sub/a.py", "sub/build/x", "build/y", ".git/HEAD", "sub/__pycache__/a.pyc", "log"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    (root / "run").symlink_to("sub/a.py")
    (root / "tool").write_text("tool")
    (root / "tool").chmod(0o700)
    (root / "empty").mkdir()
    return root


LEFT_OUT = ("/build", "log")


def test_what_counts(folder: Path) -> None:
    found = list(source.walk(str(folder), LEFT_OUT))
    assert found == [
        *("empty", "main.c", "run", "sub", "sub/a.py", "sub/build", "sub/build/x", "tool"),
    ]


def replaced(path: Path) -> Path:
    """Remove a file; return its path."""
    path.unlink()
    return path


CHANGES: list[tuple[Callable[[Path], object], bool]] = [
    (lambda root: os.utime(root / "main.c", (1, 1)), False),
    (lambda root: (root / "build/y").write_text("z"), False),
    (lambda root: (root / ".git/index").write_text("z"), False),
    (lambda root: (root / "main.c").chmod(0o600), False),
    (lambda root: (root / "main.c").write_text("z"), True),
    (lambda root: (root / "main.c").chmod(0o755), True),
    (lambda root: (root / "main.c").rename(root / "other.c"), True),
    (lambda root: (root / "empty").rmdir(), True),
    (lambda root: replaced(root / "run").symlink_to("main.c"), True),
    (lambda root: replaced(root / "main.c").mkdir(), True),
]


@pytest.mark.parametrize(("change", "counts"), CHANGES)
def test_the_hash_follows_names_kinds_and_contents(
    folder: Path, change: Callable[[Path], object], counts: bool
) -> None:
    before = source.digest(str(folder), LEFT_OUT)
    change(folder)
    assert (source.digest(str(folder), LEFT_OUT) != before) == counts


def test_a_copy_has_the_same_hash_and_one_time(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "copy"
    source.copy("app", str(folder), LEFT_OUT, place, TIME)
    assert source.digest(str(place), ()) == source.digest(str(folder), LEFT_OUT)
    assert {path.lstat().st_mtime for path in place.rglob("*")} == {TIME}
    assert os.access(place / "tool", os.X_OK)
    assert (place / "main.c").stat().st_mode & 0o777 == 0o644


def test_a_pipe_is_refused(folder: Path, tmp_path: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(NotosError, match=r"pipe is not a file, folder or link: .* exclude: \[pipe\]"):
        source.copy("app", str(folder), LEFT_OUT, tmp_path / "copy", TIME)


def test_files_that_do_not_count(folder: Path, tmp_path: Path) -> None:
    """Each that the walk does not yield, with the files that links lead to, has a fault."""
    (tmp_path / "common").write_text("x")
    (folder / "out").symlink_to("../common")
    (folder / "out-sub").symlink_to("..")
    (folder / "hidden").symlink_to("log")
    (folder / "loop").symlink_to("loop")
    counted = set(source.walk(str(folder), LEFT_OUT))
    for path in counted - {"out", "out-sub", "hidden"}:
        assert source.fault(str(folder), folder / path, LEFT_OUT) == ""
    for path in ("log", "build", "build/y", ".git/HEAD", "sub/__pycache__/a.pyc", "hidden"):
        assert source.fault(str(folder), folder / path, LEFT_OUT) == "is excluded from the source"
    for path in ("out", "out-sub/common", "../common", "sub/../../common", str(tmp_path / "common")):
        assert "is outside of" in source.fault(str(folder), folder / path, LEFT_OUT)
