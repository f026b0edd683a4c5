"""A web server with Debian's nginx."""

from notos.vm.plugin import MachineFactory


def test_a_page(machine_factory: MachineFactory) -> None:
    machine = machine_factory("examples/machines/nginx.yaml")
    machine.wait_for_open_port(80)
    assert machine.succeed("wget -q -O - http://127.0.0.1/") == "hello\n"
