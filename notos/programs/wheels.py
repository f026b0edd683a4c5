"""The files of Python packages that fit a machine: wheels by their tags, and source archives.

Sources: PEP 425 (tags), PEP 600 (manylinux), PEP 508 (markers), PEP 427 (names of wheels).
"""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from notos.architecture import Architecture

if TYPE_CHECKING:
    from packaging.tags import Tag
    from packaging.version import Version

FILE = re.compile(r"[A-Za-z0-9._+!-]+")  # the name of a wheel or source archive
# The older names of manylinux by the minor version of glibc.
_OLDER = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


class Python(NamedTuple):
    """The machine's Python: its whole version, the minor version of its glibc, and the architecture."""

    version: str  # 3.13.5
    glibc: int
    target: Architecture

    @property
    def series(self) -> tuple[int, int]:
        """Return the major and the minor version."""
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)


def environment(python: Python) -> dict[str, str]:
    """Return the values of markers in the machine."""
    return {
        "implementation_name": "cpython",
        "implementation_version": python.version,
        "os_name": "posix",
        "platform_machine": python.target.uname,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": python.version,
        "python_version": "{}.{}".format(*python.series),
        "sys_platform": "linux",
        "extra": "",
    }


def tags(python: Python) -> "list[Tag]":
    """Return the tags of wheels that the machine can use, the best one first, as pip orders them."""
    from packaging.tags import compatible_tags, cpython_tags

    major, minor = python.series
    interpreter = f"cp{major}{minor}"
    platforms = list(_platforms(python))
    found = cpython_tags(python.series, abis=[interpreter], platforms=platforms)
    others = compatible_tags(python.series, interpreter=interpreter, platforms=platforms)
    return list(dict.fromkeys((*found, *others)))


def _platforms(python: Python) -> Iterator[str]:
    machine = python.target.uname
    for minor in range(python.glibc, 4, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if minor in _OLDER:
            yield f"{_OLDER[minor]}_{machine}"
    yield f"linux_{machine}"


def rank(file: str, name: str, version: str, ranks: "dict[Tag, int]") -> int | None:
    """Return the rank of a file of a package in one version, lower is better; None if it does not fit.

    A source archive has the last rank. `ranks` are those of tags.
    """
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        canonicalize_name,
        parse_sdist_filename,
        parse_wheel_filename,
    )
    from packaging.version import InvalidVersion, Version

    try:
        if file.endswith(".whl"):
            found_name, found_version, _, found = parse_wheel_filename(file)
            best = min((ranks[each] for each in found if each in ranks), default=None)
        else:
            found_name, found_version = parse_sdist_filename(file)
            best = len(ranks)
        same = found_name == canonicalize_name(name) and found_version == Version(version)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None
    return best if same else None


def version_of(file: str, name: str) -> "Version | None":
    """Return the version of a wheel or a source archive; None if its name is not of the package `name`."""
    from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

    if not FILE.fullmatch(file):
        return None
    try:
        found: tuple[Any, ...] = (
            parse_wheel_filename(file) if file.endswith(".whl") else parse_sdist_filename(file)
        )
    except ValueError:
        return None
    version: Version = found[1]
    return version if found[0] == canonicalize_name(name) else None


def platforms_of(files: Iterable[str]) -> list[str]:
    """Return the last parts of the names of wheels, their platforms, without repetition."""
    wheels = (each.removesuffix(".whl").split("-") for each in files if each.endswith(".whl"))
    return list(dict.fromkeys("-".join(parts[-3:]) for parts in wheels if len(parts) >= 5))
