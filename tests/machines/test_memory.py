"""Machines with the least allowed memory boot and run their services."""

import re
from dataclasses import replace

import pytest

from notos.vm.plugin import MachineFactory
from tests.conftest import Project

TINY = """
name: tiny
kernel: {modules: [virtio_net, virtio_rng, virtio_blk, squashfs, overlay]}
"""


def least(project: Project) -> str:
    found = re.search(r"^leastMemory=(\d+)$", project.script.read_text(), re.MULTILINE)
    assert found
    return found[1]


@pytest.mark.parametrize("name", ["default", "tiny"])
def test_the_least_memory_suffices(built: Project, machine_factory: MachineFactory, name: str) -> None:
    project = built.build("tiny", TINY) if name == "tiny" else replace(built, name="notos")
    machine = machine_factory.at(project.script, environment={"MEMORY": least(project)}, patience=2)
    assert int(machine.succeed("grep MemTotal /proc/meminfo").split()[1]) < int(least(project)) << 10
    machine.wait_for_unit("sshd")
    if name == "default":
        machine.wait_until_succeeds("[ /nix/var/nix/db/registered -ef /run/booted-system ]", 60)
        machine.succeed("nix-store -q --references /run/current-system")
    assert machine.shutdown() == 0
