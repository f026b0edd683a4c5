"""Packages that the config names: their default closure.

A package of a feature without `closure` has the libraries that its programs need. A package that a user
names works as on Debian, so its default is all dependencies. A user's `only` selects files, which then need
libraries alone.
"""

from dataclasses import replace

from notos.config.model import Package


def settled(package: Package) -> Package:
    """Return a package of the config with its closure."""
    if package.closure:
        return package
    return replace(package, closure="elf" if package.only else "depends")


def is_named(package: Package) -> bool:
    """Return True if the config names the package: a feature leaves out `closure`."""
    return package.closure is not None
