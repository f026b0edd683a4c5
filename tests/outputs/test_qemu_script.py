"""runvm.sh: the arguments of QEMU, by a stand-in that prints them, and its error messages."""

import itertools
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from notos import loader
from notos.architecture import AMD64
from notos.features import registry
from notos.live.ssh_key import Keys
from notos.outputs.qemu import script
from notos.outputs.qemu.command_line import command_line
from notos.store.store import StoreObject
from notos.toolchain.tools_tree import ToolsTree
from tests.conftest import Project
from tests.this_host import PATIENCE, free_port


@pytest.fixture
def show(tmp_path: Path) -> Path:
    """Return a program in QEMU's place that prints its arguments, one on a line."""
    path = tmp_path / "qemu"
    path.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def forward(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward a free port in place of the config's, which another machine of this host may have."""
    monkeypatch.setenv("FORWARD", f"{free_port()}:80 2222:22")


def start(
    machine: Project | Path, show: Path | None, *words: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    own = {key: value for key, value in os.environ.items() if key not in ("MEMORY", "ACCEL", "QEMU")}
    extra = {"QEMU": str(show)} if show else {}
    if "FORWARD" not in environment:
        extra["SSH_PORT"] = str(free_port())
    return subprocess.run(
        [machine if isinstance(machine, Path) else machine.script, *words],
        env={**own, **extra, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_the_design_says(built: Project, show: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default uses a port of this host that the tests cannot choose."""
    monkeypatch.delenv("FORWARD")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 8000)) == 0:
            pytest.skip("port 8000 of this host, which the machine forwards by default, is taken")
    said = start(built, show, "-s", ACCEL="tcg").stdout.splitlines()
    options = dict(itertools.pairwise(said))
    folder = str(built.root / "build/notos")
    assert options["-name"] == "notos"
    assert options["-m"] == "512"
    assert options["-kernel"] == f"{folder}/vmlinux"
    assert options["-initrd"] == f"{folder}/initrd"
    assert options["-append"].startswith("console=ttyS0 systemConfig=/nix/store/")
    assert "-toplevel quiet panic=-1" in options["-append"]
    assert "index=0" in options["-drive"]
    assert "media=cdrom" in options["-drive"]
    assert "readonly=on" in options["-drive"]
    assert "net=10.0.2.0/24,host=10.0.2.2,dns=10.0.2.3" in options["-netdev"]
    assert "hostfwd=tcp:127.0.0.1:8000-:80" in options["-netdev"]
    assert "virtio-rng-pci" in said
    assert "-no-reboot" not in said  # `reboot` restarts a machine that can switch itself off
    # With -nographic, SeaBIOS clears the terminal and turns its line wrap off.
    assert "-nographic" not in said
    assert (options["-serial"], options["-display"]) == ("mon:stdio", "none")
    assert said[-1] == "-s"


def test_the_environment(built: Project, show: Path) -> None:
    said = start(
        built, show, MEMORY="700", CPUS="2", ACCEL="tcg", KERNEL_PARAMS="debug x=1"
    ).stdout.splitlines()
    options = dict(itertools.pairwise(said))
    assert options["-m"] == "700"
    assert options["-smp"] == "2"
    assert options["-machine"] == "q35,accel=tcg"
    assert options["-cpu"].startswith("max,-")
    assert options["-append"].endswith("quiet panic=-1 cryptomgr.notests debug x=1")
    options = dict(itertools.pairwise(start(built, show, ACCEL="tcg", CPU="max").stdout.splitlines()))
    assert options["-cpu"] == "max"


MICROVM = """
name: micro
imports: [examples/minimal.yaml]
vm: {machine: microvm, cpus: 1}
"""


def rendered(built: Project, folder: Path, text: str) -> Path:
    """Return the script of the machine that `text` describes, in `folder`."""
    (built.root / "rendered.yaml").write_text(text)
    machine = loader.load(built.root / "rendered.yaml").machine
    toplevel = StoreObject.from_json((built.root / "build/notos/manifests/toplevel.json").read_bytes())
    keys = Keys(folder / "none", folder / "none")
    path = folder / "runvm.sh"
    folder.mkdir(exist_ok=True)
    text = script.render(machine, registry.features(machine), toplevel, ToolsTree(folder, AMD64), keys)
    path.write_text(text)
    path.chmod(0o755)
    for name in ("vmlinuz", "vmlinux", "initrd", "root.squashfs"):
        (folder / name).touch()
    return path


@pytest.fixture
def micro(built: Project, tmp_path: Path) -> Path:
    """Return the script of a microvm; nothing that it boots is built."""
    return rendered(built, tmp_path / "micro", MICROVM)


@pytest.mark.parametrize(
    "more", ["", "disk: 1G\n", "vm: {machine: microvm}\n", "vm: {machine: microvm}\ndisk: 1G\n"]
)
def test_the_command_line_that_a_config_is_checked_by(
    built: Project, tmp_path: Path, show: Path, more: str
) -> None:
    """Its longest form is what runvm.sh gives to the kernel of an emulated processor."""
    longest = rendered(built, tmp_path / "longest", f"name: longest\n{more}")
    options = dict(itertools.pairwise(start(longest, show, ACCEL="tcg").stdout.splitlines()))
    machine = loader.load(built.root / "rendered.yaml").machine
    words = str(command_line(machine, registry.features(machine))).split()
    assert len(options["-append"]) == len(" ".join(words))
    assert len(set(options["-append"].split()) ^ set(words)) == 2  # the toplevel's path


def test_a_microvm_has_its_devices_without_pci(built: Project, micro: Path, show: Path) -> None:
    said = start(micro, show, ACCEL="tcg").stdout.splitlines()
    options = dict(itertools.pairwise(said))
    assert options["-machine"] == "microvm,acpi=off,rtc=on,accel=tcg"
    assert f"id=root,if=none,file={micro.parent}/root.squashfs,format=raw,readonly=on" in said
    assert {"virtio-blk-device,drive=root", "virtio-net-device,netdev=net0", "virtio-rng-device"} <= set(said)
    assert not any("pci" in word for word in said)
    # Where the keys are, and how it restarts; and no timer to be measured where there is one processor.
    assert "qemu_fw_cfg.ioport=12@0x510:0:1:4 reboot=t" in options["-append"]
    assert "nolapic_timer" in options["-append"]
    options = dict(itertools.pairwise(start(micro, show, CPUS="2", ACCEL="tcg").stdout.splitlines()))
    assert "nolapic_timer" not in options["-append"]
    options = dict(itertools.pairwise(start(micro, show, ACCEL="kvm").stdout.splitlines()))
    assert "nolapic_timer" not in options["-append"]


DRIVE = "name: drive\nimports: [examples/minimal.yaml]\ndisk: {size: 64M}\n"


@pytest.fixture
def with_drive(built: Project, tmp_path: Path) -> Path:
    """Return the script of a machine with a drive; nothing that it boots is built."""
    return rendered(built, tmp_path / "drive", DRIVE)


def test_a_drive_is_made_once_and_never_written_over(with_drive: Path, show: Path) -> None:
    said = start(with_drive, show).stdout.splitlines()
    drive = with_drive.parent / "disk.img"
    assert f"index=1,if=virtio,file={drive},format=raw,discard=unmap,detect-zeroes=unmap" in said
    # The root's drive comes first.
    assert [word[:7] for word in said if word.startswith("index=")] == ["index=0", "index=1"]
    assert "realroot=/dev/vdb" in dict(itertools.pairwise(said))["-append"]
    assert drive.stat().st_size == 64 << 20
    assert drive.stat().st_blocks * 512 < 1 << 20
    drive.write_bytes(b"mine" + bytes((64 << 20) - 4))
    inode = drive.stat().st_ino
    start(with_drive, show)
    assert drive.read_bytes()[:4] == b"mine"
    assert drive.stat().st_ino == inode
    assert [path.name for path in with_drive.parent.glob("disk*")] == ["disk.img"]


def test_a_drive_grows_and_never_shrinks(
    built: Project, with_drive: Path, show: Path, tmp_path: Path
) -> None:
    drive = tmp_path / "elsewhere, drive"
    start(with_drive, show, DISK=str(drive))
    with drive.open("r+b") as stream:
        stream.write(b"mine")
    larger = rendered(built, tmp_path / "larger", DRIVE.replace("64M", "2G"))
    said = start(larger, show, DISK=str(drive)).stdout
    assert f"file={tmp_path}/elsewhere,, drive," in said
    assert drive.stat().st_size == 2 << 30
    assert drive.open("rb").read(4) == b"mine"
    done = start(with_drive, show, DISK=str(drive))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{drive} has 2048 MiB and the config says 64; a drive is never made smaller" in done.stderr
    assert drive.stat().st_size == 2 << 30


def test_a_drive_without_room_is_an_error(built: Project, show: Path, tmp_path: Path) -> None:
    huge = rendered(built, tmp_path / "huge", DRIVE.replace("64M", "900T"))
    done = start(huge, show)
    assert done.returncode == 1
    assert re.search(r"has no room for a drive of 943718400 MiB, only for \d+; lower disk.size", done.stderr)
    assert not list(huge.parent.glob("disk*"))
    # An existing file is used while its size permits.
    with (huge.parent / "disk.img").open("wb") as stream:
        stream.truncate(8 << 40)
    eight = rendered(built, tmp_path / "huge", DRIVE.replace("64M", "8T"))
    done = start(eight, show)
    assert done.returncode == 0
    assert "has room for" in done.stderr
    done = start(huge, show, DISK=str(tmp_path / "none/disk"))
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        r"runvm.sh: the folder \S+/none for the machine's drive is missing; .*\n", done.stderr
    )
    done = start(huge, show, DISK=str(tmp_path))
    assert re.fullmatch(
        r"runvm.sh: the machine's drive \S+ is not a file that you may write; .*\n", done.stderr
    )


def test_where_kvm_works_the_kernel_unpacks_itself(built: Project, show: Path) -> None:
    """The kernel moves itself to a random address first, which takes no time on KVM."""
    options = dict(itertools.pairwise(start(built, show, ACCEL="kvm").stdout.splitlines()))
    assert options["-kernel"] == f"{built.root}/build/notos/vmlinuz"
    assert options["-cpu"] == "host"
    assert options["-append"].endswith("quiet panic=-1")


def test_the_key_is_handed_over_and_not_baked_in(built: Project, show: Path, tmp_path: Path) -> None:
    own = tmp_path / "a, key.pub"
    own.write_text("ssh-ed25519 AAAA me\n")
    said = start(built, show, NOTOS_SSH_KEY=str(own)).stdout.splitlines()
    assert f"name=opt/notos/authorized_keys,file={tmp_path}/a,, key.pub" in said
    assert any(word.startswith("name=opt/notos/ssh_host_key,file=") for word in said)


def handed(machine: Project, show: Path, home: Path) -> list[str]:
    """Return the keys that are handed over for a user whose home is `home`."""
    said = start(machine, show, HOME=str(home)).stdout
    (text,) = re.findall(r"^name=opt/notos/authorized_keys,string=((?:.*\n)+?)(?:-|\Z)", said, re.MULTILINE)
    return str(text).replace(",,", ",").splitlines()


def test_a_key_that_is_newer_than_the_build_is_handed_over(
    built: Project, show: Path, tmp_path: Path
) -> None:
    """And one that is removed is not; what cannot be read, or is no public key, is left out."""
    folder = tmp_path / ".ssh"
    folder.mkdir()
    (notos,) = handed(built, show, tmp_path)
    assert notos.startswith("ssh-ed25519 AAAA") and notos.endswith(" notos")
    (folder / "id_ed25519.pub").write_text("ssh-ed25519 AAAAnew me, at home\n")
    (folder / "id_ecdsa.pub").write_text("ecdsa-sha2-nistp256 AAAAe you")
    (folder / "id_rsa.pub").mkdir()
    (folder / "id_dsa.pub").write_bytes(b"-----BEGIN OPENSSH PRIVATE KEY-----\n\xff\0\n")
    (folder / "id_gone.pub").symlink_to("nowhere")
    expected = [notos, "ecdsa-sha2-nistp256 AAAAe you", "ssh-ed25519 AAAAnew me, at home"]
    assert handed(built, show, tmp_path) == expected
    (folder / "id_ecdsa.pub").unlink()
    assert handed(built, show, tmp_path) == [notos, expected[2]]


WRONG = [
    ({"MEMORY": "16"}, r"MEMORY is 16; this machine needs at least \d+ MiB to boot"),
    ({"MEMORY": "abc"}, r"MEMORY is abc; it takes a number of MiB"),
    ({"MEMORY": "0512"}, r"MEMORY is 0512; "),
    ({"MEMORY": "2T"}, r"MEMORY is 2T; "),
    ({"MEMORY": "99999999999999999999"}, r"MEMORY is 9+; "),
    ({"CPUS": "0"}, r"CPUS is 0; it takes a number of processors from 1 to 255"),
    ({"CPUS": "two"}, r"CPUS is two; "),
    ({"ACCEL": "foo"}, r"ACCEL is foo; it takes kvm, tcg or auto"),
    ({"SSH_PORT": "abc"}, r"SSH_PORT is abc; it takes a port, a number from 1 to 65535"),
    ({"SSH_PORT": "70000"}, r"SSH_PORT is 70000; "),
    ({"SSH_PORT": "0"}, r"SSH_PORT is 0; "),
    ({"SSH_PORT": "-1"}, r"SSH_PORT is -1; "),
    ({"FORWARD": "8402:80:90"}, r"FORWARD has 8402:80:90; it takes pairs of ports from 1 to 65535"),
    ({"FORWARD": "abc"}, r"FORWARD has abc; "),
    ({"FORWARD": "8402:80,8403:81"}, r"FORWARD has 8402:80,8403:81; "),
    ({"FORWARD": "8402:"}, r"FORWARD has 8402:; "),
    ({"FORWARD": "8402"}, r"FORWARD has 8402; it takes pairs of ports"),
    ({"FORWARD": ":80"}, r"FORWARD has :80; "),
    ({"FORWARD": "*"}, r"FORWARD has \*; "),
    ({"FORWARD": "8402:70000"}, r"FORWARD has 8402:70000; "),
    ({"FORWARD": "8402:80 8402:81"}, r"port 8402 of 127.0.0.1 is forwarded twice; "),
    ({"SSH_PORT": "8402", "FORWARD": "8402:80 2222:22"}, r"port 8402 of 127.0.0.1 is forwarded twice; "),
    ({"SSH_PORT": "8402", "FORWARD": "8403:80"}, r"SSH_PORT is 8402, but no port is forwarded to .* port 22"),
    ({"SSH_PORT": "8402", "FORWARD": ""}, r"SSH_PORT is 8402, but no port is forwarded to .* port 22"),
    ({"NOTOS_SSH_KEY": "/nope"}, r"NOTOS_SSH_KEY is /nope, which is not a file that can be read"),
    ({"NOTOS_SSH_KEY": "/"}, r"NOTOS_SSH_KEY is /, which is not a file that can be read"),
    ({"NOTOS_SSH_KEY": "/etc/hostname"}, r"NOTOS_SSH_KEY is /etc/hostname, which has no public key in it"),
    ({"QEMU": "/nope"}, r"QEMU is /nope, which is not a program"),
    ({"QEMU": "/etc"}, r"QEMU is /etc, which is a folder"),
    ({"KERNEL_PARAMS": "x" * 2048}, r"the kernel's command line has 2\d+ bytes, and 2047 is the maximum"),
]


@pytest.mark.parametrize(("environment", "message"), WRONG, ids=[str(each[0])[:60] for each in WRONG])
def test_what_cannot_be_is_one_line_before_qemu_starts(
    built: Project, show: Path, environment: dict[str, str], message: str
) -> None:
    done = start(built, show, **environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(f"runvm.sh: {message}.*\n", done.stderr)


def test_the_command_line_is_as_long_as_the_kernel_takes(built: Project, show: Path) -> None:
    """2,047 bytes, and not one more; ä is two."""
    given = dict(itertools.pairwise(start(built, show, ACCEL="tcg").stdout.splitlines()))["-append"]
    left = 2047 - len(given) - 1
    longest = start(built, show, ACCEL="tcg", KERNEL_PARAMS="ä" + "x" * (left - 2))
    options = dict(itertools.pairwise(longest.stdout.splitlines()))
    assert len(options["-append"].encode()) == 2047
    done = start(built, show, ACCEL="tcg", KERNEL_PARAMS="ä" + "x" * (left - 1))
    assert (done.returncode, done.stdout) == (1, "")
    assert "has 2048 bytes" in done.stderr


def test_memory_in_gib(built: Project, show: Path) -> None:
    for text, expected in (("1G", "1024"), ("700M", "700"), ("", "512")):
        options = dict(itertools.pairwise(start(built, show, MEMORY=text).stdout.splitlines()))
        assert options["-m"] == expected


def test_one_line_before_the_boot(built: Project, show: Path) -> None:
    """The script prints how to end the machine, and its forwarded ports only."""
    done = start(built, show, SSH_PORT="18402", FORWARD="2222:22 18404:80", ACCEL="tcg")
    pattern = (
        r"runvm.sh: booting notos; kill \d+ ends it; ssh on 127.0.0.1:18402; port 80 on 127.0.0.1:18404\n"
    )
    assert re.fullmatch(pattern, done.stderr)
    done = start(built, show, FORWARD="", ACCEL="tcg")
    assert re.fullmatch(r"runvm.sh: booting notos; kill \d+ ends it\n", done.stderr)
    done = start(built, show, FORWARD="18403:80", ACCEL="tcg")
    assert re.fullmatch(r".*; kill \d+ ends it; port 80 on 127.0.0.1:18403\n", done.stderr)
    assert start(built, show, QUIET="1").stderr == ""


def test_an_option_of_the_user_s_goes_before_ours(built: Project, show: Path) -> None:
    said = start(built, show, "-serial", "file:log").stdout.splitlines()
    assert said.count("-serial") == 1
    said = start(built, show, "-monitor", "none").stdout.splitlines()
    assert dict(itertools.pairwise(said))["-serial"] == "stdio"
    said = start(built, show, "-vnc", ":1").stdout.splitlines()
    assert "-display" not in said
    said = start(built, show, "-nographic").stdout.splitlines()
    assert "-serial" not in said


def test_ports_below_1024_are_root_s(built: Project, tmp_path: Path) -> None:
    """Here the user is what a program `id` prints."""
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    folder = tmp_path / "bin"
    folder.mkdir()
    for user, refused in (("1000", first > 1), ("0", False)):
        (folder / "id").write_text(f"#!/bin/sh\necho {user}\n")
        (folder / "id").chmod(0o755)
        done = start(built, None, PATH=f"{folder}:{os.environ['PATH']}", FORWARD="1:80", QEMU="true")
        message = f"runvm.sh: port 1 of 127.0.0.1 is for root only, like all below {first}; "
        assert (done.returncode, done.stderr.startswith(message)) == (int(refused), refused)


SERVER = """\
import os, socket, sys
with socket.create_server(("127.0.0.1", {port})) as server:
    server.settimeout(float(os.environ["PATIENCE"]))
    try:
        caller, _ = server.accept()
        caller.sendall(b"SSH-2.0-test\\r\\n")
        caller.recv(1)  # until the caller, who has printed the line, hangs up
    except TimeoutError:
        pass
sys.exit(7)
"""


def test_one_line_when_the_ssh_server_answers(built: Project, tmp_path: Path) -> None:
    """It comes once, beside QEMU, whose exit status stays what it is; and never where no server answers."""
    qemu = tmp_path / "qemu"
    port = str(free_port())
    qemu.write_text(f"#!{sys.executable}\n" + SERVER.format(port=port))
    qemu.chmod(0o755)
    long = str(PATIENCE)
    done = start(built, qemu, SSH_PORT=port, PATIENCE=long)
    assert done.returncode == 7
    assert re.search(rf"\nready in \d+\.\d s: SSH_PORT={port} \./doit ssh\n$", done.stderr)
    done = start(built, qemu, FORWARD=f"{port}:80", PATIENCE="3")
    assert (done.returncode, "ready" in done.stderr) == (7, False)
    key = tmp_path / "key.pub"
    key.write_text("ssh-ed25519 AAAA me\n")
    done = start(built, qemu, SSH_PORT=port, NOTOS_SSH_KEY=str(key), PATIENCE=long)
    assert done.stderr.endswith(f": ssh -p {port} root@127.0.0.1\n")
    qemu.write_text("#!/bin/sh\nsleep 1\nexit 3\n")
    done = start(built, qemu, SSH_PORT=port)
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)


def test_a_taken_port_is_reported_before_qemu_starts(built: Project, show: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = start(built, show, SSH_PORT=port)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"runvm.sh: port {port} of 127.0.0.1 is taken (another machine?); set SSH_PORT to another"
    )


def test_a_missing_file_is_reported(built: Project, tmp_path: Path) -> None:
    alone = tmp_path / "runvm.sh"
    alone.write_bytes((built.root / "build/notos/runvm.sh").read_bytes())
    alone.chmod(0o755)
    done = subprocess.run([alone], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"runvm.sh: {tmp_path}/vmlinuz is missing; run ./doit runvm\n"


def test_an_unknown_accelerator(built: Project, show: Path) -> None:
    done = start(built, show, ACCEL="xen")
    assert done.returncode == 1
    assert done.stderr == "runvm.sh: ACCEL is xen; it takes kvm, tcg or auto\n"


def test_the_build_folder_can_be_moved(built: Project, show: Path, tmp_path: Path) -> None:
    moved = tmp_path / "else, where"
    moved.mkdir()
    for name in ("runvm.sh", "vmlinuz", "vmlinux", "initrd", "root.squashfs"):
        (moved / name).hardlink_to(built.root / "build/notos" / name)
    done = subprocess.run(
        [moved / "runvm.sh"],
        env={**os.environ, "QEMU": str(show), "SSH_PORT": str(free_port())},
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout.splitlines()
    assert f"{moved}/initrd" in said
    assert any(f"file={tmp_path}/else,, where/root.squashfs" in word for word in said)
