"""Rules between keys that belong to no feature; scalars.py and reader.py check each value by itself."""

import re
from collections.abc import Iterator

from notos.config.model import Debian, EtcFile, Initrd, Kernel, KernelSource, PlacedFile, Service, Timer
from notos.config.reader import Alternatives, Checks
from notos.config.yaml_source import MappingNode, Node, Problem, key_place, place_of

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
    """Refuse suites that have only some packages, as additions to another suite."""
    for key in ("suite", "tools_suite"):
        suite = getattr(debian, key)
        if match := _PARTIAL.fullmatch(suite):
            message = f"debian.{key}: {suite} has only some packages; write {match[1] or 'sid'}"
            yield Problem(message, place_of(node, key))


CHECKS: Checks = {Debian: _debian, Kernel: _kernel, KernelSource: _source, Initrd: _initrd}

ALTERNATIVES: Alternatives = {
    KernelSource: ("kernel.source", ("package", "url"), True),
    Service: ("a service", ("run", "source"), False),
    Timer: ("a timer", ("run", "unit"), True),
    EtcFile: ("a file in etc", ("text", "source"), True),
    PlacedFile: ("a path in files", ("text", "source", "link"), True),
}
