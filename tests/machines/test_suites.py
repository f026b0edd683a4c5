"""Other releases of Debian than the default one: the default machine boots, and its users reach it."""

import json

import pytest

from notos.vm.plugin import MachineFactory
from tests.conftest import Project

CONFIG = """
name: {suite}
imports: [config.yaml]
debian: {{suite: {suite}}}
"""


@pytest.mark.parametrize(("suite", "tools"), [("bookworm", "trixie"), ("sid", None)])
def test_a_release_boots(
    built: Project, machine_factory: MachineFactory, suite: str, tools: str | None
) -> None:
    """Its services run, root logs in with ssh, and its Nix accepts the store."""
    project = built.build(suite, CONFIG.format(suite=suite))
    lock = json.loads((built.root / f"{suite}.lock").read_bytes())
    assert (lock["suite"], lock.get("tools", {}).get("suite")) == (suite, tools)
    machine = machine_factory.at(project.script)
    machine.wait_for_unit("sshd")
    assert machine.succeed("id -un; . /etc/os-release; echo $PRETTY_NAME").split("\n")[:2] == [
        "root",
        f"Notos ({suite})",
    ]
    machine.wait_until_succeeds("[ /nix/var/nix/db/registered -ef /run/booted-system ]")
    machine.succeed("nix-store --verify --check-contents")
