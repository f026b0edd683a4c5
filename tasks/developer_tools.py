"""The tools of developers: linters and pytest, installed on first use, run with their output live."""

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from notos.errors import ToolError
from tasks import reporter

REQUIREMENTS = ("requirements-test.txt", "requirements-docs.txt")  # the second adds to the first


def install() -> None:
    """Have the test tools in the environment that doit runs in. Raises ToolError."""
    import shutil

    digest = hashlib.sha256(b"".join(Path(each).read_bytes() for each in REQUIREMENTS)).hexdigest()
    stamp = Path(sys.prefix, ".notos-requirements-test")
    if stamp.exists() and stamp.read_text() == digest:
        return
    reporter.clear()
    print("installing the test tools into", sys.prefix, flush=True)
    words = ["--quiet", "--require-hashes", "--no-deps", *(f"-r{each}" for each in REQUIREMENTS)]
    # The environment that ./doit makes has no pip in it, nor has uv's.
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
    """Run a command, its output live. Raises ToolError when it fails."""
    if _call(command):
        raise ToolError(
            f"{command[2] if command[1] == '-m' else command[0]} failed", hint="see its output above"
        )


def _call(command: Sequence[str]) -> int:
    reporter.clear()
    return subprocess.run(command, check=False).returncode
