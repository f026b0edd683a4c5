"""What config.lock is asked to cover: by set and package, how much of it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """How much is asked for of a package: a closure's name (resolve.py), and globs of its files.

    Libraries that only files left out by `only` or `exclude` need are not asked for.
    """

    closure: str
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


Requests = Mapping[str, Mapping[str, Request]]
