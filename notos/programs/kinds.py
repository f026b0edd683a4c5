"""Kinds of programs by the files in their source: the usual build of each, and the packages that it needs.

The usual build is the script scripts/program/KIND, which a build script of the config can call as `$DEFAULT`.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from notos.errors import NotosError


class Kind(NamedTuple):
    """A kind of program.

    name      the name of its script
    files     files that show the kind, in the source's folder
    always    packages that each build of this kind needs
    default   packages of the usual build, if the config names none
    needs     packages that such a program needs in the machine
    locks     files of the source that lock its dependencies
    """

    name: str
    files: tuple[str, ...]
    always: tuple[str, ...] = ()
    default: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()


PYTHON = Kind(
    "python",
    ("pyproject.toml", "requirements.txt", "setup.py"),
    always=("python3", "python3-pip"),
    needs=("python3",),
    locks=("requirements.txt",),
)
NPM = Kind(
    "npm",
    ("package.json",),
    always=("nodejs",),
    needs=("nodejs",),
    locks=("package-lock.json", "npm-shrinkwrap.json"),
)
CARGO = Kind("cargo", ("Cargo.toml",), default=("cargo",), needs=("libgcc-s1",), locks=("Cargo.lock",))
GO = Kind("go", ("go.mod",), default=("golang-go",), locks=("go.sum",))
MAKE = Kind(
    "make",
    ("Makefile", "makefile", "GNUmakefile"),
    default=("gcc", "libc6-dev", "make"),
)
KINDS = (PYTHON, NPM, CARGO, GO, MAKE)
# Packages of Debian with the build backends of Python (PEP 517), where they are not called python3-NAME.
_BACKENDS = {
    "flit-core": "flit",
    "maturin": "python3-maturin",
    "mesonpy": "meson-python",
    "meson-python": "meson-python",
    "setuptools-scm": "python3-setuptools-scm",
}


def of(source: str) -> tuple[Kind, ...]:
    """Return the kinds of the program whose source is the folder `source`; a makefile counts only alone."""
    found = tuple(each for each in KINDS if any(Path(source, name).is_file() for name in each.files))
    return tuple(each for each in found if each is not MAKE) or found


def build_packages(source: str, kinds: Iterable[Kind], *, named: bool) -> tuple[str, ...]:
    """Return the packages that a build of these kinds needs; `named` is True if the config names some.

    A file of the source that cannot be read adds none: the build shows what is wrong.
    """
    found: dict[str, None] = {}
    for each in kinds:
        found.update(dict.fromkeys((*each.always, *(() if named else each.default))))
        if each is PYTHON:
            own = _listed(source)
            backends = (every for every in build_requirements(source) if every not in own)
            found.update(dict.fromkeys(map(backend_package, backends)))
    return tuple(found)


def is_project(source: str) -> bool:
    """Return True if the folder `source` is a Python project that can be installed."""
    if Path(source, "setup.py").is_file():
        return True
    return any(key in _pyproject(source) for key in ("project", "build-system"))


def build_requirements(source: str) -> tuple[str, ...]:
    """Return the normalised names of the Python packages that build the project in the folder `source`.

    A project that names none is built by setuptools (PEP 517).
    """
    if not is_project(source):
        return ()
    found = _pyproject(source).get("build-system", {}).get("requires", ["setuptools"])
    return required_names(found)


def required_names(requirements: Iterable[Any]) -> tuple[str, ...]:
    """Return the normalised names in a list of Python requirements (PEP 508, PEP 503)."""
    names = (re.match(r"\s*([A-Za-z0-9._-]+)", str(each)) for each in requirements)
    return tuple(dict.fromkeys(re.sub(r"[-_.]+", "-", each[1]).lower() for each in names if each))


def _listed(source: str) -> frozenset[str]:
    """Return the normalised names of the Python packages that requirements.txt pins."""
    try:
        text = Path(source, "requirements.txt").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return frozenset()
    return frozenset(required_names(text.splitlines()))


def backend_package(name: str) -> str:
    """Return Debian's package with the build backend `name`, a normalised name of a Python package."""
    return _BACKENDS.get(name, f"python3-{name}")


def _pyproject(source: str) -> dict[str, Any]:
    """Return the contents of pyproject.toml; nothing if it is missing or invalid."""
    import tomllib

    try:
        with open(f"{source}/pyproject.toml", "rb") as stream:
            return tomllib.load(stream)
    except (OSError, ValueError):
        return {}


def unclear(name: str, source: str, kinds: tuple[Kind, ...]) -> str:
    """Return why a program without a build script cannot be built; "" if it can."""
    if not kinds:
        known = ", ".join(each.files[0] for each in KINDS)
        return f"build.{name} needs run: {source} has none of {known}, which show how to build it"
    if len(kinds) > 1:
        several = " and ".join(each.name for each in kinds)
        return f"build.{name} needs run: {source} has files of {several}"
    return missing(name, source, kinds[0])


def missing(name: str, source: str, kind: Kind) -> str:
    """Return which file that locks the dependencies is missing; "" if none is."""

    def has(file: str) -> bool:
        return os.path.lexists(f"{source}/{file}")

    if kind is NPM and not has("package-lock.json") and not has("npm-shrinkwrap.json") and _depends(source):
        return f"build.{name}: {source} has no package-lock.json; run `npm install --package-lock-only` there"
    if kind is CARGO and not has("Cargo.lock"):
        return f"build.{name}: {source} has no Cargo.lock; run `cargo generate-lockfile` there"
    if kind is GO and not has("vendor") and not has("go.sum") and _requires(source):
        return f"build.{name}: {source} has neither go.sum nor vendor; run `go mod tidy` there"
    return ""


def _depends(source: str) -> bool:
    """Return True unless the package.json in `source` has no dependencies."""
    import json

    try:
        with open(f"{source}/package.json", "rb") as stream:
            found = json.load(stream)
        return any(found.get(f"{each}ependencies") for each in ("d", "devD", "optionalD"))
    except (OSError, ValueError, AttributeError):
        return True


def _requires(source: str) -> bool:
    """Return True if the go.mod in `source` requires modules."""
    try:
        with open(f"{source}/go.mod", encoding="utf-8") as stream:
            return any(line.strip().startswith("require") for line in stream)
    except (OSError, ValueError):
        return True


def wrong_destination(path: str) -> str:
    """Return why a program cannot have a file at an absolute path; "" if it can."""
    if path.split("/")[1] in ("usr", "opt", "srv") and path.count("/") > 1:
        return ""
    return "programs are below /usr, /opt or /srv"


def failed(name: str, message: str, hint: str = "") -> NotosError:
    """Return an error of the program `name`."""
    return NotosError(f"build.{name}: {message}", hint=hint, keys=("build", name))
