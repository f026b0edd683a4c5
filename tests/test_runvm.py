"""runvm.sh: what QEMU gets to see, by a stand-in that prints its arguments; what is told when it cannot."""

import itertools
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from notos import config, runvm
from notos.ssh_key import Keys
from notos.store import StoreObject
from notos.tools import ToolsTree
from tests.conftest import Project
from tests.host import free_port


@pytest.fixture
def show(tmp_path: Path) -> Path:
    """A program in QEMU's place that prints its arguments, one on a line."""
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
    return subprocess.run(
        [machine if isinstance(machine, Path) else machine.script, *words],
        env={**own, "SSH_PORT": str(free_port()), **extra, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_the_design_says(built: Project, show: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default, which takes a port of this host that is not ours to choose."""
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
    assert {"-nographic", "-no-reboot", "virtio-rng-pci"} <= set(said)
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
    """The script of the machine that `text` describes, in `folder`."""
    (built.root / "rendered.yaml").write_text(text)
    machine = config.load(built.root / "rendered.yaml").machine
    toplevel = StoreObject.from_json((built.root / "build/notos/manifests/toplevel.json").read_bytes())
    keys = Keys(folder / "none", folder / "none")
    script = folder / "runvm.sh"
    folder.mkdir(exist_ok=True)
    script.write_text(runvm.render(machine, toplevel, ToolsTree(folder), keys))
    script.chmod(0o755)
    for name in ("vmlinuz", "vmlinux", "initrd", "root.squashfs"):
        (folder / name).touch()
    return script


@pytest.fixture
def micro(built: Project, tmp_path: Path) -> Path:
    """The script of a microvm; nothing that it boots is built."""
    return rendered(built, tmp_path / "micro", MICROVM)


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
    """The script of a machine with a drive; nothing that it boots is built."""
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


def test_a_drive_without_room_is_told(built: Project, show: Path, tmp_path: Path) -> None:
    huge = rendered(built, tmp_path / "huge", DRIVE.replace("64M", "900T"))
    done = start(huge, show)
    assert done.returncode == 1
    assert re.search(r"has no room for a drive of 943718400 MiB, only for \d+; lower disk.size", done.stderr)
    assert not list(huge.parent.glob("disk*"))
    # One that is there is used as long as it may be.
    with (huge.parent / "disk.img").open("wb") as stream:
        stream.truncate(8 << 40)
    eight = rendered(built, tmp_path / "huge", DRIVE.replace("64M", "8T"))
    done = start(eight, show)
    assert done.returncode == 0
    assert "has room for" in done.stderr
    assert start(huge, show, DISK=str(tmp_path / "none/disk")).stderr.endswith("for the machine's drive\n")


def test_where_kvm_works_the_kernel_unpacks_itself(built: Project, show: Path) -> None:
    """So it moves itself to a random address first, which takes no time there."""
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


def test_a_taken_port_is_told_before_qemu_starts(built: Project, show: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = start(built, show, SSH_PORT=port)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"runvm.sh: port {port} of 127.0.0.1 is taken (another machine?); set SSH_PORT to another"
    )


def test_what_is_missing_is_told(built: Project, tmp_path: Path) -> None:
    alone = tmp_path / "runvm.sh"
    alone.write_bytes((built.root / "build/notos/runvm.sh").read_bytes())
    alone.chmod(0o755)
    done = subprocess.run([alone], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"runvm.sh: {tmp_path}/vmlinuz is missing; run ./doit runvm\n"


def test_an_unknown_accelerator(built: Project, show: Path) -> None:
    done = start(built, show, ACCEL="xen")
    assert done.returncode == 1
    assert "ACCEL is xen" in done.stderr


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
