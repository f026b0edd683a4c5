"""A database server with Debian's PostgreSQL."""

from pathlib import Path

from notos.vm import Machine
from notos.vm.plugin import MachineFactory


def psql(machine: Machine, command: str) -> str:
    """Return the rows that the server answers to `postgres`, once it accepts connections."""
    machine.wait_until_succeeds("pg_isready", seconds=60)
    return machine.succeed(f"su postgres -c 'psql -At -c \"{command}\"'").strip()


def test_data_survives(machine_factory: MachineFactory, tmp_path: Path) -> None:
    """The first boot makes the cluster. Its data survives a restart of the service and of the machine."""
    machine = machine_factory(
        "examples/machines/postgresql.yaml", environment={"DISK": str(tmp_path / "disk.img")}
    )
    assert psql(machine, "SHOW lc_collate; SHOW server_encoding") == "C.UTF-8\nUTF8"
    psql(machine, "CREATE TABLE fruit AS SELECT name FROM (VALUES ($$fig$$), ($$öl$$)) AS t (name)")
    machine.succeed("echo work_mem=7MB >/etc/postgresql/17/main/conf.d/own.conf; sv restart postgresql")
    assert psql(machine, "SELECT name FROM fruit ORDER BY name; SHOW work_mem") == "fig\nöl\n7MB"
    machine.reboot()
    assert psql(machine, "SELECT name FROM fruit ORDER BY name; SHOW work_mem") == "fig\nöl\n7MB"
    assert "ended with status" not in machine.succeed("cat /var/log/postgresql/current")
