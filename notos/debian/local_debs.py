"""The .deb files that a config names: the packages in them, by their control files.

The loader calls `expand` for each key `deb`, so that the rest of Notos knows only packages with names. This
module compares no versions and reads no archive.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from notos.architecture import Architecture
from notos.cache import Cache
from notos.config.model import Machine, Package, PackageName
from notos.config.package_lists import package_lists
from notos.config.setting import TARGET
from notos.config.yaml_source import Node, Problem, place_of
from notos.errors import HostError, LockError, PackageError

if TYPE_CHECKING:
    from notos.debian.known_debs import Known
    from notos.debian.package import LockedPackage


def expand(package: Package, node: Node) -> Iterator[Package]:
    """Yield a package for each .deb that `package.deb` names. Raises Problem at its place in `node`.

    The path is a file, a folder whose .debs count, or a pattern.
    """
    from notos.debian import known_debs

    assert package.deb is not None, "the loader calls this for the key deb"
    place = place_of(node, "deb")
    cache = _cache()
    seen: dict[str, tuple[str, Path]] = {}
    for file in _files(Path(package.deb), node):
        try:
            name, version, architecture = known_debs.known(file, cache, _known)
        except PackageError as error:
            raise Problem(f"deb: {error.message}", place) from None
        if architecture not in (TARGET.debian, "all"):
            message = f"deb: {file} is for {architecture}, and the machine for {TARGET.debian}"
            raise Problem(message, place)
        first = seen.setdefault(name, (version, file))
        if first[1] != file:
            message = (
                f"deb: two files have the package {name}: {first[1].name} ({first[0]}) and {file.name} "
                f"({version}); keep one of them"
            )
            raise Problem(message, place)
        yield replace(package, name=PackageName(name), deb=str(file))  # type: ignore[arg-type]


def _cache() -> Cache | None:
    """Return the user's cache, None on a host without a home folder."""
    with suppress(HostError):
        return Cache.default()
    return None


def _known(path: Path) -> "Known":
    from notos.debian.known_debs import Known

    fields = control(path)
    return Known(fields["Package"], fields["Version"], fields["Architecture"])


def _files(path: Path, node: Node) -> list[Path]:
    """Return the .debs at a path, sorted. Raises Problem if there are none."""
    place = place_of(node, "deb")
    if path.is_dir():
        found = sorted(each for each in path.glob("*.deb") if each.is_file())
        if not found:
            raise Problem(f"deb: the folder {path} has no .deb files", place)
        return found
    if path.exists():
        return [path]
    # The first part with a wildcard, and all after it, are the pattern.
    parts = path.parts
    at = next(number for number, part in enumerate(parts) if set(part) & set("*?["))
    found = sorted(each for each in Path(*parts[:at]).glob(str(Path(*parts[at:]))) if each.is_file())
    if not found:
        raise Problem(f"deb: no file matches {path}", place)
    return found


def problems(machine: Machine, node: Node) -> Iterator[Problem]:
    """Yield a problem for each package for which two lists of the config name different files."""
    files: dict[str, str] = {}
    for each in package_lists(machine):
        for package in each.packages:
            first = files.setdefault(package.name, package.deb) if package.deb else None
            if first and package.deb and first != package.deb:
                message = f"two files have the package {package.name}: {first} and {package.deb}"
                yield Problem(message, place_of(node, *each.keys))


def paths(machine: Machine) -> dict[str, str]:
    """Return the path of each package that the config names by its .deb, by the package's name."""
    found = {
        package.name: str(package.deb)
        for each in package_lists(machine)
        for package in each.packages
        if package.deb
    }
    return dict(sorted(found.items()))


def control(path: Path) -> Mapping[str, str]:
    """Return the fields of a .deb's control file. Raises PackageError with the path for an invalid .deb."""
    from notos.debian import deb
    from notos.debian.deb822 import stanza
    from notos.debian.package import SHAPES

    try:
        fields = stanza(deb.control(path)["control"].decode(errors="replace"))
    except KeyError:
        raise PackageError(f"{path} has no control file") from None
    except PackageError as error:
        reason = error.message.removeprefix(f"{path.name}: ").removeprefix("not a .deb: ")
        raise PackageError(f"{path} is not a valid .deb: {reason}") from None
    for name, shape in (("Package", "name"), ("Version", "version"), ("Architecture", "architecture")):
        if not fields.get(name):
            raise PackageError(f"{path} has no {name} in its control file")
        if not SHAPES[shape].fullmatch(fields[name]):
            raise PackageError(f"{path} has an invalid {name} in its control file: {fields[name]!r}")
    return fields


def locked(path: Path, architecture: Architecture) -> "LockedPackage":
    """Return the package of a .deb. Raises LockError."""
    import hashlib

    from notos.debian.package import LOCAL, of_stanza
    from notos.debian.relation import parse

    try:
        fields = control(path)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            size = stream.tell()
    except PackageError as error:
        raise LockError(error.message, hint="build it again, and run `./doit lock`") from error
    except OSError as error:
        raise LockError(f"cannot read {path}: {error.strerror}") from error
    version = fields["Version"].replace(":", "%3a")
    own = {
        "Filename": f"{fields['Package']}_{version}_{fields['Architecture']}.deb",
        "Size": str(size),
        "SHA256": digest,
    }
    try:
        found = of_stanza({**fields, **own}, LOCAL, architecture.debian)
        for each in (found.depends, found.provides, found.conflicts):
            parse(each)
    except LockError as error:
        message = f"{path} has an invalid control file: {error.message}"
        raise LockError(message, hint="build it again", package=fields["Package"]) from error
    return found


def keep(path: Path, package: "LockedPackage", cache: Cache) -> None:
    """Copy the .deb of a locked package into the cache. Raises LockError if it is not the same any more."""
    import hashlib
    import shutil

    from notos import atomic

    target = cache.download(package.sha256)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as stream, atomic.file(target) as copy:
            shutil.copyfileobj(stream, copy)
            copy.seek(0)
            digest = hashlib.sha256()
            while piece := copy.read(1 << 20):
                digest.update(piece)
            if digest.hexdigest() != package.sha256:
                message = f"{path} has changed since the lock was made"
                raise LockError(message, hint="run ./doit lock", package=package.name)
    except OSError as error:
        raise LockError(f"cannot copy {path} to the cache: {error.strerror}") from error
