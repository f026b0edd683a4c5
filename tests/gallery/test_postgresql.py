"""A database server with Debian's PostgreSQL."""

from pathlib import Path

from notos.vm import Machine
from notos.vm.plugin import MachineFactory


def psql(machine: Machine, commands: str) -> str:
    """Return the rows that the server answers to `postgres`, once it accepts connections."""
    machine.wait_until_succeeds("pg_isready", seconds=60)
    done = machine.run("cd /; exec su postgres -c 'psql -At -v ON_ERROR_STOP=1'", input=commands.encode())
    assert done.status == 0, done.err
    return done.out.decode().strip()


def test_data_survives(machine_factory: MachineFactory, tmp_path: Path) -> None:
    """The first boot makes the cluster. Its data survives a restart of the service and of the machine."""
    machine = machine_factory(
        "examples/machines/postgresql.yaml", environment={"DISK": str(tmp_path / "disk.img")}
    )
    locale = "SELECT datcollate FROM pg_database WHERE datname = 'postgres'; SHOW server_encoding;"
    assert psql(machine, locale) == "C.UTF-8\nUTF8"
    table = "CREATE TABLE fruit AS SELECT * FROM (VALUES ('fig'), ('öl')) AS t (name);"
    assert psql(machine, table) == "SELECT 2"
    machine.succeed("echo work_mem=7MB >>/etc/postgresql/17/main/postgresql.conf; sv restart postgresql")
    kept = "SELECT name FROM fruit ORDER BY name; SHOW work_mem;"
    assert psql(machine, kept) == "fig\nöl\n7MB"
    machine.reboot()
    assert psql(machine, kept) == "fig\nöl\n7MB"
    assert "ended with status" not in machine.succeed("cat /var/log/postgresql/current")
