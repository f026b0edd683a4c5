"""Machines that must fail: each gives its reason at once, not at a timeout, and QEMU has ended."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from notos.formats import cpio
from notos.formats.tree import Tree
from notos.store.store import StoreObject
from notos.vm import CommandError, Machine, MachineLostError, MachineTimeoutError
from notos.vm.plugin import MachineFactory
from tests.conftest import Project
from tests.this_host import slowed

AT_ONCE = 20.0  # seconds after the machine's last output, on an idle host; a boot gets 120
# Allocate at once: in small steps the machine would page its programs in again and again before the end.
TAKE_ALL = "echo 1 >/proc/sys/vm/overcommit_memory; dd if=/dev/zero of=/dev/null bs=1G count=1"
READ_ALL = "find /nix/store -type f -exec cat {} + >/dev/null"

AGAIN = r"it ended with status 3, and starts again \d+ s later; now "

Lost = Callable[..., str]


@pytest.fixture
def folder(built: Project, tmp_path: Path) -> Path:
    """Return the default machine's folder, made of links; a test replaces a link with a broken file."""
    for each in built.script.parent.iterdir():
        (tmp_path / each.name).symlink_to(each)
    # runvm.sh uses the folder that it is in.
    put(tmp_path / "runvm.sh", built.script.read_bytes())
    return tmp_path


def put(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)
    path.chmod(0o755)


@pytest.fixture
def lost(machine_factory: MachineFactory) -> Iterator[Lost]:
    """Return a function that boots a machine, runs a command in it, and returns the error of its loss."""
    pids = []

    def boot(path: Path, command: str = "true", **environment: str) -> str:
        machine = machine_factory.at(path, environment=environment)
        pids.append(machine.pid)
        with pytest.raises(MachineLostError) as caught:
            machine.succeed(command)
        if machine.console.lines:  # with too little memory the console stays empty
            assert time.monotonic() - machine.console.lines[-1].at < slowed(AT_ONCE)
        machine.close()
        return str(caught.value)

    yield boot
    assert pids
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def modules_of(project: Project) -> tuple[str, str]:
    """Return the path of the initrd's modules and the kernel's release."""
    folder = project.script.parent
    modules = StoreObject.from_json((folder / "manifests/modules.json").read_bytes())
    (release,) = (each.parent.name for each in folder.glob(f"store/{modules.base}/lib/modules/*/kernel"))
    return modules.path, release


def test_no_root_drive(folder: Path, lost: Lost) -> None:
    text = (folder / "runvm.sh").read_text()
    drive = '-drive "$rootDrive,file=$out,format=raw,readonly=on" '
    assert text.count(drive) == 1
    put(folder / "runvm.sh", text.replace(drive, "").encode())
    assert "rescue shell: stage-1 failed: there is no device /dev/vda (root=)\n" in lost(folder)


def test_a_system_that_the_image_lacks(built: Project, lost: Lost) -> None:
    said = lost(built.script, KERNEL_PARAMS="systemConfig=/nix/store/none")
    assert (
        "rescue shell: stage-1 failed: /nix/store/none (systemConfig=) is not in the store of /dev/vda\n"
        in said
    )


def test_an_image_without_a_superblock(folder: Path, lost: Lost) -> None:
    data = (folder / "root.squashfs").read_bytes()
    put(folder / "root.squashfs", bytes(96) + data[96:])
    said = lost(folder)
    assert "rescue shell: stage-1 failed: cannot mount /dev/vda (root=) as squashfs\n" in said
    assert "mount: mounting /dev/vda on /mnt/nix/.ro-store failed: Invalid argument\n" in said


def test_a_damaged_image(folder: Path, lost: Lost) -> None:
    """The damage is in the middle, so the machine may boot; a read of that part fails."""
    data = (folder / "root.squashfs").read_bytes()
    middle = len(data) // 2
    put(folder / "root.squashfs", data[:middle] + bytes(1 << 16) + data[middle + (1 << 16) :])
    said = lost(folder, READ_ALL)
    assert "it cannot read a drive or a file system: " in said.splitlines()[0]
    assert "SQUASHFS error: " in said.splitlines()[0]
    assert "SQUASHFS error: Failed to read block 0x" in said


def test_a_kernel_of_another_version(built: Project, folder: Path, lost: Lost) -> None:
    modules, release = modules_of(built)
    other = "9" + release[1:]
    kernel = (folder / "vmlinux").read_bytes()
    assert release.encode() in kernel
    put(folder / "vmlinux", kernel.replace(release.encode(), other.encode()))
    assert f"stage-1 failed: the kernel is {other}, and {modules} has no modules for it\n" in lost(folder)


def test_an_invalid_module(built: Project, folder: Path, lost: Lost) -> None:
    """A further archive after the initrd overwrites the module's file."""
    modules, release = modules_of(built)
    name = "kernel/drivers/net/tun.ko"
    path = f"{modules}/lib/modules/{release}/{name}".lstrip("/")
    tree = Tree()
    tree.file(path, b"this is no module")
    initrd = (folder / "initrd").read_bytes()
    # An uncompressed archive must begin at a multiple of 4 (initramfs buffer format).
    put(folder / "initrd", initrd + bytes(-len(initrd) % 4) + b"".join(cpio.pieces(tree)))
    said = lost(folder)
    assert f"rescue shell: stage-1 failed: the kernel refused the module {name}\n" in said
    assert "Loading kernel module tun...\n" in said


def test_a_module_that_the_kernel_lacks(built: Project) -> None:
    """The build of such a machine fails."""
    text = "name: lacking\nimports: [config.yaml]\nkernel: {modules: [virtio_blk, squashfs, overlayfs]}\n"
    (built.root / "lacking.yaml").write_text(text)
    done = built.doit("config=lacking.yaml", "runvm", check=False)
    assert done.returncode
    assert f"kernel {modules_of(built)[1]} has no module overlayfs: did you mean overlay" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not (built.root / "build/lacking/runvm.sh").exists()


MEMORY = [
    # It fails before its console works.
    ("48", "true", "QEMU has ended with status 0"),
    # Its initrd does not fit.
    ("64", "true", "its kernel panicked: .*Kernel panic - not syncing: .*memory"),
    # It boots, and a command allocates more than it has.
    ("128", TAKE_ALL, r"it ran out of memory, and the kernel killed a process: .*Killed process \d+ \(dd\)"),
]


@pytest.mark.parametrize(("memory", "command", "said"), MEMORY, ids=[each[0] for each in MEMORY])
def test_too_little_memory(folder: Path, lost: Lost, memory: str, command: str, said: str) -> None:
    """The memory is too small, but not refused before QEMU starts."""
    text = (folder / "runvm.sh").read_text()
    assert "\nleastMemory=96\n" in text
    put(folder / "runvm.sh", text.replace("\nleastMemory=96\n", "\nleastMemory=1\n").encode())
    assert re.search(said, lost(folder, command, MEMORY=memory).splitlines()[0])


@pytest.fixture(scope="module")
def machine(built: Project, machine_factory: MachineFactory) -> Machine:
    """Return a machine that continues after failures."""
    return machine_factory.at(built.script, scope="module")


def test_a_service_that_ends_at_once(machine: Machine) -> None:
    machine.succeed(
        "cp -r /etc/runit/services/sshd /run/broken && cd /run/broken && rm -r supervise run log"
        " && printf '#!/bin/sh\\nexit 3\\n' >run && chmod +x run && ln -s /run/broken /run/service"
    )
    machine.wait_for_console("broken ended with status 3; it starts again in 2 s")
    state = r"(down|finish|run): broken: "
    with pytest.raises(MachineTimeoutError, match=rf"service broken does not run: {AGAIN}{state}"):
        machine.wait_for_unit("broken", slowed(1))
    machine.succeed("rm /run/service/broken")
    machine.wait_for_unit("sshd")


def test_a_full_root(machine: Machine) -> None:
    """The error has the command and its output; with free space again the machine works."""
    with pytest.raises(CommandError, match=r"exit status 1\n(.*\n)*.*No space left on device"):
        machine.succeed("dd if=/dev/zero of=/filler bs=1M")
    assert "No space left on device" in machine.fail("echo x >/more")
    machine.succeed("rm /filler")
    assert machine.succeed("echo x >/more; cat /more") == "x\n"
    assert machine.shutdown() == 0
