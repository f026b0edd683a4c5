"""Sets of packages: a small JSON file for each set, extracted from config.lock.

A set's file changes only with the set, so tasks do not run again for changes of other sets.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.config import build
from tasks.targets import write_if_changed

if TYPE_CHECKING:
    from notos.cache import Cache
    from notos.config.model import Package
    from notos.debian.unpack import Unpack
    from notos.lock.lockfile import Lock


def path(name: str) -> str:
    """Return the file of the set `name` ("system", "tools/image")."""
    return build("sets", name.replace("/", "-") + ".json")


def write(lock: "Lock", names: Iterable[str]) -> None:
    """Write the files of the sets `names`, each only if its contents change."""
    from notos.lock import dependencies

    for name in names:
        whole, by = dependencies.whole(lock, name), dependencies.requested_by(lock, name)
        rows = [
            {"name": each.name, "version": each.version, "sha256": each.sha256}
            | ({"whole": "yes"} if each.name in whole else {})
            | ({"by": by[each.name]} if each.name in by else {})
            for each in lock.set(name)
        ]
        write_if_changed(path(name), (json.dumps(rows, indent=1) + "\n").encode())


def hashes(name: str) -> dict[str, str]:
    """Return the sha256 of each package's .deb in the set `name`, by package; none without a lock."""
    return {row["name"]: row["sha256"] for row in _rows(name)}


def versions(name: str) -> dict[str, str]:
    """Return the version of each package in the set `name`; none before the lock is made."""
    return {row["name"]: row["version"] for row in _rows(name)}


def _rows(name: str) -> list[dict[str, str]]:
    try:
        rows: list[dict[str, str]] = json.loads(Path(path(name)).read_bytes())
    except FileNotFoundError:
        return []
    return rows


def debs(name: str, cache: "Cache", options: "Iterable[Package]" = ()) -> "list[Unpack]":
    """Return the set's .debs in the cache, each with its settings from the config or from a feature."""
    from notos.debian.unpack import Unpack
    from notos.features import named

    settings: dict[str, Package] = {each.name: each for each in options}
    found = []
    for row in _rows(name):
        option = settings.get(row["name"])
        only, exclude = (option.only, option.exclude) if option and "whole" not in row else ((), ())
        found.append(
            Unpack(
                cache.download(row["sha256"]),
                only,
                exclude,
                row["name"],
                named=option is not None and named.is_named(option),
                by=row.get("by", ""),
            )
        )
    return found
