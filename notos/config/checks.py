"""Rules between keys that belong to no feature; scalars.py and reader.py check each value by itself."""

import re
from collections.abc import Iterator

from notos.config.model import (
    Debian,
    EtcFile,
    Initrd,
    Kernel,
    KernelSource,
    PackageSource,
    PlacedFile,
    Service,
    Timer,
)
from notos.config.reader import Alternatives, Checks
from notos.config.yaml_source import MappingNode, Node, Problem, key_place, place_of, value_at

_BUSYBOX = ("busybox-static", "busybox")
_PARTIAL = re.compile(
    r"(.+?)-(?:updates|security|backports|backports-sloppy|proposed-updates)|experimental|rc-buggy"
)


def _kernel(kernel: Kernel, node: Node) -> Iterator[Problem]:
    if not isinstance(node, MappingNode):
        return
    if kernel.source is None:
        for key in ("base", "fragments", "options", "patches", "signing_key"):
            if getattr(kernel, key) != getattr(Kernel(), key):
                message = f"kernel.{key} is for a custom kernel; set kernel.source too"
                yield Problem(message, key_place(node, key))
    elif "package" in node.items:
        place = key_place(node, "package")
        first = key_place(node, "source").seen_from(place)
        yield Problem(f"kernel takes either package or source, not both; source is {first}", place)


def _source(source: KernelSource, node: Node) -> Iterator[Problem]:
    if source.url is not None and source.sha256 is None:
        yield Problem("kernel.source.sha256 is missing: a tarball is verified before it is used", node.place)
    elif source.package is not None and source.sha256 is not None:
        message = "kernel.source.sha256 is for a url; the lock has the hashes of packages"
        yield Problem(message, place_of(node, "sha256"))


def _initrd(initrd: Initrd, node: Node) -> Iterator[Problem]:
    """Check that the initrd has busybox: stage-1 is a script for its shell."""
    if not any(each.name in _BUSYBOX for each in initrd.packages):
        names = ", ".join(["busybox-static", *(each.name for each in initrd.packages)])
        message = f"initrd.packages lacks busybox-static, which stage-1 runs; write packages: [{names}]"
        yield Problem(message, key_place(node, "packages"))


def _debian(debian: Debian, node: Node) -> Iterator[Problem]:
    """Refuse suites that have only some packages, as additions to another suite, and none for Ubuntu."""
    if debian.distribution == "ubuntu" and value_at(node, "suite") is None:
        message = "debian.suite is missing: the name of Ubuntu's release, such as noble"
        yield Problem(message, key_place(node, "distribution"))
    for key in ("suite", "tools_suite"):
        suite = getattr(debian, key)
        if match := _PARTIAL.fullmatch(suite):
            release = match[1] or "sid"
            message = f"debian.{key}: {suite} has only some packages; write {release}"
            if key == "suite":
                message += f", and sources: [{{suites: [{suite}], packages: [NAME]}}] for single packages"
            yield Problem(message, place_of(node, key))


def _source_archive(source: PackageSource, node: Node) -> Iterator[Problem]:
    """Check that a source is verified by its own key, or by the distribution's keys on its own mirror."""
    if source.url is None:
        if source.key is not None:
            message = "debian.sources: key is for a url; suites of the distribution have its own keys"
            yield Problem(message, key_place(node, "key"))
        flat = [each for each in source.suites or () if each.endswith("/")]
        if flat:
            message = f"debian.sources: {flat[0]} is a flat repository, which needs its url"
            yield Problem(message, key_place(node, "suites"))
    elif source.key is None:
        message = (
            "debian.sources: key is missing: a file with the keys of this archive, such as keys/NAME.asc"
        )
        yield Problem(message, key_place(node, "url"))
    elif (wrong := _not_a_key(source.key)) and isinstance(node, MappingNode):
        yield Problem(f"debian.sources: {wrong}", place_of(node, "key"))
    for key in ("suites", "packages"):
        if getattr(source, key) == ():
            yield Problem(f"debian.sources: {key} is empty", key_place(node, key))


def _not_a_key(path: str) -> str:
    """Return why the file is no OpenPGP certificate; "" if it may be one. The archive reads it completely."""
    with open(path, "rb") as stream:
        start = stream.read(1 << 16)
    if b"-----BEGIN PGP PRIVATE KEY BLOCK-----" in start:
        return f"{path} has a private key; write the public one to a file: gpg --armor --export NAME"
    # The first octet of a public key packet (RFC 9580, 4.2), in the old and in the new format.
    if b"-----BEGIN PGP PUBLIC KEY BLOCK-----" in start or start[:1] in (b"\x98", b"\x99", b"\x9a", b"\xc6"):
        return ""
    return f"{path} is not an OpenPGP key, armored or binary"


CHECKS: Checks = {
    Debian: _debian,
    PackageSource: _source_archive,
    Kernel: _kernel,
    KernelSource: _source,
    Initrd: _initrd,
}

ALTERNATIVES: Alternatives = {
    KernelSource: ("kernel.source", ("package", "url"), True),
    Service: ("a service", ("run", "source"), False),
    Timer: ("a timer", ("run", "unit"), True),
    EtcFile: ("a file in etc", ("text", "source"), True),
    PlacedFile: ("a path in files", ("text", "source", "link"), True),
}
