"""Instance data in the machine: boot fragments in busybox's shell, with a folder in place of the root."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from notos import loader
from notos.features import registry
from notos.outputs.qemu import instance as host
from notos.system import template
from tests.conftest import ROOT, Tool
from tests.namespace import Namespace, namespace

PLACES = re.compile(r"(?<!\w)(?<!root=)(?=/(?:run|etc|sys|dev(?!/null)|proc/cmdline|proc/sys/kernel)\b)")
FUNCTIONS = """
step() { echo "step: $1"; }
modprobe() { echo "modprobe $*"; }
mount() { echo "mount $*"; }
chown() { echo "chown $*"; case $* in *nobody-here*) return 1 ;; esac; }
"""

# This host's kernel may have no VLANs: a bridge takes their place.
BUSYBOX = """
busybox() {
    case $* in "ip link add link "*) set -- ip link add "$7" type bridge ;; esac
    command busybox "$@"
}
"""


class Boot:
    """Boot fragments that read and write below `root`."""

    def __init__(self, root: Path, busybox: list[str]) -> None:
        self.root = root
        self._busybox = busybox
        for name in ("run", "etc", "dev", "proc/sys/kernel", "sys/block", "sys/class/net", "bin"):
            (root / name).mkdir(parents=True)
        (root / "proc/cmdline").write_text("console=ttyS0 quiet\n")
        (root / "bin/busybox").write_text(f'#!/bin/sh\nexec {" ".join(busybox)} "$@"\n')
        (root / "bin/busybox").chmod(0o755)

    def text(self, name: str, **values: str) -> str:
        """Return the text of a fragment, with other places."""
        found = template.render((ROOT / "runit" / name).read_text(), values, name=name)
        return PLACES.sub(str(self.root), found)

    def run(self, *texts: str) -> list[str]:
        """Run fragments as a stage of runit does; return their lines."""
        done = subprocess.run(
            [*self._busybox, "ash", "-c", "\n".join((FUNCTIONS, *texts))],
            env={"PATH": f"{self.root}/bin:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        return (done.stdout + done.stderr).replace(str(self.root), "").splitlines()

    def fw_cfg(self, name: str, data: bytes) -> None:
        """Add an entry as the kernel shows it."""
        path = self.root / "sys/firmware/qemu_fw_cfg/by_name/opt" / name / "raw"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)

    def drive(self, name: str, data: bytes) -> None:
        (self.root / "sys/block" / name).mkdir()
        (self.root / "dev" / name).write_bytes(data)

    def files(self, name: str) -> dict[str, str]:
        """Return the contents of the files below a folder, with their modes."""
        folder = self.root / name
        return {
            str(path.relative_to(folder)): f"{path.stat().st_mode & 0o777:o} {path.read_text()}"
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def boot(tmp_path: Path, tool: Tool) -> Boot:
    return Boot(tmp_path / "root", tool("busybox"))


def archive(tmp_path: Path, **files: str) -> bytes:
    """Return the archive of instance data; two underscores in a name stand for a slash."""
    contents = {name.replace("__", "/"): text.encode() for name, text in files.items()}
    return host.Instance(contents, host.Network()).archive()


MOUNTED = "mount -t ramfs -o mode=0755,nosuid,nodev,noexec ramfs /run/credentials"


def test_nothing_is_given(boot: Boot) -> None:
    """Without data nothing runs, nothing is mounted and no drive is read."""
    (boot.root / "sys/firmware/qemu_fw_cfg").mkdir(parents=True)
    boot.drive("vda", b"hsqs")
    for number in range(8):
        (boot.root / f"sys/block/loop{number}").mkdir()
    (boot.root / "bin/busybox").write_text("#!/bin/sh\necho forked\n")
    assert boot.run(boot.text("boot/09-instance")) == []
    assert boot.files("run") == {}


def test_fw_cfg(boot: Boot, tmp_path: Path) -> None:
    files = {"hostname": "web1\n", "authorized_keys": "k\n", "authorized_keys.d__bob": "b\n"}
    secrets = {"credentials__key": "s3cret", "credentials__app__key": "s3cret-of-app"}
    boot.fw_cfg("notos/instance", archive(tmp_path, **files, **secrets))
    assert boot.run(boot.text("boot/09-instance")) == [MOUNTED, "chown -R app: /run/credentials/app"]
    assert boot.files("run/credentials") == {"app/key": "400 s3cret-of-app", "key": "400 s3cret"}
    assert boot.files("run/instance") == {
        "authorized_keys": "600 k\n",
        "authorized_keys.d/bob": "600 b\n",
        "hostname": "600 web1\n",
    }
    assert (boot.root / "run/instance").stat().st_mode & 0o777 == 0o700
    assert (boot.root / "run/credentials/app").stat().st_mode & 0o777 == 0o500


def test_what_is_wrong_is_one_line_without_contents(boot: Boot, tmp_path: Path) -> None:
    boot.fw_cfg(
        "notos/instance",
        archive(tmp_path, hostnam="s3cret", **{"credentials__nobody-here__k": "s3cret", ".x": "s3cret"}),
    )
    assert boot.run(boot.text("boot/09-instance")) == [
        MOUNTED,
        "step: instance: unknown file: notos-instance/hostnam",
        "step: instance: unknown file: notos-instance/.x",
        "chown -R nobody-here: /run/credentials/nobody-here",
        "step: instance: there is no account nobody-here; "
        "the files in /run/credentials/nobody-here are for root only",
    ]


@pytest.mark.parametrize("data", [b"s3cret" * 999, b"notos-instance" + bytes(600), b""])
def test_a_damaged_archive(boot: Boot, data: bytes) -> None:
    boot.fw_cfg("notos/instance", data)
    said = "\n".join(boot.run(boot.text("boot/09-instance")))
    assert (
        "instance: the archive in /sys/firmware/qemu_fw_cfg/by_name/opt/notos/instance/raw is damaged" in said
    )
    assert "s3cret" not in said
    assert boot.files("run") == {}


@pytest.mark.parametrize(
    ("command_line", "drives", "found"),
    [
        ("", {"vda": b"hsqs", "vdb": b"DATA"}, True),
        ("", {"vda": b"hsqs", "vdb": bytes(4096), "vdc": b"DATA"}, True),
        ("root=/dev/vdb", {"vda": b"DATA", "vdb": b"hsqs"}, True),
        ("", {"vda": b"DATA"}, False),
        ("", {"vda": b"DATA", "vdb": b"hsqs"}, False),
        ("realroot=/dev/vdb", {"vda": b"hsqs", "vdb": b"DATA"}, False),
        ("", {"sda": b"hsqs", "nvme0n1": b"DATA"}, True),
    ],
)
def test_a_drive(
    boot: Boot, tmp_path: Path, command_line: str, drives: dict[str, bytes], found: bool
) -> None:
    """The root's drives are never read."""
    data = archive(tmp_path, credentials__key="s3cret")
    (boot.root / "proc/cmdline").write_text(f"quiet {command_line} x=1\n")
    for name, content in drives.items():
        boot.drive(name, data if content == b"DATA" else content)
    said = boot.run(boot.text("boot/09-instance"))
    assert said == ["modprobe -q qemu_fw_cfg", *([MOUNTED] if found else [])]
    assert boot.files("run/credentials") == ({"key": "400 s3cret"} if found else {})


def test_systemd_s_credentials(boot: Boot) -> None:
    for name, data in (
        ("token", b"s3cret"),
        ("system.hostname", b"web3"),
        ("ssh.authorized_keys.root", b"k"),
    ):
        boot.fw_cfg(f"io.systemd.credentials/{name}", data)
    (boot.root / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 notos\n")
    assert boot.run(boot.text("boot/09-instance"), boot.text("boot/10-hostname", hostname="notos")) == [
        MOUNTED
    ]
    assert boot.files("run/credentials")["token"] == "400 s3cret"
    assert boot.files("run/instance") == {"authorized_keys": "400 k", "hostname": "400 web3"}
    assert (boot.root / "proc/sys/kernel/hostname").read_text() == "web3\n"


@pytest.mark.parametrize(
    ("name", "hosts", "expected"),
    [
        ("web1", "127.0.0.1 localhost\n127.0.1.1 notos\n", "127.0.0.1 localhost\n127.0.1.1 web1\n"),
        ("web1", "127.0.0.1 localhost\n", "127.0.0.1 localhost\n127.0.1.1 web1\n"),
        ("web1", "10.0.0.1 web1 w\n127.0.1.1 notos\n", "10.0.0.1 web1 w\n"),
        ("web1", "127.0.1.1 notos\n10.0.0.1 db", "10.0.0.1 db\n127.0.1.1 web1\n"),
        (
            "web1",
            "127.0.1.1 a notos notos.example\n127.0.1.1 db\n",
            "127.0.1.1 a notos.example\n127.0.1.1 db\n127.0.1.1 web1\n",
        ),
        ("notos", "127.0.1.1 notos\n", "127.0.1.1 notos\n"),
    ],
)
def test_the_hostname(boot: Boot, name: str, hosts: str, expected: str) -> None:
    """A second run, by a switch, changes nothing."""
    (boot.root / "run/instance").mkdir()
    (boot.root / "run/instance/hostname").write_text(name)
    (boot.root / "etc/hosts").write_text(hosts)
    for _ in range(2):
        assert boot.run(boot.text("boot/10-hostname", hostname="notos")) == []
        assert (boot.root / "etc/hosts").read_text() == expected
        assert (boot.root / "etc/hostname").read_text() == f"{name}\n"
        assert (boot.root / "proc/sys/kernel/hostname").read_text() == f"{name}\n"


@pytest.mark.parametrize("name", ["a b", "-a", "a;b", "", "a.b"])
def test_a_hostname_that_is_none(boot: Boot, name: str) -> None:
    (boot.root / "run/instance").mkdir()
    (boot.root / "run/instance/hostname").write_text(f"{name}\n")
    assert boot.run(boot.text("boot/10-hostname", hostname="notos")) == [
        "step: instance: hostname has no valid name"
    ]
    assert (boot.root / "proc/sys/kernel/hostname").read_text() == "notos\n"


@pytest.mark.parametrize("name", ["boot/40-ssh-keys", "boot/40-ssh-keys-dropbear"])
def test_keys_of_an_account_that_does_not_exist(boot: Boot, name: str) -> None:
    folder = boot.root / "run/instance/authorized_keys.d"
    folder.mkdir(parents=True)
    for account in ("root", "nobody-here"):
        (folder / account).write_text("k\n")
    (boot.root / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
    said = boot.run(boot.text(name).replace("/var/lib", f"{boot.root}/var/lib"))
    assert [each for each in said if not each.startswith("modprobe")] == [
        "step: instance: authorized_keys.d/nobody-here: there is no account nobody-here"
    ]


# The network ------------------------------------------------------------------------------------------


@pytest.fixture
def inside(tool: Tool, tmp_path: Path) -> Iterator[Namespace]:
    with namespace(tool("busybox"), tool("ip"), tmp_path) as found:
        found.cable("eth0", "peer0")
        found.cable("eth1", "peer1")
        yield found


PLAN = """
ip link set lo up
need eth0
ip address add 10.0.2.15/24 dev eth0
ip address add 10.9.0.9/24 dev eth1
ip link set eth0 up
ip link set eth1 up
ip route add default via 10.0.2.2 dev eth0
ip route add 10.8.0.0/16 via 10.9.0.5 dev eth1
"""


UNCHANGED = (
    (["10.0.2.15/24"], ["10.9.0.9/24"]),
    ["default 10.0.2.2", "10.8.0.0/16 10.9.0.5"],
    "search a\nnameserver 1.1.1.1\n",
)


def configured(boot: Boot, inside: Namespace, plan: str, text: str) -> str:
    """Run the fragments of the network in a machine with two cards and instance data; return their lines."""
    (boot.root / "etc/runit").mkdir()
    (boot.root / "etc/runit/instance-network").write_text(boot.text("instance-network"))
    for number in (0, 1):
        card = boot.root / f"sys/class/net/eth{number}"
        (card / "device").mkdir(parents=True)
        (card / "address").write_text(f"52:54:00:aa:00:0{number}\n")
    if text:
        (boot.root / "run/instance").mkdir()
        (boot.root / "run/instance/network").write_text(text)
    script = boot.root / "network"
    fragments = boot.text("boot/11-resolv-conf"), boot.text("boot/20-network", plan=plan.strip())
    client = f'udhcpc() {{ echo "$metric" >{boot.root}/metric; }}'
    script.write_text("\n".join((FUNCTIONS, BUSYBOX, client, *fragments)))
    return inside.run(f"busybox ash {script}")


@pytest.mark.parametrize(
    ("text", "addresses", "routes", "names"),
    [
        ("", *UNCHANGED),
        (
            "eth0 address 10.1.0.5/24 address fd00::5/64 gateway 10.1.0.1\ndns 9.9.9.9 9.9.9.10\n",
            (["10.1.0.5/24", "fd00::5/64"], ["10.9.0.9/24"]),
            ["default 10.1.0.1", "10.8.0.0/16 10.9.0.5"],
            "search a\nnameserver 9.9.9.9\nnameserver 9.9.9.10\n",
        ),
        (
            "52:54:00:aa:00:01 address 10.9.0.1/32 gateway 172.16.0.1\nsearch b c\n",
            (["10.0.2.15/24"], ["10.9.0.1/32"]),
            ["default 172.16.0.1", "172.16.0.1"],
            "search b c\nnameserver 1.1.1.1\n",
        ),
        ("eth7 address 10.1.0.5/24\n", *UNCHANGED),
        # As somebody writes it for a drive: comments, capitals, several lines of a kind, the gateway first.
        (
            "# mine\n52:54:00:AA:00:01 gateway 172.16.0.1 address 10.9.0.1/32 # lan\n"
            "#eth0 address 10.1.0.5/8\n"
            "dns 9.9.9.9 # google\nsearch b # x\ndns 9.9.9.10\nsearch c",
            (["10.0.2.15/24"], ["10.9.0.1/32"]),
            ["default 172.16.0.1", "172.16.0.1"],
            "search b c\nnameserver 9.9.9.9\nnameserver 9.9.9.10\n",
        ),
    ],
)
def test_the_network(  # noqa: PLR0917 — a case has four parts
    boot: Boot,
    inside: Namespace,
    text: str,
    addresses: tuple[list[str], list[str]],
    routes: list[str],
    names: str,
) -> None:
    """Judged by iproute2: what the data names replaces the config's, the rest stays."""
    (boot.root / "etc/resolv.conf").write_text("search a\nnameserver 1.1.1.1\n")
    said = configured(boot, inside, PLAN, text)
    assert said == ("network: there is no interface eth7\n" if "eth7" in text else "")
    assert (inside.addresses("eth0"), inside.addresses("eth1")) == addresses
    assert inside.routes() == routes
    assert (boot.root / "etc/resolv.conf").read_text() == names


@pytest.mark.parametrize(
    ("network", "name"),
    [
        ("br0: {bridge: [eth0, eth1], address: 10.9.0.2/24}", "br0"),
        ("v5: {vlan: {id: 5, link: eth0}, address: 10.9.0.2/24, gateway: 10.9.0.1}", "v5"),
        ("eth1.5: {vlan: {id: 5, link: br0}}, br0: {bridge: [eth0]}", "eth1.5"),
    ],
)
def test_an_interface_that_the_boot_makes(
    boot: Boot, inside: Namespace, tmp_path: Path, network: str, name: str
) -> None:
    """It does not exist yet when the instance data are read."""
    (boot.root / "etc/resolv.conf").write_text("")
    path = tmp_path / "c.yaml"
    path.write_text(f"name: x\nnetwork: {{{network}}}\n")
    (plan,) = [
        str(each.values["plan"])
        for each in registry.features(loader.load(path).machine).scripts
        if each.path == "boot/20-network"
    ]
    said = configured(boot, inside, plan, f"{name} address 10.1.0.5/24 gateway 10.1.0.1\n")
    assert "no interface" not in said
    assert "failed" not in said
    assert inside.addresses(name) == ["10.1.0.5/24"]
    assert inside.routes() == ["default 10.1.0.1"]


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("eth0 address 10.1.0.5/24 gateway 10.1.0.1\n", "100"),
        ("eth0 address fd00::5/64 gateway fd00::1\n", "0"),
        ("eth0 address 10.1.0.5/24\n", "0"),
    ],
)
def test_a_gateway_comes_before_that_of_dhcp(boot: Boot, inside: Namespace, text: str, metric: str) -> None:
    """A route of a lease with the metric 0 would replace the gateway of the instance data."""
    (boot.root / "proc/sys/kernel/hostname").write_text("box\n")
    (boot.root / "etc/resolv.conf").write_text("")
    assert configured(boot, inside, "need eth0\nneed eth1\ndhcp 0 eth1", text) == ""
    assert (boot.root / "metric").read_text() == f"{metric}\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "eth0 address 10.1.0.5",
            "network: the address 10.1.0.5 in the instance data lacks the length of its subnet\n",
        ),
        ("eth0 address 10.1.0.5/24 gateway", "network: a word in the instance data has no value: gateway\n"),
        ("eth0 adress 10.1.0.5/24", "network: unknown word in the instance data: adress\n"),
    ],
)
def test_what_is_wrong_in_the_network_of_a_drive(
    boot: Boot, inside: Namespace, text: str, lines: str
) -> None:
    (boot.root / "etc/resolv.conf").write_text("")
    assert configured(boot, inside, PLAN, text) == lines


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        (
            "search a.b",
            "options edns0\nnameserver 1.1.1.1\nnameserver 9.9.9.9",
            "search a.b\noptions edns0\nnameserver 1.1.1.1\nnameserver 9.9.9.9\n",
        ),
        ("search a.b", "# own\ndomain x\nnameserver 1.1.1.1\n", "search a.b\n# own\nnameserver 1.1.1.1\n"),
        (
            "dns 9.9.9.9",
            "domain x\nnameserver 1.1.1.1\noptions rotate",
            "domain x\nnameserver 9.9.9.9\noptions rotate\n",
        ),
        ("eth0 address 10.0.0.1/24", "nameserver 1.1.1.1", "nameserver 1.1.1.1"),
    ],
)
def test_resolv_conf(boot: Boot, text: str, before: str, after: str) -> None:
    """The instance data replace only the lines of their kind. A second run changes nothing."""
    (boot.root / "run/instance").mkdir()
    (boot.root / "run/instance/network").write_text(text)
    (boot.root / "etc/resolv.conf").write_text(before)
    for _ in range(2):
        assert boot.run(boot.text("boot/11-resolv-conf")) == []
        assert (boot.root / "etc/resolv.conf").read_text() == after


# The config -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "taken", "module"),
    [
        ("", True, True),
        ("instance: false", False, True),
        ("ssh: {server: none}", False, False),
        ("ssh: {server: none}\ninstance: true", True, True),
    ],
)
def test_which_machines_take_it(tmp_path: Path, text: str, taken: bool, module: bool) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"name: x\n{text}\n")
    features = registry.features(loader.load(path).machine)
    assert features.instance == taken
    assert any(each.path == "boot/09-instance" for each in features.scripts) == taken
    assert any(each.module == "qemu_fw_cfg" for each in features.requirements) == module


def test_python_s_version_is_not_a_condition() -> None:
    """The host's python3 may be older than Notos' own: the copy is parsed as that of Python 3.8."""
    import ast

    assert sys.version_info >= (3, 11)
    ast.parse(Path(host.__file__).read_text(), feature_version=(3, 8))
