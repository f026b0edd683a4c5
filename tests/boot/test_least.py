"""The machine of the smallest config, only a name: it boots to an ssh server that the host can reach."""

import pytest

from notos.vm.plugin import MachineFactory
from tests.conftest import Project

IMPLIED = ["virtio_blk", "squashfs", "overlay", "virtio_net"]


@pytest.fixture(scope="module")
def tiny(built: Project) -> Project:
    return built.build("tiny", "name: tiny\n")


def test_a_name_alone_boots_to_ssh(tiny: Project, machine_factory: MachineFactory) -> None:
    machine = machine_factory.at(tiny.script)
    machine.wait_for_console("Running sshd")
    assert machine.succeed("sv status sshd").startswith("run: sshd: ")
    loaded = [line.text for line in machine.console.lines if "Loading kernel module" in line.text]
    assert [line.split()[-1].rstrip(".") for line in loaded] == IMPLIED
    assert " 10.0.2.15/24 " in machine.succeed("ip addr show eth0")
    assert machine.shutdown() == 0


def test_a_static_address_of_another_subnet_is_reached(
    built: Project, machine_factory: MachineFactory
) -> None:
    """QEMU's network is the one that the config describes, so forwarded ports lead to the machine."""
    network = "network: {address: 192.168.7.9/29, gateway: 192.168.7.14, dns: [192.168.7.10]}\n"
    machine = machine_factory.at(
        built.build("static", f"name: static\nssh: {{server: dropbear}}\n{network}").script
    )
    assert " 192.168.7.9/29 " in machine.succeed("ip addr show eth0")
    assert machine.shutdown() == 0
