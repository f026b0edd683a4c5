"""A database server: its data is on the disk, and a timer writes backups that can be restored."""

from pathlib import Path

from notos.vm import Machine
from tests.gallery.machines import Gallery, set_clock

BACKUP = "/var/lib/postgresql/backup.sql"


def psql(machine: Machine, commands: str) -> str:
    """Return the rows that the server answers to `postgres`, once it accepts connections."""
    machine.wait_until_succeeds("pg_isready", seconds=60)
    done = machine.run("cd /; exec su postgres -c 'psql -At -v ON_ERROR_STOP=1'", input=commands.encode())
    assert done.status == 0, done.err
    return done.out.decode().strip()


def test_data_survives_and_a_backup_restores_it(gallery: Gallery, tmp_path: Path) -> None:
    machine = gallery("postgresql", environment={"DISK": str(tmp_path / "disk.img")})
    locale = "SELECT datcollate FROM pg_database WHERE datname = 'postgres'; SHOW server_encoding;"
    assert psql(machine, locale) == "C.UTF-8\nUTF8"
    gallery.works(machine)
    table = "CREATE TABLE fruit AS SELECT * FROM (VALUES ('fig'), ('öl')) AS t (name);"
    assert psql(machine, table) == "SELECT 2"
    machine.succeed("echo work_mem=7MB >>/etc/postgresql/17/main/postgresql.conf; sv restart postgresql")
    kept = "SELECT name FROM fruit ORDER BY name; SHOW work_mem;"
    assert psql(machine, kept) == "fig\nöl\n7MB"
    machine.reboot()
    assert psql(machine, kept) == "fig\nöl\n7MB"
    set_clock(machine, "02:59:55")
    machine.wait_until_succeeds(
        f"grep -q '^-- PostgreSQL database cluster dump complete' {BACKUP}", seconds=60
    )
    assert machine.succeed(f"stat -c %U {BACKUP}") == "postgres\n"
    psql(machine, "DROP TABLE fruit;")
    machine.succeed(f"su postgres -c 'psql -q -f {BACKUP}'")
    assert psql(machine, "SELECT name FROM fruit ORDER BY name;") == "fig\nöl"
