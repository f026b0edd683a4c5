"""The dates of the indexes that this host has seen, by address: an older index is not accepted again.

A signature stays valid, so a server or a network could show an old index with packages that have known
faults. The distribution's indexes have a Valid-Until against this; those of other archives often do not.
apt compares dates in the same way.
"""

import hashlib
from contextlib import suppress
from datetime import datetime

from notos import atomic
from notos.cache import Cache
from notos.debian.release import Release
from notos.errors import SignatureError


def check(url: str, release: Release, cache: Cache, *, until: str, keys: tuple[str, ...]) -> None:
    """Note the date of a Release. Raises SignatureError if an earlier one was newer.

    `until` is the setting that accepts it, for the hint, and `keys` the path of the source in the config.
    """
    if release.date is None:
        return
    path = cache.release(hashlib.sha256(url.encode()).hexdigest())
    before = None
    with suppress(OSError, ValueError):
        before = datetime.fromisoformat(path.read_text().split()[0])
    if before is not None and release.date < before:
        raise SignatureError(
            f"{url} is from {release.date:%Y-%m-%d %H:%M}, and this host has seen it from "
            f"{before:%Y-%m-%d %H:%M}",
            hint=f"the server has an old state; wait until it is current, or set {until}",
            keys=keys,
        )
    if before is None or release.date > before:
        with suppress(OSError):  # only the next comparison is lost
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write(path, f"{release.date.isoformat()} {url}\n")
