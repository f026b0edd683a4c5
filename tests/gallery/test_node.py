"""A server for Node.js, which ends cleanly when its service is stopped."""

from notos.vm.plugin import MachineFactory


def test_a_page_and_a_clean_end(machine_factory: MachineFactory) -> None:
    machine = machine_factory("examples/machines/node.yaml")
    machine.wait_for_open_port(3000)
    assert machine.succeed("wget -q -O - http://127.0.0.1:3000/x") == "hello from node: /x\n"
    assert machine.succeed("ps -o user,comm | grep node").split() == ["www-data", "node"]
    machine.succeed("sv stop app")
    assert "stopping" in machine.succeed("cat /var/log/app/current")
    assert machine.succeed("sv status app").startswith("down: app")
