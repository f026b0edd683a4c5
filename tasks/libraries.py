"""Versions of Python and of installed third-party libraries, found without imports of them.

importlib.metadata needs a second, because it parses the file list of every library.
"""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache

PYTHON = "Python"

_SEPARATORS = re.compile(r"[-_.]+")  # equal in names (Python packaging, "Names and normalization")
_INFO = (".dist-info", ".egg-info")


def version(distribution: str) -> str:
    """Return the version of a distribution, or of Python; "" if it is not installed."""
    if distribution == PYTHON:
        return ".".join(map(str, sys.version_info[:3]))
    folder = _folders().get(_normal(distribution))
    return _header(folder, "Version", _words(folder)[1]) if folder else ""


@cache
def distributions(module: str) -> tuple[str, ...]:
    """Return the distributions of a third-party top-level module; none for the standard library."""
    if module in sys.stdlib_module_names:
        return ()
    starts = (f"\n{module}/", f"\n{module}.")
    found = {
        _header(folder, "Name", _words(folder)[0])
        for folder in _metadata()
        if any(start in _files(folder) for start in starts)
    }
    return tuple(sorted(found)) or tuple(sorted({*_by_module().get(module, ())}))


@cache
def _by_module() -> Mapping[str, list[str]]:
    """Return importlib's map of modules, for libraries without a list of files."""
    from importlib import metadata

    return metadata.packages_distributions()


@cache
def _files(folder: str) -> str:
    """Return the files of a distribution, each after a line break (Python packaging, "RECORD")."""
    try:
        with open(f"{folder}/RECORD", encoding="utf-8") as stream:
            return f"\n{stream.read()}"
    except OSError:
        return ""


@cache
def _metadata() -> Sequence[str]:
    """Return the folders of metadata, in the order of sys.path."""
    found = []
    for path in sys.path:
        try:
            found += [each.path for each in os.scandir(path or ".") if each.name.endswith(_INFO)]
        except OSError:
            continue
    return found


@cache
def _folders() -> Mapping[str, str]:
    """Return the folders of metadata by normalized name. The first in sys.path wins, as for imports."""
    found: dict[str, str] = {}
    for folder in _metadata():
        found.setdefault(_normal(_words(folder)[0]), folder)
    return found


def _header(folder: str, name: str, default: str) -> str:
    """Return a header of a distribution (core metadata specification), by default from its folder's name."""
    for file in ("METADATA", "PKG-INFO"):
        try:
            with open(f"{folder}/{file}", encoding="utf-8") as stream:
                for line in stream:
                    if line.startswith(f"{name}:"):
                        return line.partition(":")[2].strip()
                    if not line.strip():
                        break
        except OSError:
            continue
    return default


def _words(folder: str) -> tuple[str, str]:
    """Return the name and the version from the name of a metadata folder."""
    name, _, version = folder.rpartition("/")[2].rpartition(".")[0].partition("-")
    return name, version


def _normal(name: str) -> str:
    return _SEPARATORS.sub("-", name).lower()
