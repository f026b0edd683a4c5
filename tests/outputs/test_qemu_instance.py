"""Instance data on this host: the archive, every mistake as one line, and the way to QEMU."""

import io
import os
import re
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from notos.outputs.qemu import instance
from tests.conftest import ROOT
from tests.this_host import wait_until

PROGRAM = ROOT / "notos/outputs/qemu/instance.py"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEbdNV5Ga9YK6EdBuiG0Zk60TOLYzPkvCyQs1bHYO6Qj me"
SECRET = b"s3cret\0\xff"


def folder(root: Path, **files: str | bytes) -> Path:
    """Write files; two underscores in a name stand for a slash."""
    made = root / "web1"
    made.mkdir()
    for name, content in files.items():
        path = made / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return made


def run(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-I", "-S", PROGRAM, *words], capture_output=True, check=False)


def test_the_archive(tmp_path: Path) -> None:
    made = folder(
        tmp_path,
        hostname="web1\n\n",
        network="# mine\n52:54:00:AA:00:01 address 10.9.0.1/24 # lan\ndns 9.9.9.9 fd00::1\nsearch a.b c\n",
        authorized_keys=f'# c\ncommand="a b",no-pty {KEY}\n',
        credentials__key=SECRET,
        credentials__app__key=SECRET,
    )
    done = run(made)
    assert done.stderr == b""
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        members = {each.name: each for each in tar.getmembers()}
        assert next(iter(members)) == instance.LABEL
        texts = {name: tar.extractfile(each).read() for name, each in members.items() if each.isfile()}  # type: ignore[union-attr]
    assert texts["notos-instance/hostname"] == b"web1\n"
    assert texts["notos-instance/network"] == (
        b"52:54:00:aa:00:01 address 10.9.0.1/24\ndns 9.9.9.9 fd00::1\nsearch a.b c\n"
    )
    assert texts["notos-instance/credentials/app/key"] == texts["notos-instance/credentials/key"] == SECRET
    assert {(each.uid, each.mtime, each.mode) for each in members.values()} == {(0, 0, 0o600), (0, 0, 0o700)}
    assert run(made).stdout == done.stdout


NETWORK = [
    ("eth0 adress 10.0.0.1/24", ":1: a line is NAME address ADDRESS/LENGTH"),
    ("eth0", ":1: a line is NAME address ADDRESS/LENGTH"),
    ("eth0 address", ":1: a line is NAME address ADDRESS/LENGTH"),
    ("\neth0 address 10.0.0.1", ":2: 10.0.0.1 lacks the length of its subnet; write 10.0.0.1/24"),
    ("eth0 address 10.0.0.1/255.255.255.0", "lacks the length of its subnet"),
    ("eth0 address 10.0.0.300/24", "10.0.0.300/24 is not an address"),
    ("eth0 address 10.0.0.0/24", "is the subnet's own address"),
    ("eth0 address 10.0.0.255/24", "is the subnet's broadcast address"),
    ("eth0 address 10.0.0.1/24\neth1 address 10.0.0.1/24", ":2: 10.0.0.1/24 is an address of eth0 already"),
    ("eth0 gateway 10.0.0.1", "eth0 has a gateway and no address"),
    ("eth0 address 10.0.0.1/24 gateway 10.0.0.1", "is the machine's own address"),
    ("eth0 address 10.0.0.1/24 gateway 10.0.1.1", "10.0.1.1 is not in the subnet of an address of eth0"),
    ("eth0 address 10.0.0.1/24 gateway fd00::1", "fd00::1 is not in the subnet"),
    ("eth0 address 10.0.0.1/24 gateway 10.0.0.2 gateway 10.0.0.3", "second default gateway for IPv4"),
    ("eth0 gateway 10.0.0.1 address 10.0.0.1/24", "the gateway 10.0.0.1 is the machine's own address"),
    (
        "eth0 address 10.0.0.2/24 gateway 10.0.0.1\neth1 address 10.0.0.1/24",
        "the gateway 10.0.0.1 is the machine's own address",
    ),
    (
        "eth0 address fe80::1%eth0/64",
        ":1: fe80::1%eth0/64: leave out the scope after %; the interface is eth0",
    ),
    ("eth0 address fd00::1/64 gateway fe80::1%eth0", ":1: fe80::1%eth0: leave out the scope after %"),
    ("a/b address 10.0.0.1/24", "a/b is not the name of an interface"),
    ("$(id) address 10.0.0.1/24", "is not the name of an interface"),
    ("dns", "dns takes one to 3 addresses"),
    ("dns 1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4", "dns takes one to 3 addresses"),
    ("dns ns.example", "ns.example is not an IP address"),
    ("search", "search takes domains"),
    ("search a;b", "search takes domains"),
]


@pytest.mark.parametrize(("text", "message"), NETWORK)
def test_mistakes_in_the_network(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(instance.InstanceError) as caught:
        instance.read(folder(tmp_path, network=text))
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{tmp_path}/web1/network")
    assert message in line


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("eth0 address 10.0.0.1/32 gateway 172.16.0.1", "eth0 address 10.0.0.1/32 gateway 172.16.0.1\n"),
        ("eth0 address fd00::0001/64 gateway fe80::1", "eth0 address fd00::1/64 gateway fe80::1\n"),
        (
            "eth0 address 10.0.0.1/31\neth0 gateway 10.0.0.0 address fd00::1/64",
            "eth0 address 10.0.0.1/31 address fd00::1/64 gateway 10.0.0.0\n",
        ),
    ],
)
def test_what_is_right(tmp_path: Path, text: str, read: str) -> None:
    assert instance.read(folder(tmp_path, network=text)).network.text() == read


@pytest.mark.parametrize(
    "options",
    [
        "",
        'command="echo #1" ',
        'command="a \\"b\\" # c",no-pty\t',
        'environment="A=b c",from="10.0.0.0/8,!10.0.0.1",restrict  ',
    ],
)
def test_public_keys(tmp_path: Path, options: str) -> None:
    instance.read(folder(tmp_path, authorized_keys=f"{options}{KEY}\n"))


@pytest.mark.parametrize(
    "line", [f"# {KEY}", f"no#pty {KEY}", f'command="a {KEY}', f"a b {KEY}", KEY[:12], "ssh-rsa B"]
)
def test_lines_that_are_no_public_keys(tmp_path: Path, line: str) -> None:
    with pytest.raises(instance.InstanceError, match="public key"):
        instance.read(folder(tmp_path, authorized_keys=f"{line}\n"))


def test_all_mistakes_in_a_file(tmp_path: Path) -> None:
    made = folder(
        tmp_path,
        authorized_keys=f"s3cret\n{KEY}\n# c\nssh-rsa\n",
        network="eth0 address 10.0.0.1 gateway 10.0.0.300\ndns a b\neth1 gateway fd00::1 address fd00::1/8\n",
    )
    with pytest.raises(instance.InstanceError) as caught:
        instance.read(made)
    key = "this is not a public key; copy the line of ~/.ssh/id_ed25519.pub"
    assert str(caught.value).replace(f"{made}/", "").splitlines() == [
        f"authorized_keys:1: {key}",
        f"authorized_keys:4: {key}",
        "network:1: 10.0.0.1 lacks the length of its subnet; write 10.0.0.1/24",
        "network:1: 10.0.0.300 is not an IP address",
        "network:2: a is not an IP address",
        "network:2: b is not an IP address",
        "network:3: the gateway fd00::1 is the machine's own address",
    ]


def test_the_example_of_the_docs(tmp_path: Path) -> None:
    text = (ROOT / "docs/howto/instances.md").read_text().split("```")[1]
    assert instance.read(folder(tmp_path, network=text)).network.dns == ["192.168.1.1"]


def test_all_mistakes_in_one_run(tmp_path: Path) -> None:
    made = folder(
        tmp_path,
        hostname="a b",
        hostnam="x",
        network="eth0 address 1\n",
        authorized_keys="-----BEGIN OPENSSH PRIVATE KEY-----\ns3cret\n",
        credentials__big=bytes(instance.LARGEST + 1),
        **{"credentials__.hidden": "x", "credentials__a__b__c": "x", "authorized_keys.d__bob": "\n"},
    )
    os.mkfifo(made / "credentials/pipe")
    done = run(made)
    assert (done.returncode, done.stdout) == (1, b"")
    said = done.stderr.decode().replace(f"{made}/", "").splitlines()
    assert [each.removeprefix("instance data: ") for each in said] == [
        "credentials/.hidden: the name of a credential has letters, digits and _@.+-, at most 100, "
        "and no dot or hyphen first",
        "credentials/a/b is not a file",
        "credentials/big is too large: 1048577 bytes, and the maximum is 1048576",
        "credentials/pipe is not a file",
        'hostnam: unknown file; did you mean "hostname"?; the files are hostname, network, authorized_keys, '
        "authorized_keys.d, credentials",
        "authorized_keys:1: this is not a public key; copy the line of ~/.ssh/id_ed25519.pub",
        "authorized_keys.d/bob has no public key",
        "hostname must have one name: letters, digits and inner hyphens, at most 63",
        "network:1: 1 is not an address with a length, as 192.168.1.10/24",
    ]


def test_no_folder_and_no_data(tmp_path: Path) -> None:
    assert b"/none is not a folder" in run(tmp_path / "none").stderr
    assert b"has no instance data; the files are hostname, " in run(tmp_path).stderr


def test_fw_cfg_has_a_maximum_and_a_drive_has_not(tmp_path: Path) -> None:
    made = folder(tmp_path, credentials__k=bytes(instance.MOST))
    done = run("--pipe", str(os.getpid()), "eth0", made)
    assert done.returncode == 1
    assert b"and the maximum is 131072" in done.stderr
    assert run(made).returncode == 0


def test_a_pipe_has_the_archive_once(tmp_path: Path) -> None:
    made = folder(tmp_path, network="eth1 address 10.1.0.5/24\n", credentials__k=SECRET)
    done = run("--pipe", str(os.getpid()), "eth0,eth1", made)
    network, vendor, path = done.stdout.decode().strip().split(" ", 2)
    assert (network, vendor) == ("net=10.1.0.0/24,host=10.1.0.2,dns=10.1.0.3,dhcpstart=10.1.0.5", "-")
    assert Path(path).parent.stat().st_mode & 0o777 == 0o700
    assert Path(path).read_bytes() == run(made).stdout
    wait_until(lambda: not Path(path).parent.exists(), "the pipe still exists")


def test_a_drive_disappears_when_it_is_open(tmp_path: Path) -> None:
    made = folder(tmp_path, credentials__k=SECRET, hostname="web1\n")
    done = run("--drive", str(os.getpid()), "eth0", made)
    network, vendor, path = done.stdout.decode().strip().split(" ", 2)
    assert network == "-"
    assert re.fullmatch("56:[0-9a-f]{2}:[0-9a-f]{2}", vendor)
    time.sleep(0.1)
    assert Path(path).stat().st_mode & 0o777 == 0o600
    with Path(path).open("rb") as stream:
        wait_until(lambda: not Path(path).parent.exists(), "the file still exists")
        assert stream.read() == run(made).stdout


@pytest.mark.parametrize("way", ["--pipe", "--drive"])
def test_nothing_stays_if_qemu_does_not_start(tmp_path: Path, way: str) -> None:
    made = folder(tmp_path, credentials__k=SECRET)
    with subprocess.Popen(["sleep", "100"]) as process:
        path = Path(run(way, str(process.pid), "eth0", made).stdout.decode().strip().split(" ", 2)[2])
        assert path.exists()
        process.kill()
    wait_until(lambda: not path.parent.exists(), "it still exists")
