"""Apache with PHP and MariaDB, enabled by what the packages' maintainer scripts do."""

from pathlib import Path

from tests.gallery.machines import Gallery
from tests.gallery.outside import page


def test_php_runs_in_apache_and_reaches_the_database(gallery: Gallery, tmp_path: Path) -> None:
    machine = gallery("lamp", environment={"DISK": str(tmp_path / "disk.img")})
    shown = page(machine, 80, "/info.php")
    assert "<?php" not in shown
    assert "Server API" in shown
    for module in ("apache2handler", "mysqli", "pdo_mysql"):
        assert f'name="module_{module}"' in shown
    enabled = machine.succeed("ls /etc/apache2/mods-enabled").split()
    assert {"php8.4.load", "php8.4.conf", "mpm_prefork.load"} <= set(enabled)
    assert "mpm_event.load" not in enabled
    machine.wait_until_succeeds("mariadb-admin ping", seconds=120)
    machine.succeed("mariadb -e \"CREATE USER www@localhost IDENTIFIED BY 'x'\"")
    machine.succeed('mariadb -e "CREATE DATABASE shop; GRANT ALL ON shop.* TO www@localhost"')
    query = """<?php
$database = new mysqli('localhost', 'www', 'x', 'shop');
$database->query('CREATE TABLE IF NOT EXISTS visits (at INT)');
$database->query('INSERT INTO visits VALUES (1)');
echo $database->query('SELECT COUNT(*) FROM visits')->fetch_row()[0];
"""
    machine.run("cat >/var/www/html/visits.php", input=query.encode())
    assert page(machine, 80, "/visits.php") == "1"
    gallery.works(machine)
    machine.reboot()
    machine.wait_until_succeeds("mariadb-admin ping", seconds=120)
    assert page(machine, 80, "/visits.php") == "2"
