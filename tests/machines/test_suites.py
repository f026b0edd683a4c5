"""Other releases of Debian than the default one: the default machine boots, and its users reach it."""

import json

import pytest

from notos.vm.plugin import MachineFactory
from tests.conftest import Project

CONFIG = """
name: {suite}
imports: [config.yaml]
debian: {{suite: {suite}, check_valid_until: false}}  # a mirror may lag behind: packages are tested, not it
"""


@pytest.mark.parametrize("suite", ["bookworm", "sid"])
def test_a_release_boots(built: Project, machine_factory: MachineFactory, suite: str) -> None:
    """Its services run, root logs in with ssh, and its Nix accepts the store."""
    project = built.build(suite, CONFIG.format(suite=suite))
    lock = json.loads((built.root / f"{suite}.lock").read_bytes())
    assert (lock["suite"], lock["tools"]["suite"]) == (suite, "trixie")
    machine = machine_factory.at(project.script)
    machine.wait_for_unit("sshd")
    assert machine.succeed("id -un; . /etc/os-release; echo $PRETTY_NAME").split("\n")[:2] == [
        "root",
        f"Notos ({suite})",
    ]
    machine.wait_until_succeeds("[ /nix/var/nix/db/registered -ef /run/booted-system ]")
    machine.succeed("nix-store --verify --check-contents")
