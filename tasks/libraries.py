"""Versions of Python and of the libraries of others that are installed, found without importing any."""

import os
import re
import sys
from collections.abc import Mapping
from functools import cache

PYTHON = "Python"

_SEPARATORS = re.compile(r"[-_.]+")  # which are alike in names (Python packaging, "Names and normalization")
_INFO = (".dist-info", ".egg-info")


def version(distribution: str) -> str:
    """Return the version of a distribution, or of Python; "" if it is not installed."""
    if distribution == PYTHON:
        return ".".join(map(str, sys.version_info[:3]))
    folder = _folders().get(_normal(distribution))
    if folder is None:
        return ""
    for name in ("METADATA", "PKG-INFO"):  # core metadata specification: headers as of an e-mail
        try:
            with open(os.path.join(folder, name), encoding="utf-8") as stream:
                for line in stream:
                    if line.startswith("Version:"):
                        return line.removeprefix("Version:").strip()
                    if not line.strip():
                        break
        except OSError:
            continue
    return folder.rpartition("/")[2].rpartition(".")[0].partition("-")[2]


def distributions(module: str) -> tuple[str, ...]:
    """Return the distributions that a top-level module of others comes from; none for Python's own."""
    if module in sys.stdlib_module_names:
        return ()
    return tuple(sorted(set(_by_module().get(module, ()))))


@cache
def _by_module() -> Mapping[str, list[str]]:
    from importlib import metadata

    return metadata.packages_distributions()


@cache
def _folders() -> Mapping[str, str]:
    """Return the folders of metadata by normal name; what stands first in sys.path counts, as for imports."""
    found: dict[str, str] = {}
    for path in sys.path:
        try:
            names = [each.name for each in os.scandir(path or ".")]
        except OSError:
            continue
        for each in names:
            if each.endswith(_INFO):
                found.setdefault(_normal(each.rpartition(".")[0].partition("-")[0]), os.path.join(path, each))
    return found


def _normal(name: str) -> str:
    return _SEPARATORS.sub("-", name).lower()
