"""The requests that a lock is resolved for: packages by set, with the extent of each."""

from collections.abc import Mapping

from notos.structs import dataclass


@dataclass(frozen=True)
class Request:
    """The requested extent of a package: a closure's name (resolve.py), and globs of its files.

    Libraries that only files excluded by `only` or `exclude` need are not part of the request.
    """

    closure: str
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


Requests = Mapping[str, Mapping[str, Request]]
