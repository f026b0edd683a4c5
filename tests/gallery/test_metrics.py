"""Redis, Mosquitto and exporters for Prometheus, each under its own account."""

from notos.vm.plugin import MachineFactory

ACCOUNTS = {
    "redis-server": "redis",
    "mosquitto": "mosquitto",
    "prometheus-node-exporter": "prometheus",
    "prometheus-redis-exporter": "prometheus",
}


def test_services_answer_and_data_survives(machine_factory: MachineFactory) -> None:
    machine = machine_factory("examples/machines/metrics.yaml")
    for port in (6379, 1883, 9100, 9121):
        machine.wait_for_open_port(port)
    for program, account in ACCOUNTS.items():
        machine.succeed(f"test $(stat -c %U /proc/$(pidof {program})) = {account}")
    assert machine.succeed("redis-cli set visits 41", "redis-cli incr visits").split() == ["OK", "42"]
    machine.succeed("mosquitto_pub -r -t greeting -m hello")
    assert machine.succeed("mosquitto_sub -C 1 -W 30 -t greeting", seconds=60) == "hello\n"
    assert "\nnode_load1 " in machine.succeed("wget -q -O - http://127.0.0.1:9100/metrics", seconds=60)
    assert "\nredis_up 1\n" in machine.succeed("wget -q -O - http://127.0.0.1:9121/metrics", seconds=60)
    machine.reboot()
    machine.wait_for_open_port(6379)
    assert machine.succeed("redis-cli get visits") == "42\n"
    machine.wait_for_open_port(1883)
    assert machine.succeed("mosquitto_sub -C 1 -W 30 -t greeting", seconds=60) == "hello\n"
