"""Lock files of npm: package-lock.json and npm-shrinkwrap.json, versions 2 and 3.

Source: package-lock-json(5), and the W3C recommendation "Subresource Integrity" for hashes.
"""

import base64
import binascii
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from notos import errors
from notos.errors import NotosError
from notos.host.proxy import without_password
from notos.programs import inside

FILES = ("npm-shrinkwrap.json", "package-lock.json")  # the first one wins
_ALGORITHMS = ("sha512", "sha384", "sha256", "sha1")  # the strongest first
_NAME = re.compile(r"(@[^/]+/)?[^@/.][^/]*")  # of a package, as a path
_HINT = "`npm install --package-lock-only` writes it again"


class NpmPackage(NamedTuple):
    """A package that is unpacked.

    path         its folder, relative to the source: node_modules/a/node_modules/b
    urls         addresses of its tarball; the first one that answers is used
    algorithm    of its hash, a name of hashlib
    digest       hex digits
    development  True if only the build needs it
    scripts      True if it has scripts for its installation
    """

    path: str
    name: str
    version: str
    urls: tuple[str, ...]
    algorithm: str
    digest: str
    development: bool
    scripts: bool


class NpmLock(NamedTuple):
    """The packages that are unpacked for this machine.

    links     workspaces: folders of the source by the path of the link to each
    programs  by the folder of a package or workspace: the paths in it of its programs by name
    """

    packages: tuple[NpmPackage, ...]
    links: Mapping[str, str]
    programs: Mapping[str, Mapping[str, str]]


def read(path: Path, registry: str, machine: "NpmMachine", keys: tuple[str, ...]) -> NpmLock:
    """Return what the lock file `path` installs.

    `registry` is the address in npm's configuration, "" without one. Raises NotosError, with `keys`, with all
    that cannot be installed, and OSError.
    """
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text)
        version, entries = found["lockfileVersion"], found.get("packages", {})
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise NotosError(f"{path} is not a lock file of npm: {error}", hint=_HINT, keys=keys) from error
    if version not in (2, 3):
        message = f"{path} has the format {version}; formats 2 and 3 are supported"
        raise NotosError(message, hint=f"with npm 7 or newer, {_HINT}", keys=keys)
    if not isinstance(entries, dict):
        message = f"{path} is not a lock file of npm: packages is not an object"
        raise NotosError(message, hint=_HINT, keys=keys)
    packages: list[NpmPackage] = []
    links: dict[str, str] = {}
    programs: dict[str, Mapping[str, str]] = {}
    wrong: list[NotosError] = []
    left_out: list[str] = []
    linked = tuple(f"{place}/" for place, each in entries.items() if _is_link(each))

    def add(place: str, entry: Mapping[str, Any]) -> None:
        if isinstance(entry.get("bin"), dict):
            programs[place] = entry["bin"]
        if "node_modules/" not in f"{place}/" or any(place.startswith(f"{each}/") for each in left_out):
            return  # the program itself and its workspaces, and parts of what does not fit this machine
        if place.startswith(linked):
            raise ValueError("is below a link")
        if _is_link(entry):
            links[place] = _target(entry)
        elif entry.get("inBundle"):
            return  # its package has it
        elif machine.fits(entry):
            packages.append(_package(place, entry, registry))
        elif entry.get("optional"):
            left_out.append(place)
        else:
            raise _OtherMachineError(f"is for {_systems(entry)}, not for this machine")

    for place, entry in entries.items():
        try:
            _check(place, entry)
            add(place, entry)
        except ValueError as error:
            hint = "leave it out, or make it optional" if isinstance(error, _OtherMachineError) else _HINT
            message = f"{_at(path, text, place)}: {_shown(place)} {error}"
            wrong.append(NotosError(message, hint=hint, keys=keys))
    errors.raise_all(wrong)
    return NpmLock(tuple(packages), links, programs)


class _OtherMachineError(ValueError):
    """A package that does not fit the machine and is not optional."""


def _is_link(entry: Any) -> bool:
    return isinstance(entry, dict) and bool(entry.get("link"))


def _shown(place: str) -> str:
    return place if place.isprintable() else repr(place)


def _check(place: str, entry: Any) -> None:
    """Check the path and the types of an entry. Raises ValueError with what is wrong with it."""
    if not isinstance(entry, dict):
        raise ValueError("is not an object")
    if place and "node_modules/" in f"{place}/":
        if reason := inside.fault(place):
            raise ValueError(reason)
        names = f"/{place}".split("/node_modules/")[1:]
        if not names or not all(map(_NAME.fullmatch, names)):
            raise ValueError("is not the folder of a package in node_modules")
    for key in ("os", "cpu", "libc"):
        listed = entry.get(key) or []
        if not isinstance(listed, str | list) or not all(isinstance(each, str) for each in listed):
            raise ValueError(f"has an invalid {key}")
    programs = entry.get("bin")
    if isinstance(programs, dict) and not all(isinstance(each, str) for each in programs.values()):
        raise ValueError("has an invalid bin")


def _target(entry: Mapping[str, Any]) -> str:
    """Return the folder of a link, relative to the source. Raises ValueError."""
    target = entry.get("resolved")
    if not isinstance(target, str):
        raise ValueError("is a link without a target (resolved)")
    plain = os.path.normpath(target)
    if plain.startswith(("/", "..")):
        raise ValueError(f"is a link to {_shown(target)}, outside of the source")
    if plain != "." and (reason := inside.fault(plain)):
        raise ValueError(f"is a link whose target {reason}")
    return plain


class NpmMachine(NamedTuple):
    """A machine as npm sees it: process.platform, process.arch, and the kind of its C library."""

    system: str
    processor: str
    library: str

    def fits(self, entry: Mapping[str, Any]) -> bool:
        """Return True if a package is for this machine, by its fields os, cpu and libc."""
        own = (("os", self.system), ("cpu", self.processor), ("libc", self.library))
        return all(_allows(entry.get(key), value) for key, value in own)


def _allows(listed: Any, value: str) -> bool:
    """Return True if a list of words, of which some are excluded by !, allows `value`."""
    words = [listed] if isinstance(listed, str) else list(listed or ())
    if not words or words == ["any"]:
        return True
    if f"!{value}" in words:
        return False
    return value in words or all(each.startswith("!") for each in words)


def _systems(entry: Mapping[str, Any]) -> str:
    found = (entry.get(key) for key in ("os", "cpu", "libc"))
    return " ".join("/".join([each] if isinstance(each, str) else each) for each in found if each)


def _package(place: str, entry: Mapping[str, Any], registry: str) -> NpmPackage:
    """Return the package of an entry. Raises ValueError with what is wrong with it."""
    resolved = str(entry.get("resolved") or "")
    if resolved.startswith("git") or (resolved and not resolved.startswith(("http:", "https:"))):
        shown = without_password(resolved)
        raise ValueError(f"comes from {shown}, which has no hash; only packages of a registry are fetched")
    folder = place.rpartition("node_modules/")[2]
    name, version = entry.get("name") or folder, str(entry.get("version") or "")
    urls = _urls(str(name), version, resolved, registry)
    if not urls:
        raise ValueError("has no address, and no registry is configured; write registry=ADDRESS into .npmrc")
    algorithm, digest = strongest(str(entry.get("integrity") or ""))
    return NpmPackage(
        path=place,
        name=str(name),
        version=version,
        urls=urls,
        algorithm=algorithm,
        digest=digest,
        development=bool(entry.get("dev")),
        scripts=bool(entry.get("hasInstallScript")),
    )


def _urls(name: str, version: str, resolved: str, registry: str) -> tuple[str, ...]:
    """Return the addresses of a tarball: that of the configured registry first, as npm does."""
    found = []
    if registry and (not resolved or "/-/" in resolved):
        file = urlsplit(resolved).path.rpartition("/")[2] or f"{name.rpartition('/')[2]}-{version}.tgz"
        found.append(f"{registry.rstrip('/')}/{quote(name, safe='@/')}/-/{file}")
    return tuple(dict.fromkeys((*found, *([resolved] if resolved else []))))


def strongest(integrity: str) -> tuple[str, str]:
    """Return the algorithm and the hex digits of the strongest hash. Raises ValueError."""
    found = dict(each.partition("?")[0].partition("-")[::2] for each in integrity.split())
    for algorithm in _ALGORITHMS:
        if algorithm in found:
            try:
                digest = base64.b64decode(found[algorithm], validate=True)
            except (binascii.Error, ValueError) as error:
                raise ValueError(f"has an invalid hash ({integrity})") from error
            if len(digest) != hashlib.new(algorithm).digest_size:
                raise ValueError(f"has an invalid hash ({integrity})")
            return algorithm, digest.hex()
    raise ValueError("has no hash (integrity)")


def _at(path: Path, text: str, place: str) -> str:
    """Return the file and line of an entry."""
    before = text.partition(f"{json.dumps(place)}:")
    return f"{path}:{before[0].count(chr(10)) + 1}" if before[1] else str(path)


def configured_registry(environment: Mapping[str, str], home: Path, source: Path) -> str:
    """Return the registry in npm's configuration; "" without one (npmrc(5))."""
    for name, value in environment.items():
        if name.lower() == "npm_config_registry" and value:
            return value
    own = environment.get("NPM_CONFIG_USERCONFIG") or environment.get("npm_config_userconfig")
    for path in (source / ".npmrc", Path(own) if own else home / ".npmrc", Path("/etc/npmrc")):
        for key, value in _settings(path):
            if key == "registry":
                return value
    return ""


def _settings(path: Path) -> Iterator[tuple[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        key, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith(("#", ";")):
            yield key.strip(), value.strip().strip("\"'")
