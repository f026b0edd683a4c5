"""A file server with Samba: a share for guests, in which alice writes."""

from notos.vm.machine import Machine
from notos.vm.plugin import MachineFactory


def server(machine_factory: MachineFactory) -> Machine:
    machine = machine_factory("examples/machines/samba.yaml", scope="module")
    # smbd starts the programs that list shares at the first request, which takes seconds under emulation.
    machine.wait_until_succeeds("smbclient --no-pass --list 127.0.0.1 2>/dev/null | grep public", seconds=90)
    return machine


def test_a_share(machine_factory: MachineFactory) -> None:
    machine = server(machine_factory)
    guest = "cd /tmp && smbclient --no-pass //127.0.0.1/public"
    machine.succeed(f"{guest} -c 'get hello.txt'")
    assert machine.succeed("cat /tmp/hello.txt") == "hello from samba\n"
    assert "NT_STATUS_ACCESS_DENIED" in machine.fail(f"{guest} -c 'put hello.txt guest.txt'")

    alice = "cd /tmp && smbclient --user alice%example //127.0.0.1/public"
    machine.succeed(f"{alice} -c 'put hello.txt of-alice.txt'")
    assert machine.succeed("stat -c '%U %s' /srv/public/of-alice.txt") == "alice 17\n"
    assert "NT_STATUS_LOGON_FAILURE" in machine.fail(f"{alice.replace('%example', '%wrong')} -c ls")


def test_the_character_set_of_dos(machine_factory: MachineFactory) -> None:
    """Samba converts names from and to CP850, which is a module of iconv."""
    machine = server(machine_factory)
    listed = machine.run("smbclient --no-pass --list 127.0.0.1")
    assert "CP850" not in listed.err + machine.succeed("cat /var/log/smbd/current")
