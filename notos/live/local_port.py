"""A machine behind a port of this host: whether it runs, still boots, or is another program, by /proc.

Sources: proc_net(5), proc_pid_fd(5), proc_pid_cmdline(5).
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from notos.errors import MachineError
from notos.live.ssh import refused
from notos.live.ssh_key import Address

SETTLED = 60.0  # seconds after its start from which a machine is taken to have booted
BOOT = 180.0  # seconds for which a boot is waited for
_NOTE = 0.5  # seconds before a wait is announced
# OpenSSH's server to a caller that it does not serve now (sshd_config(5), MaxStartups, PerSourcePenalties).
_BUSY = (b"Not allowed at this time", b"Exceeded MaxStartups")
_LISTEN = "0A"
_LOCAL = ("0100007F", "00000000", "0000000000000000FFFF00000100007F", "0" * 32)


@dataclass(frozen=True)
class Process:
    """A process of this host, by what it may show to us."""

    pid: int
    words: Sequence[str]  # its command line

    @property
    def name(self) -> str:
        """The name of its program."""
        return self.words[0].rpartition("/")[2]

    @property
    def is_machine(self) -> bool:
        """Return True if it is a QEMU; ours is started by its own loader."""
        return any("qemu-system-" in word for word in self.words[:4])

    def age(self) -> float:
        """Return the seconds since its start; 0 if it has ended."""
        try:
            text = Path(f"/proc/{self.pid}/stat").read_text(errors="replace")
        except OSError:
            return 0.0
        started = int(text.rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def wait(address: Address, script: Path, note: Callable[[str], None], *, seconds: float = BOOT) -> None:
    """Wait until the ssh server of the machine at `address`, a port of this host, answers.

    `script` is the machine's runvm.sh, `note` gets one line if there is something to wait for. A machine that
    has run for a minute is not waited for. Raises MachineError where no machine runs, where the port belongs
    to another program, and after `seconds`.
    """
    port = int(address.port)
    owner = listener(port)
    if owner and not owner.is_machine:
        raise _other(port, f"{owner.name}, process {owner.pid}")
    if owner and owner.age() > SETTLED:
        return
    from notos.live.wait_for_ssh import SLOWEST, Door  # the package takes 0.1 s to import

    begun = time.monotonic()
    noted = False
    with Door(port, slowest=SLOWEST) as door:
        while not door.opened(b"SSH-"):
            if door.heard and not door.heard.startswith(_BUSY):
                raise _other(port, f'it says "{door.heard.decode(errors="replace").splitlines()[0].strip()}"')
            if not door.listens and not _starts(port, script):
                raise refused(address)
            waited = time.monotonic() - begun
            if waited > seconds:
                raise MachineError(
                    f"the ssh server behind {address} has not answered for {seconds:.0f} s",
                    hint="the machine's console shows what it is at",
                )
            if waited > _NOTE and not noted:
                note(f"waiting for the machine at {address} to boot; ctrl-c stops")
                noted = True


def listener(port: int) -> Process | None:
    """Return the process that listens at `port` of 127.0.0.1; None where none does, or another user's."""
    wanted = {f"socket:[{inode}]" for inode in _sockets(port)}
    if not wanted:
        return None
    for each in _processes():
        try:
            if any(os.readlink(entry.path) in wanted for entry in os.scandir(f"/proc/{each.pid}/fd")):
                return each
        except OSError:  # it has ended, or is another user's
            continue
    return None


def _other(port: int, what: str) -> MachineError:
    return MachineError(
        f"port {port} of 127.0.0.1 belongs to another program ({what})",
        hint="end it, or give the machine another port: SSH_PORT=NUMBER ./result, SSH_PORT=NUMBER ./doit ssh",
    )


def _starts(port: int, script: Path) -> bool:
    """Return True while runvm.sh or the QEMU that will listen at `port` is starting."""
    forward = f"hostfwd=tcp:127.0.0.1:{port}-"
    target = script.resolve()
    for each in _processes():
        if each.is_machine and any(forward in word for word in each.words):
            return True
        try:
            if any(Path(f"/proc/{each.pid}/cwd", word).resolve() == target for word in each.words[:2]):
                return True
        except OSError:
            continue
    return False


def _sockets(port: int) -> Iterator[str]:
    """The inodes of what listens there."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, *rest = line.split()
            host, _, at = local.partition(":")
            if state == _LISTEN and host in _LOCAL and int(at, 16) == port:
                yield rest[5]


def _processes() -> Iterator[Process]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                text = Path(entry.path, "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if text:
                yield Process(int(entry.name), text.rstrip("\0").split("\0"))
