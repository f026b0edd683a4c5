"""A server that boots others: a computer without a drive gets its kernel from it."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from notos.toolchain.tools_tree import ToolsTree
from notos.vm import Machine
from tests.gallery.machines import Gallery
from tests.this_host import wait_until


@contextmanager
def computer(server: Machine, roms: Path, console: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a computer without a drive on the server's network; its firmware is iPXE."""
    words = Path(f"/proc/{server.pid}/cmdline").read_bytes().decode().split("\0")
    (network,) = (each for each in words if each.startswith("socket,") and "mcast" in each)
    netdev = re.sub(r"id=\w+", "id=lan", network)
    tools = server.built.tools
    qemu = [
        *tools.command("qemu-system-x86_64"),
        *("-M", "q35,accel=tcg", "-cpu", "max", "-m", "512", "-nodefaults", "-display", "none", "-boot", "n"),
        *("-L", f"{tools.root}/usr/share/qemu", "-L", f"{tools.root}/usr/share/seabios"),
        *("-netdev", netdev, "-device", f"virtio-net-pci,netdev=lan,romfile={roms}/pxe-virtio.rom"),
        *("-serial", f"file:{console}"),
    ]
    print(shlex.join(qemu))
    with subprocess.Popen(qemu, stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_computer_without_a_drive(gallery: Gallery, tools_tree: ToolsTree, tmp_path: Path) -> None:
    """The kernel and the initrd are those of the server itself."""
    server = gallery("netboot")
    for name in ("vmlinuz", "initrd"):
        server.copy_to(server.built.folder / name, f"/srv/tftp/{name}")
    server.succeed("chmod a+r /srv/tftp/*")
    server.wait_for_unit("dnsmasq")
    console = tmp_path / "console"
    with computer(server, tools_tree.root / "usr/share/qemu", console) as process:
        server.wait_until_succeeds("grep 192.168.60.1 /var/lib/misc/dnsmasq.leases", seconds=60)
        gallery.works(server)
        assert process.poll() is None

        def booted() -> bool:
            return console.exists() and b"Entering stage-1" in console.read_bytes()

        wait_until(booted, lambda: console.read_bytes().decode(errors="replace"), seconds=240)
