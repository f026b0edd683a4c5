"""Check for reproducible builds: a second build of the machine, from nothing, in another environment."""

import os
import subprocess
import sys
from pathlib import Path

from notos import home
from tasks import programs, reporter, session
from tasks.config import CACHE, CONFIG, FOLDER, LOCK
from tasks.graph import Task, action
from tasks.usage import usage

LEFT_BEHIND = (".venv", ".git", "__pycache__", ".*_cache")
OUTPUTS = ("build", "result")  # only at the top: the source of a program may have such folders
# The second build must compile for itself too.
ELSEWHERE = {
    **{"LC_ALL": "tr_TR.ISO-8859-9", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "1"},
    **{"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},  # also an encoding of the locale's
    "CCACHE_DISABLE": "1",
    programs.AGAIN: "1",
}


def task_check_reproducible() -> Task:
    """build again in another folder and as another user, and compare all bytes"""
    return {
        "basename": "check-reproducible",
        "actions": [action(check)],
        "task_dep": ["runvm"],
        "meta": usage(),
    }


def check() -> None:
    """Build in a copy of the project, and report the first difference. Raises ToolError."""
    import tempfile

    from notos.atomic import remove_folder
    from notos.errors import ToolError
    from notos.store import difference

    scratch = Path(tempfile.mkdtemp(prefix="notos-elsewhere-"))
    copy = scratch / "a/much/deeper/folder"
    _copy(copy)
    reporter.show(f"second build, in {copy} …")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tasks.altered_host", "--config", str(CONFIG), "runvm"],
        cwd=copy,
        env={
            **_environment(),
            **ELSEWHERE,
            "NOTOS_CACHE": str(CACHE.root),
            # A checkout runs the code of its copy; other projects run the installed Notos.
            "PYTHONPATH": str(copy) if home.in_checkout() else home.python_path(),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    reporter.clear()
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise ToolError(f"the build in {copy} failed:\n{said}", hint="build directory kept")
    sys.stderr.write(done.stderr)
    targets = [str(LOCK), *_targets()]
    found = difference.first(Path.cwd(), copy, targets)
    if found:
        raise ToolError(f"not reproducible: {found}", hint=f"the other build is in {copy}")
    remove_folder(scratch)
    print(f"reproducible: {len(targets)} files are identical, among them {FOLDER}/root.squashfs")


def _copy(copy: Path) -> None:
    """Copy the project without built files."""
    import shutil

    anywhere, top = shutil.ignore_patterns(*LEFT_BEHIND), Path.cwd()

    def ignored(folder: str, names: list[str]) -> set[str]:
        outputs = set(OUTPUTS) if Path(folder) == top else set()
        return {*anywhere(folder, names), *outputs}

    shutil.copytree(top, copy, symlinks=True, ignore=ignored)


def _targets() -> list[str]:
    """Return the targets of this build, each after those that it depends on."""
    made = [target for task in session.tasks().values() for target in task.targets]
    return [target for target in made if target != LOCK and os.path.lexists(target)]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("NOTOS_CALLER", "NOTOS_CONFIG")}
