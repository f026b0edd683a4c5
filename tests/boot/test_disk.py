"""A machine with a drive: what is kept over a poweroff, a pulled plug and another image; what is refused."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.boot.console import Console
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
UP = f"for i in $(seq 300); do {KNOWN} && exit; sleep 0.1; done; exit 1"


@pytest.fixture(scope="module")
def kept(built: Project) -> Project:
    """The default machine with a drive."""
    return machine_of(built, KEPT)


def machine_of(built: Project, text: str) -> Project:
    (built.root / "kept.yaml").write_text(text)
    built.doit("config=kept.yaml", "runvm")
    return Project(built.root, "kept")


@pytest.fixture
def boot(kept: Project) -> Callable[..., Console]:
    def start(*words: str, **environment: str) -> Console:
        return Console(kept.script, *words, project=kept, config="kept.yaml", **environment)

    return start


def up(console: Console) -> None:
    console.wait_for_ssh()
    console.ssh(UP)


def test_what_is_written_is_kept(built: Project, boot: Callable[..., Console]) -> None:
    """Over a poweroff, a plug pulled in the middle of a build, and the image of another system."""
    with boot() as console:
        console.wait_for("Making a file system on /dev/vdb")
        up(console)
        first_key = console.ssh("cat /var/lib/ssh/ssh_host_ed25519_key")
        old_system = console.ssh("readlink /run/current-system").strip()
        old_path = console.ssh("readlink -f /usr").strip()
        console.ssh(f"cat >/root/wants.nix <<'E'\n{WANTS_SYSTEM}E\ncat >/root/slow.nix <<'E'\n{SLOW}E\n")
        console.ssh("echo kept | tee /root/file /var/file /tmp/file; echo gone >/run/file")
        wants = console.ssh(f"cd /root && SW={old_path} nix-build -o wants wants.nix").strip()
        console.ssh("poweroff", check=False)
        assert console.end() == 0

    with boot() as console:
        up(console)
        assert not any("Making a file system" in line or "in order" in line for line in console.lines)
        assert console.ssh("cat /root/file /var/file; ls /tmp/file /run/file 2>&1", check=False).startswith(
            "kept\nkept\nls: /tmp/file: No such file"
        )
        assert console.ssh("cat /root/wants").strip() == f"{old_path}/bin/bash"
        # One build is done, and has not been synced by anybody; another is in the middle.
        console.ssh("cd /root && nix-build -o done slow.nix")
        console.ssh("cd /root && (SALT=endless nix-build -o endless slow.nix >/dev/null 2>&1 &) && sleep 3")
        console.pull_the_plug()

    with boot() as console:
        console.wait_for("/dev/vdb was not left in order; its journal was replayed")
        up(console)
        assert console.ssh(VERIFY).endswith("whole\n")
        assert "disappeared" not in console.ssh(VERIFY)
        assert console.ssh("tail -n 1 /root/done; wc -l </root/done") == "19999\n20000\n"
        assert console.ssh("ls /root/endless 2>/dev/null || echo none") == "none\n"
        console.ssh("poweroff", check=False)
        assert console.end() == 0

    machine_of(built, CHANGED)
    with boot() as console:
        console.wait_for("Enlarging the file system on /dev/vdb")
        up(console)
        assert console.ssh("cat /etc/motd") == "another image"
        assert int(console.ssh("df -m / | tail -n 1 | awk '{print $2}'")) > 550
        assert console.ssh("readlink -f /usr").strip() != old_path
        # What was built, and what it needs of the earlier image; of which nothing else is left.
        assert console.ssh("cat /root/wants").strip() == f"{old_path}/bin/bash"
        assert console.ssh(f"{old_path}/bin/bash -c 'echo $((6 * 7))'") == "42\n"
        console.ssh(f"for i in $(seq 100); do [ -e {old_system} ] || exit 0; sleep 0.1; done; exit 1")
        said = console.ssh(VERIFY)
        assert said.endswith("whole\n")
        assert "disappeared" not in said
        references = console.ssh(f"nix-store -q --references {wants}; nix path-info -rS /run/current-system")
        assert old_path in references
        assert len(console.ssh("ls /nix/.images").split()) == 2
        # The key, for someone whose runvm.sh does not know it, is the one it had.
        assert console.ssh("cat /var/lib/ssh/ssh_host_ed25519_key") == first_key
        console.ssh("rm /root/wants && nix-store --gc && sync")
        console.pull_the_plug()

    with boot() as console:
        up(console)
        console.ssh(
            "for i in $(seq 100); do set -- /nix/.images/*; [ $# = 1 ] && exit; sleep 0.1; done; exit 1"
        )
        assert console.ssh(VERIFY).endswith("whole\n")
        assert console.ssh(f"ls {old_path} 2>/dev/null || echo gone") == "gone\n"

    # Back to the image whose objects were deleted.
    machine_of(built, KEPT.replace("512M", "600M"))
    with boot() as console:
        up(console)
        assert console.ssh("readlink /run/current-system").strip() == old_system
        assert console.ssh(VERIFY).endswith("whole\n")
        assert old_path in console.ssh("nix path-info -r /run/current-system")
        # Switched to what the next image brings itself; and back, to what only this one has.
        (built.root / "kept.yaml").write_text(SWITCHED)
        built.doit("config=kept.yaml", "switch", SSH_PORT=console.port)
        console.pull_the_plug()

    machine_of(built, SWITCHED)
    with boot() as console:
        up(console)
        assert console.ssh("cat /etc/motd") == "switched"
        assert console.ssh(VERIFY).endswith("whole\n")
        assert (
            len(built.doit("config=kept.yaml", "generations", SSH_PORT=console.port).stdout.splitlines()) == 2
        )
        said = built.doit("config=kept.yaml", "rollback", SSH_PORT=console.port).stdout
        assert "this is generation 1," in said
        assert console.ssh("readlink /run/current-system").strip() == old_system
        assert console.ssh(VERIFY).endswith("whole\n")


def test_a_drive_without_room_for_the_image(built: Project) -> None:
    """Nix works, and its collector makes room; below the next image the database is whole again."""

    def image(motd: str) -> Console:
        text = f"name: narrow\nimports: [config.yaml]\ndisk: 64M\netc: {{motd: {{text: {motd}}}}}\n"
        (built.root / "narrow.yaml").write_text(text)
        built.doit("config=narrow.yaml", "runvm")
        return Console(Project(built.root, "narrow").script, project=built, config="narrow.yaml")

    with image("one") as console:
        up(console)
        zeros = "dd if=/dev/zero bs=1M 2>/dev/null"
        console.ssh(f"{zeros} of=/root/last count=4; {zeros} of=/root/filler; sync")
        console.ssh("poweroff", check=False)
        assert console.end() == 0
    with image("two") as console:
        console.wait_for("drive has no room for a copy of its image, so what is built from it may be lost")
        console.ssh("rm /root/last; sync")
        up(console)
        assert console.ssh(VERIFY).endswith("whole\n")
        console.ssh("nix-store --gc && cat /etc/motd && nix path-info -r /run/current-system")
        console.pull_the_plug()
    with image("three") as console:
        console.wait_for(
            "The image before this one could not be kept; the database forgets what only that one had"
        )
        up(console)
        assert console.ssh(VERIFY).endswith("whole\n")


SMALL = "name: small\nimports: [examples/minimal.yaml]\ndisk: 600M\n"


@pytest.fixture(scope="module")
def small(built: Project) -> Callable[[Path], Console]:
    """A machine without Nix, on the drive that is named."""
    (built.root / "small.yaml").write_text(SMALL)
    built.doit("config=small.yaml", "runvm")
    script = built.root / "build/small/runvm.sh"
    return lambda drive: Console(script, project=built, config="small.yaml", DISK=str(drive))


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Path]:
    """A blank drive of the size that is wanted."""
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


def test_what_is_not_blank_is_refused(small: Callable[[Path], Console], drive: Path) -> None:
    end = (600 << 20) - 512
    marks(drive, **{f"_{end}": b"EFI PART"})
    with small(drive) as console:
        console.wait_for(
            r"stage-1 failed: /dev/vdb \(realroot=\) is neither blank nor an ext4 labelled notos; nothing"
        )
    with drive.open("rb") as stream:
        stream.seek(end)
        assert stream.read(8) == b"EFI PART"
    assert drive.stat().st_blocks * 512 <= 1 << 16


def test_a_broken_file_system_is_told(
    small: Callable[[Path], Console], drive: Path, tool: Callable[[str], list[str]]
) -> None:
    subprocess.run([*tool("mke2fs"), "-q", "-F", "-t", "ext4", "-L", "notos", drive], check=True)
    # The root directory's inode (2, of 256 bytes, in the first group's table) is not one any more.
    said = subprocess.run([*tool("dumpe2fs"), drive], check=True, capture_output=True, text=True).stdout
    block = int(said.split("Inode table at ")[1].split("-")[0])
    size = int(said.split("Block size:")[1].split()[0])
    marks(drive, **{f"_{block * size + 256}": os.urandom(128)})
    with small(drive) as console:
        console.wait_for(
            r"stage-1 failed: e2fsck cannot mend /dev/vdb \(realroot=\) by itself; try e2fsck -f"
        )
        console.wait_for("rescue shell")


def test_a_file_system_half_made_is_made_again(small: Callable[[Path], Console], drive: Path) -> None:
    place = (600 << 20) - 384 * 512
    marks(
        drive,
        **{
            f"_{place}": b"notos is making a file system here\n",
            f"_{100 << 20}": b"half",
            "_1080": b"\x53\xef",
        },
    )
    with small(drive) as console:
        console.wait_for("Making a file system on /dev/vdb")
        console.wait_for("Switching root")
    with drive.open("rb") as stream:
        stream.seek(place)
        assert stream.read(512) == bytes(512)


def test_a_file_with_the_marker_s_words_is_only_a_file(small: Callable[[Path], Console], drive: Path) -> None:
    """Where a file system that was in use has them at the marker's place, it is not made again."""
    with small(drive) as console:
        console.wait_for("Making a file system on /dev/vdb")
        console.wait_for_ssh()
        console.ssh("echo precious >/root/precious; poweroff", check=False)
        assert console.end() == 0
    place = (600 << 20) - 384 * 512
    marks(drive, **{f"_{place}": b"notos is making a file system here\n"})
    with small(drive) as console:
        console.wait_for_ssh()
        assert console.ssh("cat /root/precious") == "precious\n"


def test_a_machine_without_nix_keeps_its_key(small: Callable[[Path], Console], drive: Path) -> None:
    """Dropbear's; /var is there, and no images."""
    key = "dropbearkey -y -f /var/lib/ssh/dropbear_ed25519_host_key | grep Fingerprint"
    found = []
    for _ in range(2):
        with small(drive) as console:
            console.wait_for_ssh()
            found.append(
                console.ssh(f"{key}; echo x >>/var/lib/count; wc -l </var/lib/count; ls /nix/.images")
            )
            console.ssh("poweroff", check=False)
            assert console.end() == 0
    assert found[1] == found[0].replace("\n1\n", "\n2\n")
