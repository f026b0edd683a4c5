"""Apache with PHP and MariaDB, enabled by what the packages' maintainer scripts do."""

from pathlib import Path

from notos.vm.plugin import MachineFactory


def test_php_runs_in_apache_and_reaches_the_database(machine_factory: MachineFactory, tmp_path: Path) -> None:
    machine = machine_factory("examples/machines/lamp.yaml", environment={"DISK": str(tmp_path / "disk.img")})
    machine.wait_for_open_port(80)
    enabled = machine.succeed("ls /etc/apache2/mods-enabled").split()
    assert {"php8.4.load", "php8.4.conf", "mpm_prefork.load"} <= set(enabled)
    assert "mpm_event.load" not in enabled
    page = machine.succeed("wget -q -O - http://127.0.0.1/info.php")
    assert "<?php" not in page
    assert "Server API" in page
    for module in ("apache2handler", "mysqli", "pdo_mysql"):
        assert f'name="module_{module}"' in page
    machine.wait_until_succeeds("mariadb-admin ping", seconds=120)
    machine.succeed("mariadb -e \"CREATE USER www@localhost IDENTIFIED BY 'x'\"")
    query = "<?php echo (new mysqli('localhost', 'www', 'x'))->query('SELECT 6 * 7')->fetch_row()[0];"
    machine.run("cat >/var/www/html/query.php", input=query.encode())
    assert machine.succeed("wget -q -O - http://127.0.0.1/query.php") == "42"
