"""Locked dependencies of Python programs, for scripts/program/python.

/deps/python/FILE       wheels and source archives
/deps/python/wheels     requirements of wheels, one a line: flask==3.1.0
/deps/python/archives   source archives with their requirements: FILE NAME==VERSION
"""

import os
import re
import shutil
import tarfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from notos import errors
from notos.architecture import Architecture
from notos.cache import Cache
from notos.programs import kinds, python_packages, requirements
from notos.programs.kinds import failed
from notos.programs.python_packages import Chosen
from notos.programs.requirements import FILE, Requirements
from notos.programs.wheels import Python, environment


def wanted(
    source: str, python: Python, keys: tuple[str, ...], left_out: Sequence[str]
) -> Requirements | None:
    """Return the requirements of the program in the folder `source`; None without a requirements file.

    `left_out` are patterns of what does not count (source.py).

    Raises NotosError, OSError.
    """
    path = Path(source, FILE)
    return requirements.read(path, environment(python), keys, left_out) if os.path.lexists(path) else None


def locked(versions: Mapping[str, str], target: Architecture) -> Python:
    """Return the machine's Python by the versions of the packages that are locked."""
    python = re.split(r"[-+~]", versions["python3"])[0]
    return Python(python, int(versions["libc6"].split(".")[1].partition("-")[0]), target)


def wanted_key(source: str, python: Python | None, keys: tuple[str, ...], left_out: Sequence[str]) -> str:
    """Return a hash of the requirements of a program; "" if it has none. Raises NotosError, OSError."""
    found = wanted(source, python, keys, left_out) if python else None
    return python_packages.key(found.pinned, python) if found and python else ""


def lay_out(
    source: str, chosen: Iterable[Chosen], cache: Cache, dependencies: Path, *, isolated: bool
) -> dict[str, str]:
    """Add the files `chosen` to the folder `dependencies`, and return environment variables of the script.

    An `isolated` program does not see the Python packages of Debian.
    """
    folder = dependencies / "python"
    folder.mkdir()
    wheels, archives = [], []
    for each in chosen:
        place = folder / each.file
        shutil.copyfile(each.place(cache), place)
        requirement = f"{each.package}=={each.version}"
        if each.is_wheel:
            wheels.append(f"{requirement}\n")
        else:
            archives.append(f"{each.file} {requirement}\n")
    (folder / "wheels").write_text("".join(wheels))
    (folder / "archives").write_text("".join(archives))
    project = kinds.is_project(source)
    return {"SYSTEM_SITE": "false" if isolated else "true", "PROJECT": "yes" if project else ""}


def check_backends(name: str, chosen: Iterable[Chosen], cache: Cache, packages: Iterable[str]) -> None:
    """Check that each source archive has its build backend in `packages` or in `chosen`.

    Raises NotosError with all that are missing.
    """
    chosen = list(chosen)
    present = {*packages, *(kinds.backend_package(each.package) for each in chosen)}
    wrong = []
    for each in chosen:
        if each.is_wheel:
            continue
        needed = [kinds.backend_package(every) for every in _backends(each.place(cache))]
        if lacking := [every for every in needed if every not in present]:
            message = f"{each.package} {each.version} has no wheel for this machine, and its source needs"
            hint = f"add them to build.{name}.packages, or pin a version with a wheel"
            wrong.append(failed(name, f"{message} {', '.join(lacking)}", hint))
    errors.raise_all(wrong)


def _backends(archive: Path) -> tuple[str, ...]:
    """Return the normalised names of the Python packages that build a source archive."""
    try:
        with tarfile.open(archive) as opened:
            for member in opened:
                if member.name.count("/") == 1 and member.name.endswith("/pyproject.toml"):
                    stream = opened.extractfile(member)
                    found = tomllib.loads(stream.read().decode()) if stream else {}
                    return kinds.required_names(found.get("build-system", {}).get("requires", ["setuptools"]))
    except (OSError, tarfile.TarError, ValueError, AttributeError):
        return ()
    return ("setuptools",)
