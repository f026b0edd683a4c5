"""A run of the command line as another user, on another host and at another time, for check-reproducible.

    python -m tasks.altered_host WORDS

Outputs must not depend on any of these. Where the kernel allows namespaces, the user differs (root for a
user, a user for root), and so does the host name. The process has one core and a strict umask. In Python,
the clock is a year ahead, and folders are listed backwards. The caller sets the locale, the time zone and the
seed of Python's hashes.
"""

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from notos.host import utf8

_NEW_USER, _NEW_UTS = 0x10000000, 0x04000000  # unshare(2)
_AHEAD = 400 * 24 * 60 * 60  # seconds
_HOST = "elsewhere"


def as_somebody_else() -> None:
    """Take another user id and host name. Both stay where namespaces are forbidden."""
    me, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_USER | _NEW_UTS):
        print(f"no user namespaces on this host: building as user {me} again", file=sys.stderr)
        return
    other = 1000 if me == 0 else 0
    libc.sethostname(_HOST.encode(), len(_HOST))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{other} {group} 1")
    Path("/proc/self/uid_map").write_text(f"{other} {me} 1")


class _Backwards:
    """Return the entries of os.scandir in reverse order."""

    def __init__(self, entries: Any) -> None:
        with entries:
            self._entries = iter(sorted(entries, key=lambda entry: entry.name, reverse=True))

    def __iter__(self) -> Iterator[Any]:
        return self._entries

    def __next__(self) -> Any:
        return next(self._entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing: the directory is closed already."""


def in_another_order() -> None:
    """List folders backwards."""
    scandir, listdir = os.scandir, os.listdir
    os.scandir = lambda *args: _Backwards(scandir(*args))  # type: ignore[assignment]
    os.listdir = lambda *args: sorted(listdir(*args), reverse=True)  # type: ignore[assignment]


def at_another_time() -> None:
    """Put the clock ahead."""
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + _AHEAD
    time.time_ns = lambda: now_ns() + _AHEAD * 10**9


def main() -> int:
    """Change user, host, processors, umask, order and time, then run the command line."""
    utf8.ensure()
    os.umask(0o077)
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    as_somebody_else()
    in_another_order()
    at_another_time()
    from tasks.command_line import main as run

    return run(sys.argv[1:], "./doit")


if __name__ == "__main__":
    sys.exit(main())
