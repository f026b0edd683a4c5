"""Instance data: two machines of one image, each with its own name, addresses, keys and secrets."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from notos.vm import Machine
from notos.vm.plugin import MachineFactory
from tests.conftest import Project, Tool

CONFIG = """
name: SERVER
ssh: {server: SERVER}
network: {eth0: dhcp, eth1: {address: 10.9.0.9/24}}
hosts: {web2: 10.9.0.2}
users: {alice: {}, app: {system: true}}
DISK
vm: {networks: {eth1: instances}}
"""
SECRETS = ("s3cret-of-root", "s3cret-of-app", "s3cret-of-systemd")


@pytest.fixture(scope="module", params=["openssh", "dropbear"])
def image(request: pytest.FixtureRequest, built: Project) -> Project:
    disk = "disk: 1G" if request.param == "dropbear" else ""
    return built.build(request.param, CONFIG.replace("SERVER", request.param).replace("DISK", disk))


@pytest.fixture(scope="module")
def key(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "alice"
    subprocess.run([*tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def log_in(machine: Machine, tool: Tool, user: str, key: Path) -> str:
    """Return the output of `id -un`, empty if the login is refused."""
    options = [
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        "BatchMode=yes",
        "IdentitiesOnly=yes",
    ]
    words = [each for option in options for each in ("-o", option)]
    port = str(machine.forward(22))
    command = [*tool("ssh"), "-F", "none", *words, "-p", port, "-i", str(key), f"{user}@127.0.0.1"]
    done = subprocess.run([*command, "id -un"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def open_files(pid: int) -> Iterator[bytes]:
    """Yield all that other processes can see of a process: its words and environment."""
    for name in ("cmdline", "environ"):
        yield Path(f"/proc/{pid}/{name}").read_bytes()


def test_two_machines_of_one_image(
    image: Project, machine_factory: MachineFactory, tool: Tool, key: Path, tmp_path: Path
) -> None:
    public = key.with_suffix(".pub").read_text()
    systemd = tmp_path / "systemd"
    systemd.write_text(SECRETS[2])
    disks = [{"DISK": str(tmp_path / f"{number}.img")} for number in (1, 2)]
    one = machine_factory.at(
        image.script,
        name="one",
        environment=disks[0],
        words=["-fw_cfg", f"name=opt/io.systemd.credentials/token,file={systemd}"],
        instance={
            "hostname": "web1",
            "network": "eth0 address 10.0.2.21/24 gateway 10.0.2.2\n"
            "eth1 address 10.9.0.1/24 address fd09::1/64\ndns 10.0.2.3\nsearch example.org\n",
            "authorized_keys.d/alice": public,
            "credentials/key": SECRETS[0] + "\n",
            "credentials/app/key": SECRETS[1].encode(),
        },
    )
    two = machine_factory.at(
        image.script,
        name="two",
        environment=disks[1],
        instance={
            "hostname": "web2",
            "network": "eth1 address 10.9.0.2/24 address fd09::2/64\n"
            "52:54:00:12:34:56 address 10.0.2.22/24 gateway 10.0.2.2\n",
            "authorized_keys": public,
        },
    )
    shown = b"".join(open_files(one.pid))
    assert one.succeed("hostname; cat /etc/hostname").split() == ["web1", "web1"]
    assert one.succeed("grep -c 127.0.1.1.web1 /etc/hosts") == "1\n"
    addresses = one.succeed("busybox ip -o address")
    assert "10.0.2.21/24" in addresses
    assert "10.9.0.1/24" in addresses
    assert "10.9.0.9" not in addresses
    assert one.succeed("busybox ip route | grep default") == "default via 10.0.2.2 dev eth0 \n"
    assert one.succeed("cat /etc/resolv.conf") == "search example.org\nnameserver 10.0.2.3\n"
    # The name is in the config's hosts, so it keeps that address.
    assert two.succeed("hostname; grep web2 /etc/hosts") == "web2\n10.9.0.2 web2\n"
    assert "10.0.2.22/24" in two.succeed("busybox ip -o address show eth0")
    one.succeed("ping -c 1 -w 9 web2; busybox ping6 -c 1 -w 9 fd09::2")

    assert log_in(one, tool, "alice", key) == "alice"
    assert log_in(one, tool, "root", key) == ""
    assert log_in(two, tool, "alice", key) == ""
    assert log_in(two, tool, "root", key) == "root"

    assert (
        one.succeed("cd /run/credentials; cat key app/key token") == f"{SECRETS[0]}\n{SECRETS[1]}{SECRETS[2]}"
    )
    assert one.succeed("cd /run/credentials; stat -c '%a %U %n' * app/key").splitlines() == [
        *("500 app app", "400 root key", "400 root token", "400 app app/key"),
    ]
    assert "ramfs /run/credentials ramfs rw,nosuid,nodev,noexec" in one.succeed(
        "grep credentials /proc/mounts"
    )
    one.succeed("chpst -u app cat /run/credentials/app/key")
    one.fail("chpst -u app cat /run/credentials/key")
    assert two.succeed("ls -A /run/credentials") == ""

    # The secrets are nowhere else: neither in a log or the store, nor on this host.
    for secret in SECRETS[:2]:
        one.fail(f"dmesg | grep {secret}")
        one.fail(f"cat /proc/cmdline /proc/mounts /var/log/*/* /etc/* 2>/dev/null | grep {secret}")
        one.fail(
            "find /run /var /etc/ /root /home /nix/.rw-store -path /run/credentials -prune"
            f" -o -type f -exec grep -ls {secret} {{}} + | grep ."
        )
        assert not any(secret in line.text for line in one.console.lines)
        assert secret.encode() not in shown
        for path in image.script.parent.iterdir():
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    pipes = [part for part in shown.split(b"\0") if b"opt/notos/instance" in part]
    assert len(pipes) == 1
    pipe = Path(os.fsdecode(pipes[0].partition(b"file=")[2]))
    assert not pipe.parent.exists()

    one.reboot()
    assert one.succeed("hostname; cat /run/credentials/key") == f"web1\n{SECRETS[0]}\n"
    assert one.shutdown() == 0
    assert two.shutdown() == 0


SEALED = """
name: sealed
ssh: {server: none}
instance: true
imports: [notos/vm/instrumented/config.yaml]
network: {address: 10.0.2.20/24}
"""


@pytest.fixture(scope="module")
def sealed(built: Project) -> Project:
    return built.build("sealed", SEALED)


def test_a_machine_without_ssh(sealed: Project, machine_factory: MachineFactory) -> None:
    machine = machine_factory.at(sealed.script, instance={"hostname": "m1", "credentials/k": SECRETS[0]})
    assert machine.succeed("hostname; cat /run/credentials/k") == f"m1\n{SECRETS[0]}"
    assert machine.shutdown() == 0


def test_a_drive(sealed: Project, machine_factory: MachineFactory, tmp_path: Path) -> None:
    """tar makes it from a folder named notos-instance. What is wrong in it is one line each."""
    folder = tmp_path / "notos-instance"
    (folder / "credentials/nobody-here").mkdir(parents=True)
    (folder / "hostname").write_text("by-drive\n")
    (folder / "hostnam").write_text("x\n")
    (folder / "network").write_text("eth7 address 10.1.1.1/24\neth0 address 10.0.2.15/24\n")
    (folder / "credentials/k").write_text(SECRETS[0])
    (folder / "credentials/nobody-here/k").write_text(SECRETS[1])
    image = tmp_path / "drive.img"
    subprocess.run(["tar", "-C", tmp_path, "-cf", image, "notos-instance"], check=True)
    other = tmp_path / "other.img"
    other.write_bytes(bytes(1 << 20))
    drives = [
        word
        for number, path in enumerate((other, image))
        for word in ("-drive", f"file={path},if=virtio,index={number + 5},format=raw,readonly=on")
    ]
    machine = machine_factory.at(sealed.script, words=drives)
    assert machine.succeed("hostname; cat /run/credentials/k") == f"by-drive\n{SECRETS[0]}"
    assert machine.succeed("stat -c %U:%a /run/credentials/nobody-here/k") == "root:400\n"
    said = [line.text for line in machine.console.lines if "instance" in line.text or "network:" in line.text]
    assert [each for each in said if "Loading" not in each] == [
        "instance: unknown file: notos-instance/hostnam",
        "instance: there is no account nobody-here; "
        "the files in /run/credentials/nobody-here are for root only",
        "network: there is no interface eth7",
    ]
    assert machine.shutdown() == 0


def test_a_free_port_leads_to_another_subnet(image: Project, machine_factory: MachineFactory) -> None:
    """QEMU's network is the one of the instance data."""
    machine = machine_factory.at(
        image.script, name="far", instance={"network": "eth0 address 192.168.7.9/29 gateway 192.168.7.14\n"}
    )
    assert "192.168.7.9/29" in machine.succeed("busybox ip -o address show eth0")
    with socket.create_connection(("127.0.0.1", machine.forward(22)), 60) as connection:
        assert connection.recv(4) == b"SSH-"
    assert machine.shutdown() == 0
