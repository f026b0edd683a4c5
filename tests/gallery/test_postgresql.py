"""A database server with Debian's PostgreSQL."""

from pathlib import Path

from notos.vm.plugin import MachineFactory


def test_data_survives(machine_factory: MachineFactory, tmp_path: Path) -> None:
    """The first boot makes the cluster. Its data survives a restart of the service and of the machine."""
    machine = machine_factory(
        "examples/machines/postgresql.yaml", environment={"DISK": str(tmp_path / "disk.img")}
    )

    def psql(command: str) -> str:
        words = f'psql -At -c "{command}"'
        machine.wait_until_succeeds(f"su postgres -c '{words[:4]} -c \"SELECT 1\"'", seconds=200)
        return machine.succeed(f"su postgres -c '{words}'")

    try:
        print(psql("SHOW lc_collate"), psql("SHOW server_encoding"))
    finally:
        print(machine.execute("cat /var/log/postgresql/*")[1])
        print(machine.execute("ps; ls -l /var/log/postgresql /var/lib/postgresql /etc/postgresql")[1])
    assert psql("SHOW server_encoding") == "UTF8\n"
    psql("CREATE TABLE fruit AS SELECT 'fig' AS name")
    machine.succeed("sv restart postgresql")
    assert psql("SELECT name FROM fruit") == "fig\n"
    machine.reboot()
    assert psql("SELECT name FROM fruit") == "fig\n"
