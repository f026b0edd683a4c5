"""The only place where Notos starts a process and waits for it."""

import ctypes
import functools
import os
import selectors
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from notos.errors import ToolError

_PR_SET_PDEATHSIG = 1  # prctl(2)
_PRCTL = ctypes.CDLL(None).prctl  # looked up here: nothing may be loaded between fork and exec
_LAST_LINES = 12
_PIECE = 1 << 16  # bytes; the capacity of a pipe
_TICK = 0.05  # seconds between two calls of `watch`

Running = subprocess.Popen[bytes]


def run(
    command: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    input: bytes | None = None,
    hint: str = "",
) -> bytes:
    """Run `command` to completion and return its standard output.

    The child gets its own process group, which is killed when this process ends or is interrupted. `env`
    is the whole environment, by default {"PATH": "/nonexistent", "LC_ALL": "C"}: a build must not depend
    on the host's. Raises ToolError with the command to paste and its last lines of output.
    """
    words = [os.fspath(word) for word in command]
    stdin = subprocess.PIPE if input is not None else subprocess.DEVNULL
    how = {"cwd": cwd, "stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with _started(words, env, hint, **how) as process:
        out, err = process.communicate(input)
    if process.returncode != 0:
        lines = (out + err).decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
        output = "\n".join(["", *("  | " + line for line in lines)]) if lines else ""
        raise ToolError(f"{_status(process.returncode)} from: {shlex.join(words)}{output}", hint=hint)
    return out


def follow(
    command: Sequence[str | os.PathLike[str]],
    log: Path,
    on_line: Callable[[str], None],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    limit: float | None = None,
) -> int | None:
    """Run `command` to completion and return its exit status; None if it was killed after `limit` seconds.

    Its output goes to `log` and, line by line, to `on_line`. Otherwise as run(). Raises ToolError only if
    the command cannot be started.
    """
    late = threading.Event()

    def end(process: Running) -> None:
        late.set()
        kill(process)

    with (
        log.open("wb") as stream,
        _started(command, env, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process,
    ):
        assert process.stdout is not None
        timer = threading.Timer(limit, end, [process]) if limit is not None else None
        if timer is not None:
            timer.start()
        try:
            for line in process.stdout:
                stream.write(line)
                on_line(line.decode(errors="replace").rstrip("\n"))
            status = process.wait()
        finally:
            if timer is not None:
                timer.cancel()
        return None if late.is_set() else status


@dataclass(frozen=True)
class Ended:
    """The result of a command: exit status, standard output, standard error."""

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
    """Run `command` to completion with `pieces`, generated one at a time, as its standard input.

    A command that stops reading may continue, so that its error message is not lost. `watch` is called
    every 0.05 s; an exception from it kills the command. Otherwise as run(). Raises ToolError only if the
    command cannot be started, and any exception from `pieces`.
    """
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with _started(command, env, **pipes) as process:
        out, err = _communicate(process, iter(pieces), watch)
        while True:
            try:
                return Ended(process.wait(_TICK if watch else None), out, err.decode(errors="replace"))
            except subprocess.TimeoutExpired:
                assert watch
                watch()


def _communicate(
    process: Running, pieces: Iterator[bytes], watch: Callable[[], None] | None
) -> tuple[bytes, bytes]:
    """Write to a process and read from it until it has closed both outputs; return these.

    No thread blocks on the outputs: another process, for example the ssh master, may hold them open when
    `watch` raises.
    """
    assert process.stdin and process.stdout and process.stderr
    received = {process.stdout: bytearray(), process.stderr: bytearray()}
    piece = memoryview(b"")
    os.set_blocking(process.stdin.fileno(), False)
    with selectors.DefaultSelector() as ready:
        for each in received:
            ready.register(each, selectors.EVENT_READ)
        ready.register(process.stdin, selectors.EVENT_WRITE)
        while any(each in ready.get_map() for each in received):
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
                    received[key.fileobj] += data  # type: ignore[index]
                else:
                    ready.unregister(key.fileobj)
            if watch:
                watch()
    return bytes(received[process.stdout]), bytes(received[process.stderr])


@contextmanager
def meanwhile(
    command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Run `command` during the with block, with its output in `log`; end it afterwards."""
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
    """Run `command` interactively, with this process' terminal and environment; return its exit status."""
    return subprocess.run(command, check=False).returncode


def become(command: Sequence[str]) -> NoReturn:
    """Replace this process by `command` (execve(2)). Raises OSError.

    Python ignores SIGPIPE, and execve would pass that on, so the default action is restored.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.stdout.flush()
    os.execv(command[0], list(command))


@contextmanager
def _started(
    command: Sequence[str | os.PathLike[str]], env: Mapping[str, str] | None, hint: str = "", **how: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process; kill it with all its children if the with block raises."""
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
    """Start `command`; the caller ends it by kill(). `how` is passed to Popen. Raises ToolError.

    Unless `outlive` is set, the command is killed when this process ends, not when the caller's thread ends.
    """
    return _starter(os.getpid()).submit(_start, command, env, outlive=outlive, **how).result()


@functools.cache
def _starter(process: int) -> ThreadPoolExecutor:
    """Return the thread that starts commands for `process`, which must be this one.

    A parent-death signal is sent when the thread that started the child ends (prctl(2)).
    """
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
    """Kill a process that this module has started, with all its children, and wait for it."""
    with suppress(ProcessLookupError):  # already ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _status(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"


def _die_with_parent() -> None:
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)
