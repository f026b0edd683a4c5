"""The files in the config's `etc`."""

from collections.abc import Iterator

from notos.config.model import Machine
from notos.config.reader import Checks
from notos.config.yaml_source import Node, Problem, key_place
from notos.features.model import Copy, EtcFile, Feature, Text

KEYS = ("etc",)


def feature(machine: Machine) -> Feature:
    """Return the files."""
    return Feature(
        etc=tuple(
            EtcFile(
                path=path,
                content=Copy(file.source) if file.source is not None else Text(file.text or ""),
                mode=file.mode,
                keys=("etc", path),
            )
            for path, file in machine.etc.items()
        )
    )


def _problems(machine: Machine, node: Node) -> Iterator[Problem]:
    for path in machine.etc:
        parts = path.split("/")
        place = key_place(node, "etc", path)
        for length in range(1, len(parts)):
            parent = "/".join(parts[:length])
            if parent in machine.etc:
                first = key_place(node, "etc", parent).seen_from(place)
                yield Problem(f"etc.{path} lies below etc.{parent}, which is a file, {first}", place)


CHECKS: Checks = {Machine: _problems}
