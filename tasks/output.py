"""Standard output and error: closed pipes, full disks, and abilities of the terminal."""

import contextlib
import errno
import os
import select
import sys

UNREAD = 141  # a shell's status for a program ended by SIGPIPE: 128 + 13
CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def prepare() -> None:
    """Open /dev/null for closed standard streams, so that no other file gets their descriptors."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def is_read() -> bool:
    """Return False if the reader of standard output or error has closed its end (poll(2))."""
    poll = select.poll()
    for descriptor in (1, 2):
        poll.register(descriptor, 0)
    return not any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def finish(code: int) -> int:
    """Flush the output. Return `code`, or the exit status for a failed write."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            code = UNREAD
            _discard(stream.fileno())
        except OSError as error:
            _discard(stream.fileno())
            if not code:
                code = 3
                with contextlib.suppress(OSError):
                    sys.stderr.write(f"ERROR: cannot write the output: {error.strerror}\n")
    return code


def _discard(descriptor: int) -> None:
    """Redirect buffered output to /dev/null; at exit, Python would print an error for it."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, descriptor)
    os.close(sink)


def can_redraw() -> bool:
    """Return True if standard error is a terminal that can clear a line."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
