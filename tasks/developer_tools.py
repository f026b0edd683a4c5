"""Tools of developers: linters and pytest, installed on first use, run with live output."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from notos.errors import ToolError
from tasks import reporter

REQUIREMENTS = ("requirements-test.txt", "requirements-docs.txt")  # the second extends the first


def install() -> None:
    """Install the test tools into doit's environment if they are missing. Raises ToolError."""
    import hashlib
    import shutil

    digest = hashlib.sha256(b"".join(Path(each).read_bytes() for each in REQUIREMENTS)).hexdigest()
    stamp = Path(sys.prefix, ".notos-requirements-test")
    if stamp.exists() and stamp.read_text() == digest:
        return
    reporter.clear()
    print("installing the test tools into", sys.prefix, flush=True)
    words = ["--quiet", "--require-hashes", "--no-deps", *(f"-r{each}" for each in REQUIREMENTS)]
    # Neither ./doit's environment nor that of uv contains pip.
    has_pip = Path(sys.prefix, "bin/pip").exists()
    uv = shutil.which("uv")
    if not has_pip and uv is None:
        run([sys.executable, "-m", "ensurepip", "--default-pip"])
    if has_pip or uv is None:
        run([sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *words])
    else:
        run([uv, "pip", "install", "--python", sys.executable, *words])
    stamp.write_text(digest)


def run(command: Sequence[str]) -> None:
    """Run a command with live output. Raises ToolError when it fails."""
    if _call(command):
        raise ToolError(
            f"{command[2] if command[1] == '-m' else command[0]} failed", hint="see its output above"
        )


def _call(command: Sequence[str]) -> int:
    reporter.clear()
    return subprocess.run(command, check=False).returncode
