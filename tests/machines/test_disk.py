"""A machine with a drive: data that survives a poweroff, a power failure and a new image; refused drives."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from notos.vm import Machine
from notos.vm.plugin import MachineFactory
from tests.conftest import Project

KEPT = """
name: kept
imports: [config.yaml]
disk: {size: 512M}
"""
# Another /usr, another /etc, another drive's size.
CHANGED = """
name: kept
imports: [config.yaml]
disk: {size: 600M}
etc: {motd: {text: another image}}
system: {packages: [zstd]}
"""
SWITCHED = KEPT.replace("512M", "600M") + "etc: {motd: {text: switched}}\n"
# Something built that needs the /usr it was built with; and something that takes a while.
WANTS_SYSTEM = """
derivation {
  name = "wants-system"; system = builtins.currentSystem; builder = "/bin/sh";
  args = [ "-c" "echo ${builtins.storePath (builtins.getEnv "SW")}/bin/bash >$out" ];
}
"""
SLOW = """
derivation {
  name = "slow"; system = builtins.currentSystem; builder = "/bin/sh"; salt = builtins.getEnv "SALT";
  args = [ "-c" ''
    i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done >$out
    while [ -n "$salt" ]; do :; done
  '' ];
}
"""
VERIFY = "nix-store --verify --check-contents 2>&1 && echo whole"
KNOWN = "[ /nix/var/nix/db/registered -ef /run/booted-system ]"


def test_data_survives(built: Project, machine_factory: MachineFactory) -> None:
    """Data survives a poweroff, a power failure during a build, and the image of another system."""
    machine = machine_factory.at(built.build("kept", KEPT).script)
    machine.wait_for_console("Making a file system on /dev/vdb")
    machine.wait_until_succeeds(KNOWN)
    first_key = machine.succeed("cat /var/lib/ssh/ssh_host_ed25519_key")
    old_system = machine.succeed("readlink /run/current-system").strip()
    old_path = machine.succeed("readlink -f /usr").strip()
    machine.succeed(f"cat >/root/wants.nix <<'E'\n{WANTS_SYSTEM}E\ncat >/root/slow.nix <<'E'\n{SLOW}E\n")
    machine.succeed("echo kept | tee /root/file /var/file /tmp/file; echo gone >/run/file")
    wants = machine.succeed(f"cd /root && SW={old_path} nix-build -o wants wants.nix").strip()
    assert machine.shutdown() == 0

    machine.start()
    machine.wait_until_succeeds(KNOWN)
    assert not machine.console.find(re.compile("Making a file system|unmounted cleanly"))
    said = machine.fail("cat /root/file /var/file; ls /tmp/file /run/file 2>&1")
    assert said.startswith("kept\nkept\nls: /tmp/file: No such file")
    assert machine.succeed("cat /root/wants").strip() == f"{old_path}/bin/bash"
    # One build is finished but not synced; another one is running.
    machine.succeed("cd /root && nix-build -o done slow.nix")
    machine.succeed("cd /root && (SALT=endless nix-build -o endless slow.nix >/dev/null 2>&1 &)")
    machine.wait_until_succeeds("cat /proc/[0-9]*/cmdline 2>/dev/null | grep -q 'i=0; [w]hile'")
    machine.crash()

    machine.start()
    machine.wait_for_console("/dev/vdb was not unmounted cleanly; its journal was replayed")
    machine.wait_until_succeeds(KNOWN)
    assert machine.succeed(VERIFY).endswith("whole\n")
    assert "disappeared" not in machine.succeed(VERIFY)
    assert machine.succeed("tail -n 1 /root/done; wc -l </root/done") == "19999\n20000\n"
    assert machine.succeed("ls /root/endless 2>/dev/null || echo none") == "none\n"
    assert machine.shutdown() == 0

    built.build("kept", CHANGED)
    machine.start()
    machine.wait_for_console("Enlarging the file system on /dev/vdb")
    machine.wait_until_succeeds(KNOWN)
    assert machine.succeed("cat /etc/motd") == "another image"
    assert int(machine.succeed("df -m / | tail -n 1 | awk '{print $2}'")) > 550
    assert machine.succeed("readlink -f /usr").strip() != old_path
    # The build and the objects of the earlier image that it needs remain; the others were deleted.
    assert machine.succeed("cat /root/wants").strip() == f"{old_path}/bin/bash"
    assert machine.succeed(f"{old_path}/bin/bash -c 'echo $((6 * 7))'") == "42\n"
    machine.wait_until_fails(f"[ -e {old_system} ]")
    said = machine.succeed(VERIFY)
    assert said.endswith("whole\n")
    assert "disappeared" not in said
    references = machine.succeed(f"nix-store -q --references {wants}; nix path-info -rS /run/current-system")
    assert old_path in references
    assert len(machine.succeed("ls /nix/.images").split()) == 2
    # The host key is unchanged, also for a user whose runvm.sh does not have it.
    assert machine.succeed("cat /var/lib/ssh/ssh_host_ed25519_key") == first_key
    machine.succeed("rm /root/wants && nix-store --gc && sync")
    machine.crash()

    machine.start()
    machine.wait_until_succeeds(KNOWN)
    machine.wait_until_succeeds("set -- /nix/.images/*; [ $# = 1 ]")
    assert machine.succeed(VERIFY).endswith("whole\n")
    assert machine.succeed(f"ls {old_path} 2>/dev/null || echo gone") == "gone\n"
    machine.crash()

    # Back to the image whose objects were deleted.
    built.build("kept", KEPT.replace("512M", "600M"))
    machine.start()
    machine.wait_until_succeeds(KNOWN)
    assert machine.succeed("readlink /run/current-system").strip() == old_system
    assert machine.succeed(VERIFY).endswith("whole\n")
    assert old_path in machine.succeed("nix path-info -r /run/current-system")
    # Switch to the system of the next image, and back to one that only this image has.
    (built.root / "kept.yaml").write_text(SWITCHED)
    built.doit("config=kept.yaml", "switch", SSH_PORT=str(machine.forward(22)))
    machine.crash()

    built.build("kept", SWITCHED)
    machine.start()
    machine.wait_until_succeeds(KNOWN)
    assert machine.succeed("cat /etc/motd") == "switched"
    assert machine.succeed(VERIFY).endswith("whole\n")
    there = ("config=kept.yaml", f"port={machine.forward(22)}")
    assert len(built.doit(*there, "generations").stdout.splitlines()) == 2
    said = built.doit(*there, "rollback").stdout
    assert "this is generation 1," in said
    assert machine.succeed("readlink /run/current-system").strip() == old_system
    assert machine.succeed(VERIFY).endswith("whole\n")


def test_a_drive_without_room_for_the_image(built: Project, machine_factory: MachineFactory) -> None:
    """Nix works, and its collector frees space; with the next image the database is complete again."""

    def image(motd: str) -> Machine:
        text = f"name: narrow\nimports: [config.yaml]\ndisk: 64M\netc: {{motd: {{text: {motd}}}}}\n"
        return machine_factory.at(built.build("narrow", text).script)

    machine = image("one")
    machine.wait_until_succeeds(KNOWN)
    zeros = "dd if=/dev/zero bs=1M 2>/dev/null"
    machine.succeed(f"{zeros} of=/root/last count=4; {zeros} of=/root/filler; sync")
    assert machine.shutdown() == 0
    machine = image("two")
    machine.wait_for_console(
        "drive has no room for a copy of its image; programs built from this image may break"
    )
    machine.succeed("rm /root/last; sync")
    machine.wait_until_succeeds(KNOWN)
    assert machine.succeed(VERIFY).endswith("whole\n")
    machine.succeed("nix-store --gc && cat /etc/motd && nix path-info -r /run/current-system")
    machine.crash()
    machine = image("three")
    machine.wait_for_console(
        "The previous image could not be kept; removing its objects from the Nix database"
    )
    machine.wait_until_succeeds(KNOWN)
    assert machine.succeed(VERIFY).endswith("whole\n")


SMALL = "name: small\nimports: [examples/minimal.yaml]\ndisk: 600M\n"


@pytest.fixture(scope="module")
def small(built: Project, machine_factory: MachineFactory) -> Callable[[Path], Machine]:
    """Return a function that boots a machine without Nix on a given drive."""
    script = built.build("small", SMALL).script
    return lambda drive: machine_factory.at(script, environment={"DISK": str(drive)})


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Path]:
    """Return the path of a blank drive."""
    path = tmp_path / "drive.img"
    with path.open("wb") as stream:
        stream.truncate(600 << 20)
    yield path
    path.unlink()


def marks(path: Path, **at: bytes) -> None:
    with path.open("r+b") as stream:
        for offset, data in at.items():
            stream.seek(int(offset[1:]))
            stream.write(data)


def test_a_drive_with_other_data_is_refused(small: Callable[[Path], Machine], drive: Path) -> None:
    end = (600 << 20) - 512
    marks(drive, **{f"_{end}": b"EFI PART"})
    machine = small(drive)
    machine.wait_for_console(
        "stage-1 failed: /dev/vdb (realroot=) is neither blank nor an ext4 labelled notos; nothing"
    )
    machine.crash()
    with drive.open("rb") as stream:
        stream.seek(end)
        assert stream.read(8) == b"EFI PART"
    assert drive.stat().st_blocks * 512 <= 1 << 16


def test_a_broken_file_system_is_reported(
    small: Callable[[Path], Machine], drive: Path, tool: Callable[[str], list[str]]
) -> None:
    subprocess.run([*tool("mke2fs"), "-q", "-F", "-t", "ext4", "-L", "notos", drive], check=True)
    # Destroy the root directory's inode (2, of 256 bytes, in the first group's table).
    said = subprocess.run([*tool("dumpe2fs"), drive], check=True, capture_output=True, text=True).stdout
    block = int(said.split("Inode table at ")[1].split("-")[0])
    size = int(said.split("Block size:")[1].split()[0])
    marks(drive, **{f"_{block * size + 256}": os.urandom(128)})
    machine = small(drive)
    machine.wait_for_console("EXT4-fs error (device vdb): ")
    machine.wait_for_console(
        "stage-1 failed: e2fsck cannot mend /dev/vdb (realroot=) by itself; try e2fsck -f"
    )
    machine.wait_for_console("rescue shell")


def test_an_incomplete_file_system_is_made_again(small: Callable[[Path], Machine], drive: Path) -> None:
    place = (600 << 20) - 384 * 512
    marks(
        drive,
        **{
            f"_{place}": b"notos is making a file system here\n",
            f"_{100 << 20}": b"half",
            "_1080": b"\x53\xef",
        },
    )
    machine = small(drive)
    machine.wait_for_console("Making a file system on /dev/vdb")
    machine.wait_for_console("Switching root")
    machine.crash()
    with drive.open("rb") as stream:
        stream.seek(place)
        assert stream.read(512) == bytes(512)


def test_a_file_with_the_markers_text_is_harmless(small: Callable[[Path], Machine], drive: Path) -> None:
    """A file system in use with this text at the marker's place is not made again."""
    machine = small(drive)
    machine.wait_for_console("Making a file system on /dev/vdb")
    machine.succeed("echo precious >/root/precious")
    assert machine.shutdown() == 0
    place = (600 << 20) - 384 * 512
    marks(drive, **{f"_{place}": b"notos is making a file system here\n"})
    machine.start()
    assert machine.succeed("cat /root/precious") == "precious\n"


def test_a_machine_without_nix_keeps_its_key(small: Callable[[Path], Machine], drive: Path) -> None:
    """Dropbear's key is kept, /var exists, and no images exist."""
    key = "dropbearkey -y -f /var/lib/ssh/dropbear_ed25519_host_key | grep Fingerprint"
    found = []
    for _ in range(2):
        machine = small(drive)
        found.append(
            machine.succeed(f"{key}; echo x >>/var/lib/count; wc -l </var/lib/count; ls /nix/.images")
        )
        assert machine.shutdown() == 0
    assert found[1] == found[0].replace("\n1\n", "\n2\n")
