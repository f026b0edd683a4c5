"""The requests that a lock is resolved for: packages by set, with the extent of each."""

from collections.abc import Mapping

from notos.structs import dataclass


@dataclass(frozen=True)
class Request:
    """The requested extent of a package: a closure's name (resolve.py), and globs of its files.

    Libraries that only files excluded by `only` or `exclude` need are not part of the request. A request that
    `yields` gets all files nevertheless if a dependency of another request is the package. An `optional` one
    is left out where the archive lacks the package. A lock keeps this decision until it is upgraded.
    """

    closure: str
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    yields: bool = False
    optional: bool = False


Requests = Mapping[str, Mapping[str, Request]]
