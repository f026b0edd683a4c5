"""Rules for the programs in `build`, which depend on the files of their sources."""

import os
from collections.abc import Iterator
from pathlib import Path

from notos.config.model import Machine
from notos.config.yaml_source import Node, Problem, key_place
from notos.features.files import merged
from notos.programs import kinds, source


def problems(machine: Machine, node: Node) -> Iterator[Problem]:
    """Yield what is wrong with the programs of a config, each at its line."""
    taken: dict[str, tuple[str, str]] = {}
    for name, program in machine.build.programs.items():
        keys = ("build", name)
        if not program.source:
            continue  # it is missing, which is a problem by itself
        found = kinds.of(program.source)
        reason = kinds.unclear(name, program.source, found) if program.run is None else ""
        if not reason:
            reason = next(filter(None, (kinds.missing(name, program.source, each) for each in found)), "")
        for lock in (lock for each in found for lock in each.locks):
            file = Path(program.source, lock)
            if os.path.lexists(file) and (wrong := source.fault(program.source, file, program.exclude)):
                yield Problem(f"build.{name}: {file} {wrong}; the build needs it", key_place(node, *keys))
        if reason:
            yield Problem(reason, key_place(node, *keys))
        for path in program.install:
            place = key_place(node, *keys, "install", path)
            first = taken.setdefault(merged(path), (name, path))
            if wrong := kinds.wrong_destination(path):
                yield Problem(f"build.{name}.install.{path}: {wrong}", place)
            elif merged(path) != path:
                yield Problem(f"build.{name}.install.{path}: write {merged(path)}", place)
            elif first != (name, path):
                yield Problem(
                    f"build.{name}.install.{path} is also in build.{first[0]}; leave one out", place
                )
