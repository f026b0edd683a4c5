"""Running programs: the one place where Notos starts a process and waits for it."""

import ctypes
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from notos.errors import ToolError

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LAST_LINES = 12


def run(
    command: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    input: bytes | None = None,
    hint: str = "",
) -> bytes:
    """Run `command` to its end and return what it printed on standard output.

    The child gets a process group of its own, killed with us and when we are interrupted. `env` is the
    whole environment ({"PATH": "/nonexistent", "LC_ALL": "C"} by default: what a build runs must not
    depend on the host's). Raises ToolError with the command to paste and its last lines of output.
    """
    words = [os.fspath(word) for word in command]
    environment = {"PATH": "/nonexistent", "LC_ALL": "C"} if env is None else dict(env)
    try:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env=environment,
            stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 — it only calls prctl
        )
    except OSError as error:
        raise ToolError(f"cannot run {words[0]}: {error.strerror}", hint=hint) from error
    try:
        out, err = process.communicate(input)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.returncode != 0:
        lines = (out + err).decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
        said = "\n".join(["", *("  | " + line for line in lines)]) if lines else ""
        raise ToolError(f"{_status(process.returncode)} from: {shlex.join(words)}{said}", hint=hint)
    return out


def _status(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
