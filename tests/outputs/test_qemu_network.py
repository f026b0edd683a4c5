"""QEMU's network: what a machine's own settings make of it, with QEMU itself as the judge."""

import subprocess
from collections.abc import Callable

import pytest

from notos.features.model import Subnet
from notos.outputs.qemu.network import options
from notos.toolchain.tools_tree import ToolsTree
from tests.conftest import Project

USUAL = "net=10.0.2.0/24,host=10.0.2.2,dns=10.0.2.3"
CASES = [
    (None, USUAL),
    (Subnet(address="10.0.2.15/24", gateway="10.0.2.2", dns=("10.0.2.3",)), USUAL),
    (Subnet(address="10.0.2.20/24"), f"{USUAL},dhcpstart=10.0.2.20"),
    # QEMU's own addresses make room for the machine's.
    (Subnet(address="10.0.2.2/24"), "net=10.0.2.0/24,host=10.0.2.1,dns=10.0.2.3,dhcpstart=10.0.2.2"),
    (
        Subnet(address="192.168.7.9/29", gateway="192.168.7.14", dns=("192.168.7.10", "9.9.9.9")),
        "net=192.168.7.8/29,host=192.168.7.14,dns=192.168.7.10,dhcpstart=192.168.7.9",
    ),
    # A router that is the name server too: QEMU wants two addresses, and answers for names at one of them.
    (
        Subnet(address="192.168.1.5/24", gateway="192.168.1.1", dns=("192.168.1.1",)),
        "net=192.168.1.0/24,host=192.168.1.2,dns=192.168.1.1,dhcpstart=192.168.1.5",
    ),
    (
        Subnet(address="10.1.0.1/30", gateway="10.1.0.2"),
        "net=10.1.0.0/30,host=10.1.0.2,dns=10.1.0.3,dhcpstart=10.1.0.1",
    ),
    (Subnet(address="10.0.0.15/8"), "net=10.0.0.0/8,host=10.0.0.2,dns=10.0.0.3,dhcpstart=10.0.0.15"),
    # No room for three addresses.
    (Subnet(address="10.1.0.0/31"), USUAL),
    (Subnet(address="10.1.0.1/32"), USUAL),
]


@pytest.fixture(scope="module")
def qemu(built: Project) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Start the machine's own QEMU with a network, stopped, and have its monitor end it."""
    from notos.vm.artefacts import Artefacts

    tree: ToolsTree = Artefacts(built.script).tools
    words = [*tree.command("qemu-system-x86_64"), "-M", "none", "-display", "none", "-S", "-monitor", "stdio"]

    def start(network: str) -> subprocess.CompletedProcess[str]:
        forward = "hostfwd=tcp:127.0.0.1:0-:22"
        return subprocess.run(
            [*words, "-netdev", f"user,id=net0,{network},{forward}"],
            input="info usernet\nquit\n",
            capture_output=True,
            text=True,
            check=False,
        )

    return start


@pytest.mark.parametrize(("subnet", "expected"), CASES)
def test_qemu_takes_it_and_forwards_to_the_machine(
    qemu: Callable[[str], subprocess.CompletedProcess[str]], subnet: Subnet | None, expected: str
) -> None:
    assert options(subnet) == expected
    done = qemu(expected)
    assert done.returncode == 0, done.stderr
    address = expected.rpartition("dhcpstart=")[2] if "dhcpstart" in expected else "10.0.2.15"
    (line,) = [each for each in done.stdout.splitlines() if "HOST_FORWARD" in each]
    assert line.split()[-4:-2] == [address, "22"]


def test_what_qemu_refuses(qemu: Callable[[str], subprocess.CompletedProcess[str]]) -> None:
    """The judge judges."""
    done = qemu("net=10.0.2.0/24,host=10.0.2.2,dns=10.0.2.2")
    assert done.returncode == 1
