"""The machine as its users meet it: `notos test` builds it, boots it and runs these tests."""

import urllib.request

from notos.vm import Machine


def test_the_page(machine: Machine) -> None:
    machine.wait_for_unit("web")
    port = machine.wait_for_port(80)  # a free port of this host, forwarded to port 80
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
        assert b"Hello from @name@." in answer.read()


def test_commands_in_the_machine(machine: Machine) -> None:
    assert machine.succeed("hostname") == "@hostname@\n"
