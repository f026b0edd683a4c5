"""Running programs: the one place where Notos starts a process and waits for it."""

import ctypes
import functools
import os
import selectors
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from notos.errors import ToolError

_PR_SET_PDEATHSIG = 1  # prctl(2)
_PRCTL = ctypes.CDLL(None).prctl  # found here, for between fork and exec nothing may be loaded
_LAST_LINES = 12
_PIECE = 1 << 16  # bytes that a pipe takes at once
_TICK = 0.05  # seconds between two looks of who watches a command

Running = subprocess.Popen[bytes]


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
    stdin = subprocess.PIPE if input is not None else subprocess.DEVNULL
    how = {"cwd": cwd, "stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with _started(words, env, hint, **how) as process:
        out, err = process.communicate(input)
    if process.returncode != 0:
        lines = (out + err).decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
        said = "\n".join(["", *("  | " + line for line in lines)]) if lines else ""
        raise ToolError(f"{_status(process.returncode)} from: {shlex.join(words)}{said}", hint=hint)
    return out


def follow(
    command: Sequence[str | os.PathLike[str]],
    log: Path,
    heard: Callable[[str], None],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> int:
    """Run `command` to its end, what it prints going to `log` and, line by line, to `heard`; its status.

    Otherwise as run(). Raises ToolError only when it cannot be started.
    """
    with (
        log.open("wb") as stream,
        _started(command, env, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            stream.write(line)
            heard(line.decode(errors="replace").rstrip("\n"))
        return process.wait()


@dataclass(frozen=True)
class Ended:
    """What became of a command."""

    status: int
    out: bytes
    err: str


def pour(
    command: Sequence[str],
    pieces: Iterable[bytes] = (),
    *,
    env: Mapping[str, str] | None = None,
    watch: Callable[[], None] | None = None,
) -> Ended:
    """Run `command` to its end with `pieces`, made one after the other, as its standard input.

    A command that stops reading is left to say why. `watch` is called every so often; what it raises ends
    the command. Otherwise as run(). Raises ToolError only when it cannot be started, and whatever making a
    piece raises.
    """
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with _started(command, env, **pipes) as process:
        out, err = _converse(process, iter(pieces), watch)
        while True:
            try:
                return Ended(process.wait(_TICK if watch else None), out, err.decode(errors="replace"))
            except subprocess.TimeoutExpired:
                assert watch
                watch()


def _converse(
    process: Running, pieces: Iterator[bytes], watch: Callable[[], None] | None
) -> tuple[bytes, bytes]:
    """Feed a process and read what it says, until it has closed both its outputs.

    No thread waits for their ends: others, as ssh's master, may hold them open when `watch` has had enough.
    """
    assert process.stdin and process.stdout and process.stderr
    heard = {process.stdout: bytearray(), process.stderr: bytearray()}
    piece = memoryview(b"")
    os.set_blocking(process.stdin.fileno(), False)
    with selectors.DefaultSelector() as ready:
        for each in heard:
            ready.register(each, selectors.EVENT_READ)
        ready.register(process.stdin, selectors.EVENT_WRITE)
        while any(each in ready.get_map() for each in heard):
            for key, _ in ready.select(_TICK if watch else None):
                if key.fileobj is process.stdin:
                    try:
                        while not piece:
                            piece = memoryview(next(pieces))
                        piece = piece[os.write(key.fd, piece[:_PIECE]) :]
                    except (StopIteration, BrokenPipeError):
                        ready.unregister(process.stdin)
                        process.stdin.close()
                elif data := os.read(key.fd, _PIECE):
                    heard[key.fileobj] += data  # type: ignore[index]
                else:
                    ready.unregister(key.fileobj)
            if watch:
                watch()
    return bytes(heard[process.stdout]), bytes(heard[process.stderr])


@contextmanager
def meanwhile(
    command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Have `command` run while the block does, what it prints going to `log`; kill it then."""
    with log.open("wb") as stream:
        process = start(command, env, stdout=stream, stderr=stream)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(2)
            except subprocess.TimeoutExpired:
                kill(process)


def at_terminal(command: Sequence[str]) -> int:
    """Run `command` with our terminal and environment, for somebody to use; its status."""
    return subprocess.run(command, check=False).returncode


def become(command: Sequence[str]) -> NoReturn:
    """Run `command` in place of this process. Raises OSError.

    Python ignores SIGPIPE, and a program inherits that by execve(2).
    """
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.stdout.flush()
    os.execv(command[0], list(command))


@contextmanager
def _started(
    command: Sequence[str | os.PathLike[str]], env: Mapping[str, str] | None, hint: str = "", **how: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """The process, killed with all its children if what is done meanwhile does not come to its end."""
    process = _start(command, env, hint, **how)
    try:
        yield process
    except BaseException:
        kill(process)
        raise
    finally:
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                with suppress(BrokenPipeError):
                    stream.close()


def start(
    command: Sequence[str | os.PathLike[str]],
    env: Mapping[str, str] | None = None,
    *,
    outlive: bool = False,
    **how: Any,
) -> Running:
    """Start `command`, for a caller who ends it by kill(); `how` goes to Popen. Raises ToolError.

    Unless it may `outlive` us it is killed when this process ends, whatever becomes of the caller's thread.
    """
    return _starter(os.getpid()).submit(_start, command, env, outlive=outlive, **how).result()


@functools.cache
def _starter(process: int) -> ThreadPoolExecutor:
    """A thread of this process': what a thread has started is killed when that thread ends (prctl(2))."""
    return ThreadPoolExecutor(1, thread_name_prefix=f"starter of {process}")


def _start(
    command: Sequence[str | os.PathLike[str]],
    env: Mapping[str, str] | None = None,
    hint: str = "",
    *,
    outlive: bool = False,
    **how: Any,
) -> Running:
    words = [os.fspath(word) for word in command]
    environment = {"PATH": "/nonexistent", "LC_ALL": "C"} if env is None else dict(env)
    how.setdefault("stdin", subprocess.DEVNULL)
    try:
        return subprocess.Popen(
            words,
            env=environment,
            start_new_session=True,
            preexec_fn=None if outlive else _die_with_parent,  # noqa: PLW1509 — it only calls prctl
            **how,
        )
    except OSError as error:
        raise ToolError(f"cannot run {words[0]}: {error.strerror}", hint=hint) from error


def kill(process: Running) -> None:
    """End a process that this module has started, with all its children, and wait for it."""
    with suppress(ProcessLookupError):  # it has ended by itself
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _status(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"


def _die_with_parent() -> None:
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)
