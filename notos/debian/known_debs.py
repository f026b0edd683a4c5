"""The names, versions and architectures of the user's .debs, kept in the cache by the state of each file.

Every command loads the config, and with it these three fields. To read them takes a millisecond for each
.deb, and the imports for it 34 ms. This module reads no .deb.
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from notos.cache import Cache

_FORMAT = 1  # of the records
# Nanoseconds after a change in which another one may leave the same times: some ticks of the kernel.
_SETTLED = 100_000_000


class Known(NamedTuple):
    """The fields of a .deb that name it."""

    name: str
    version: str
    architecture: str


def known(path: Path, cache: Cache | None, read: Callable[[Path], Known]) -> Known:
    """Return the fields of the .deb at `path`, with `read` only if it has changed since they were recorded.

    Without a cache, `read` is always called.
    """
    try:
        state = path.stat()
    except OSError:
        return read(path)
    if cache is None:
        return read(path)
    changed = max(state.st_mtime_ns, state.st_ctime_ns)
    key = (_FORMAT, state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    record = cache.deb(hashlib.sha256(repr(key).encode()).hexdigest())
    with suppress(OSError, ValueError, TypeError):
        return Known(*record.read_text(encoding="ascii").split())
    found = read(path)
    if time.time_ns() - changed > _SETTLED:
        from notos import atomic

        with suppress(OSError):  # only the next command is slower
            record.parent.mkdir(parents=True, exist_ok=True)
            atomic.write(record, f"{' '.join(found)}\n")
    return found
