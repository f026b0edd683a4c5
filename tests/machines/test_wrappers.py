"""Programs with other rights than the user's, in a machine: sudo, su, ping, mount, crontab and others."""

import pytest

from notos.vm import Machine
from notos.vm.plugin import MachineFactory

# openssl passwd -6 -salt abcdefgh secret
HASH = "$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG."
CONFIG = {
    "name": "wrappers",
    "system": {
        "packages": [
            *("util-linux", "mount", "passwd", "iputils-ping", "uidmap", "fuse3", "cron", "libcap2-bin"),
        ]
    },
    "users": {"alice": {"sudo": True}, "bob": {"password_hash": HASH}},
    "services": {"cron": {"run": "exec cron -f"}, "shown": {"run": "echo $PATH >/run/shown; exec sleep 1d"}},
    "etc": {
        "subuid": {"text": "alice:100000:65536\n"},
        "subgid": {"text": "alice:100000:65536\n"},
        "fstab": {"text": "tmpfs /mnt tmpfs user,noauto 0 0\n"},
        "cron.d/shown": {"text": "* * * * * alice sudo -n id -u >/tmp/by-cron\n"},
    },
}


@pytest.fixture(scope="module")
def vm(machine_factory: MachineFactory) -> Machine:
    machine = machine_factory(CONFIG, scope="module")
    machine.wait_for_unit("shown")
    return machine


def alice(vm: Machine, command: str) -> str:
    """Run a command as alice, as a service would; return its output."""
    return vm.succeed(
        f"chpst -u alice:alice:sudo env HOME=/home/alice USER=alice sh -c '{command}' 2>&1"
    ).strip()


def test_of_sudo(vm: Machine) -> None:
    assert alice(vm, "sudo -n id -u") == "0"
    assert alice(vm, 'sudo -n sh -c "command -v ping"') in ("/run/wrappers/bin/ping", "/usr/bin/ping")


def test_of_su(vm: Machine) -> None:
    assert alice(vm, 'echo secret | su bob -c "id -un"').endswith("bob")


def test_of_ping(vm: Machine) -> None:
    assert "1 received" in alice(vm, "ping -c 1 127.0.0.1")


def test_of_newuidmap(vm: Machine) -> None:
    script = (
        "unshare -U sleep 60 & pid=$!; sleep 1; "
        "newuidmap $pid 0 100000 1000 && newgidmap $pid 0 100000 1000; "
        "cat /proc/$pid/uid_map /proc/$pid/gid_map; kill $pid"
    )
    assert alice(vm, script).split() == ["0", "100000", "1000"] * 2


def test_of_mount(vm: Machine) -> None:
    alice(vm, "mount /mnt && umount /mnt")


def test_of_passwd(vm: Machine) -> None:
    vm.succeed("chpst -u bob sh -c 'printf \"secret\\nOther-3cret\\nOther-3cret\\n\" | passwd' 2>&1")
    assert alice(vm, 'echo Other-3cret | su bob -c "id -un"').endswith("bob")


def test_of_crontab(vm: Machine) -> None:
    alice(vm, 'echo "0 0 * * * true" | crontab - && crontab -l | grep -q true')
    assert vm.succeed("stat -c '%U %G %a' /var/spool/cron/crontabs/alice").split() == [
        "alice",
        "crontab",
        "600",
    ]


def test_of_fuse(vm: Machine) -> None:
    assert vm.succeed("stat -Lc %a /usr/bin/fusermount3").strip() == "4755"


def test_in_services_cron_and_ssh_commands(vm: Machine) -> None:
    assert vm.succeed("cat /run/shown").startswith("/run/wrappers/bin:")
    assert vm.succeed("echo $LANG").strip() == "C.UTF-8"
    vm.wait_until_succeeds("grep -qx 0 /tmp/by-cron", seconds=130)
