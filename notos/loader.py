"""Configs, checked completely: the rules of notos.config, of the features, and of the outputs.

Every command and test loads configs with this module.
"""

from collections.abc import Iterator
from pathlib import Path

from notos.config import loader
from notos.config.loader import Loaded
from notos.config.model import Machine
from notos.config.yaml_source import Node, Problem, key_place, named_place
from notos.debian import local_debs
from notos.features import checks, extension_code, extensions
from notos.outputs.qemu import command_line


def load(path: Path) -> Loaded:
    """Read the config at `path`. Raises ConfigError with every problem, each at its line."""
    return loader.load(path, [*checks.checks(), {Machine: _problems}], extension_code.find, local_debs.expand)


def _problems(machine: Machine, node: Node) -> Iterator[Problem]:
    yield from local_debs.problems(machine, node)
    features = checks.features(machine)
    if features is None:
        return
    if any(file.path.startswith(("sysusers.d/", "tmpfiles.d/")) for file in features.etc if file.keys):
        from notos.system import conf_files

        yield from conf_files.problems(features, node)
    if (excess := command_line.excess(machine, features)) > 0:
        message = f"kernel_params make the kernel's command line {excess} bytes too long; leave some out"
        yield Problem(message, key_place(node, "kernel_params"))
    if extensions.of(machine):
        from notos.outputs import registry

        yield from registry.problems(machine, features, node)
    if machine.build.programs:
        from notos.programs import checks as programs

        yield from programs.problems(machine, node)
    for each in machine.kernel_params:
        if each.startswith("systemConfig="):
            place = named_place(node, "kernel_params", each) or node.place
            yield Problem("systemConfig= is set by runvm.sh; leave it out", place)
