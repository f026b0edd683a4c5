"""A log server: messages of other hosts, one file for each."""

import socket
from pathlib import Path

from tests.gallery.machines import Gallery, set_clock


def test_messages_of_two_hosts(gallery: Gallery, tmp_path: Path) -> None:
    machine = gallery("logs", environment={"DISK": str(tmp_path / "disk.img")})
    port = machine.wait_for_port(514, seconds=60)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        for host in ("alpha", "beta"):
            connection.sendall(f"<13>Feb  5 17:32:18 {host} app: hello of {host}\n".encode())
    machine.wait_until_succeeds("grep 'app: hello of beta' /var/log/hosts/beta.log")
    assert "hello of alpha" in machine.succeed("cat /var/log/hosts/alpha.log")
    gallery.works(machine)
    assert machine.succeed("ls /var/log/hosts").split() == ["alpha.log", "beta.log"]
    # The machine's own messages are in rsyslog's usual files.
    machine.succeed("logger -t own hello")
    machine.wait_until_succeeds("grep 'own: hello' /var/log/syslog")
    # Files of hosts that have been silent for a month are removed at night.
    machine.succeed("touch -d '2020-01-01' /var/log/hosts/alpha.log")
    set_clock(machine, "23:59:55")
    machine.wait_until_fails("test -e /var/log/hosts/alpha.log", seconds=60)
    machine.succeed("test -e /var/log/hosts/beta.log")
