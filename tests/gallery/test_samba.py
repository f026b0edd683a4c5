"""A file server with Samba: a share for guests, in which alice writes. The client is a second machine."""

from pathlib import Path

from notos.vm import Machine
from tests.gallery.machines import Gallery

CLIENT = "name: samba-client\nsystem: {packages: [smbclient]}\n"


def test_a_share(gallery: Gallery, tmp_path: Path) -> None:
    machine = gallery("samba")
    (tmp_path / "client.yaml").write_text(CLIENT)
    client = gallery.at(tmp_path / "client.yaml")
    words = f"--port {machine.wait_for_port(445, seconds=60)} //10.0.2.2/public"
    guest = f"cd /tmp && smbclient --no-pass {words}"
    # smbd starts the programs that list shares at the first request, which takes seconds under emulation.
    client.wait_until_succeeds(f"{guest} -c 'get hello.txt'", seconds=90)
    assert client.succeed("cat /tmp/hello.txt") == "hello from samba\n"
    gallery.works(machine)
    assert "NT_STATUS_ACCESS_DENIED" in client.fail(f"{guest} -c 'put hello.txt guest.txt'")

    alice = f"cd /tmp && smbclient --user alice%example {words}"
    client.succeed(f"{alice} -c 'put hello.txt of-alice.txt'")
    assert machine.succeed("stat -c '%U %s' /srv/public/of-alice.txt") == "alice 17\n"
    assert "NT_STATUS_LOGON_FAILURE" in client.fail(f"{alice.replace('%example', '%wrong')} -c ls")
    # Samba converts names from and to CP850, which is a module of iconv.
    assert "CP850" not in logged(machine)


def logged(machine: Machine) -> str:
    """Return the log of the service and of Samba itself."""
    return machine.succeed("cat /var/log/smbd/current /var/log/samba/log.* 2>/dev/null || :")
