"""The machine of config.yaml, tested as its users reach it."""

import urllib.request
from pathlib import Path

import pytest

from notos.vm import CommandError, Machine, MachineLostError
from notos.vm.plugin import MachineFactory

PAGE = Path(__file__).parent.parent / "www/index.html"


@pytest.fixture(scope="module")
def web(machine_factory: MachineFactory) -> Machine:
    """Return one machine for all tests of this module that do not change it."""
    machine = machine_factory(scope="module")
    machine.wait_for_unit("web")
    return machine


def fetched(machine: Machine) -> str:
    """Return the page, requested from this host."""
    port = machine.wait_for_port(80)  # a free port here, which leads to the machine's 80
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
        return str(answer.read().decode())


def test_the_page_from_within(web: Machine) -> None:
    web.wait_for_open_port(80)
    assert web.succeed("wget -qO- http://localhost/") == PAGE.read_text()
    assert "404" in web.fail("wget -qO- http://localhost/none")


def test_the_page_from_outside(web: Machine) -> None:
    assert fetched(web) == PAGE.read_text()


def test_what_commands_do(web: Machine) -> None:
    assert web.execute("echo out; echo err >&2; exit 3") == (3, "out\n")
    done = web.run("tr a-z A-Z", input=b"bytes \xff\n")
    assert (done.status, done.out, done.err) == (0, b"BYTES \xff\n", "")
    with pytest.raises(CommandError, match="exit status 1"):
        web.succeed("true", "false")


def test_what_is_on_the_screen(web: Machine) -> None:
    picture = web.screenshot()  # kept among the artefacts
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_two_machines(web: Machine, machine_factory: MachineFactory) -> None:
    client = machine_factory(name="client")
    # This host is 10.0.2.2 to a machine, and its port leads to the other one.
    address = f"http://10.0.2.2:{web.wait_for_port(80)}/"
    assert client.succeed(f"wget -qO- {address}") == PAGE.read_text()


def test_the_service_comes_back_and_files_do_not_stay(machine: Machine, tmp_path: Path) -> None:
    machine.wait_for_unit("web")
    machine.succeed("sv kill web")  # runit starts it again
    machine.wait_for_unit("web")

    other = tmp_path / "index.html"
    other.write_text("another page\n")
    machine.copy_to(other, "/etc/web/index.html")
    assert fetched(machine) == "another page\n"
    machine.copy_from("/etc/web", tmp_path / "copy")
    assert (tmp_path / "copy/index.html").read_text() == "another page\n"

    machine.reboot()
    machine.wait_for_unit("web")
    assert fetched(machine) == PAGE.read_text()


@pytest.mark.machine({"hostname": "sealed", "ssh": {"server": "none"}})
def test_without_ssh_and_without_a_network(machine: Machine) -> None:
    machine.wait_for_unit("web")
    assert machine.succeed("hostname") == "sealed\n"
    machine.block()
    machine.wait_until_fails("ping -c 1 -W 1 10.0.2.2")
    machine.unblock()
    machine.wait_until_succeeds("ping -c 1 -W 1 10.0.2.2")
    machine.shutdown()


def test_a_machine_that_must_not_boot(machine_factory: MachineFactory) -> None:
    machine = machine_factory(environment={"KERNEL_PARAMS": "systemConfig=/nix/store/none"})
    with pytest.raises(MachineLostError, match=r"/nix/store/none .* is not in the store"):
        machine.wait_for_boot()
    machine.send_console("exit\n")  # leaves the rescue shell, which restarts the machine
    assert machine.wait_for_end() == 0
