"""All mechanisms in order: each sees the results of those before it."""

from collections.abc import Callable
from typing import Protocol

from notos import errors
from notos.errors import NotosError
from notos.formats.tree import Tree
from notos.integration import (
    accounts,
    alternatives,
    folders,
    made,
    openssl,
    pam,
    permissions,
    setuid,
    texts,
)
from notos.integration.model import Context


class Mechanism(Protocol):
    """The interface of a mechanism's module."""

    __name__: str

    @property
    def apply(self) -> Callable[[Tree, Context], None]:
        """Change the tree of all packages. Raises NotosError."""


MODULES: tuple[Mechanism, ...] = (
    alternatives,
    accounts,
    made,
    texts,
    permissions,
    folders,  # with the owners and modes of permissions
    setuid,
    pam,
    openssl,
)


def apply(tree: Tree, context: Context) -> None:
    """Apply all mechanisms to the tree of all packages (usr/…, etc/…, var/…).

    Raises NotosError with the errors of all mechanisms.
    """
    found: list[NotosError] = []
    for module in MODULES:
        try:
            module.apply(tree, context)
        except NotosError as error:
            found += error.parts or (error,)
    errors.raise_all(found)
