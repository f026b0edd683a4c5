"""A machine without Nix and with dropbear boots, takes a key and ends."""

from tests.boot.console import Console
from tests.conftest import Project

CONFIG = "examples/minimal.yaml"


def test_minimal(built: Project) -> None:
    built.doit(f"config={CONFIG}", "runvm")
    script = built.root / "build/minimal/runvm.sh"
    with Console(script, project=built, config=CONFIG) as console:
        console.wait_for("Running sshd")
        console.wait_for_ssh()
        assert console.ssh("hostname; sv status sshd").startswith("minimal\nrun: sshd: ")
        assert console.ssh("ls /nix/var 2>/dev/null || echo none") == "none\n"
        console.ssh("reboot", check=False)
        assert console.end() == 0  # QEMU runs with -no-reboot
        assert any("reboot" in line for line in console.lines)
