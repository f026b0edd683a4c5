"""Copies of the machines' configs, which a test edits, and switches of its machine to the edited config."""

import shutil
import subprocess
import sys
from pathlib import Path

from notos.vm import Machine
from tests.conftest import ROOT, clean_environment

_EXAMPLES = ROOT / "examples/machines"
_WORK = ROOT / "build/machines"  # notos_work


def copied(name: str, folder: Path) -> Path:
    """Copy the config `name`, its lock and its folder into `folder`; return the copy's path."""
    for each in _EXAMPLES.glob(f"{name}*"):
        if each.is_dir():
            shutil.copytree(each, folder / each.name)
        else:
            shutil.copy(each, folder)
    return folder / f"{name}.yaml"


def switch(machine: Machine, config: Path) -> str:
    """Switch the machine to its config, which was edited; return the output of `./doit switch`."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tasks", "--config", str(config), "switch"],
        cwd=_WORK,
        env={**clean_environment(), "PYTHONPATH": str(ROOT), "SSH_PORT": str(machine.forward(22))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
