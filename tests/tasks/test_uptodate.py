"""Conditions for a run of a task: folders of this host."""

from pathlib import Path
from typing import Any

from notos.system import service_folder
from tasks.uptodate import Folders


class _Task:
    """The attributes of doit's Task that a condition uses."""

    name = "x"

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.value_savers: list[Any] = []


def _changes(folder: Path, **settings: Any) -> Any:
    """Return a function that returns the changes since this call."""
    condition, task = Folders([str(folder)], **settings), _Task()
    condition.configure_task(task)
    condition.reasons(task, {})
    saved = task.value_savers[0]()
    return lambda: Folders([str(folder)], **settings).reasons(task, saved)


def test_all_in_a_folder_counts(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/file").write_text("one")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "process").symlink_to("/proc/self")
    changes = _changes(tmp_path)
    assert changes() == []
    (tmp_path / "deep/file").write_text("other")
    (tmp_path / "new").touch()
    (tmp_path / "loop").unlink()
    assert changes() == [
        f"{tmp_path}/deep/file was changed",
        f"{tmp_path}/loop was removed",
        f"{tmp_path}/new was added",
    ]


def test_a_linked_file_counts_if_it_is_copied(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("one")
    (tmp_path / "log").write_text("one")
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "run").symlink_to("../run")
    (folder / "log").symlink_to(tmp_path / "log")
    changes = _changes(folder, walk=service_folder.sources)
    assert changes() == []
    (tmp_path / "log").write_text("other")
    assert changes() == []
    (tmp_path / "run").write_text("other")
    assert changes() == [f"{tmp_path}/run was changed"]
