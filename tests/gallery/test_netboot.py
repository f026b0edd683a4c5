"""A server that boots others: QEMU's firmware gets an address from it and runs its script."""

import re
import subprocess
from pathlib import Path

from tests.gallery.machines import Gallery


def test_a_computer_without_a_drive(gallery: Gallery, tmp_path: Path) -> None:
    machine = gallery("netboot")
    machine.wait_until_succeeds("sv check dnsmasq", seconds=60)
    # The network's address is in the server's command line: a computer without a drive joins it.
    words = Path(f"/proc/{machine.pid}/cmdline").read_bytes().decode().split("\0")
    (network,) = (each for each in words if each.startswith("socket,"))
    joined = re.sub(r"id=[^,]+", "id=net0", network)
    qemu = [*machine.built.tools.command(Path(words[0]).name), "-M", "q35,accel=tcg", "-m", "256"]
    log = tmp_path / "console"
    with subprocess.Popen(
        [
            *qemu,
            "-display",
            "none",
            "-netdev",
            joined,
            "-device",
            "virtio-net-pci,netdev=net0",
            "-serial",
            f"file:{log}",
        ],
        stdin=subprocess.DEVNULL,
    ) as computer:
        try:
            machine.wait_until_succeeds("grep 192.168.60.1 /var/lib/misc/dnsmasq.leases", seconds=90)
            machine.wait_until_succeeds("grep 'sent /srv/tftp/boot.ipxe' /var/log/*/current", seconds=90)
        finally:
            computer.kill()
    gallery.works(machine)
