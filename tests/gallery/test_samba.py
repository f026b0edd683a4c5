"""A file server with Samba: a share for guests, in which alice writes."""

from notos.vm.plugin import MachineFactory


def test_a_share(machine_factory: MachineFactory) -> None:
    machine = machine_factory("examples/machines/samba.yaml")
    machine.wait_for_open_port(445)
    shares = machine.run("smbclient --no-pass --list 127.0.0.1")
    assert shares.status == 0 and "public" in shares.out.decode()
    guest = "cd /tmp && smbclient --no-pass //127.0.0.1/public"
    machine.succeed(f"{guest} -c 'get hello.txt'")
    assert machine.succeed("cat /tmp/hello.txt") == "hello from samba\n"
    assert "NT_STATUS_ACCESS_DENIED" in machine.fail(f"{guest} -c 'put hello.txt guest.txt'")

    alice = "cd /tmp && smbclient --user alice%example //127.0.0.1/public"
    machine.succeed(f"{alice} -c 'put hello.txt of-alice.txt'")
    assert machine.succeed("stat -c '%U %s' /srv/public/of-alice.txt") == "alice 17\n"
    assert "NT_STATUS_LOGON_FAILURE" in machine.fail(f"{alice.replace('%example', '%wrong')} -c ls")
    # Samba converts names from DOS' character set, CP850, which is a module of iconv.
    log = machine.succeed("cat /var/log/smbd/current")
    assert "CP850" not in log + shares.err
