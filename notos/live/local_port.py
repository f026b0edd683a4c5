"""The process behind a port of this host, from /proc: a running or booting machine, or another program.

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

SETTLED = 60.0  # seconds after its start; then a machine counts as booted
BOOT = 180.0  # timeout in seconds for a boot
_NOTE = 0.5  # seconds of waiting before a note
# Answers of an overloaded OpenSSH server (sshd_config(5), MaxStartups, PerSourcePenalties).
_BUSY = (b"Not allowed at this time", b"Exceeded MaxStartups")
_LISTEN = "0A"
_LOCAL = ("0100007F", "00000000", "0000000000000000FFFF00000100007F", "0" * 32)


@dataclass(frozen=True)
class Process:
    """A process of this host, as far as /proc shows it to this user."""

    pid: int
    words: Sequence[str]  # its command line

    @property
    def name(self) -> str:
        """The name of its program."""
        return self.words[0].rpartition("/")[2]

    @property
    def is_machine(self) -> bool:
        """Return True if it is QEMU, which may be an argument of its own dynamic loader."""
        return any("qemu-system-" in word for word in self.words[:4])

    def age(self) -> float:
        """Return the seconds since the process started; 0 if it has ended."""
        try:
            text = Path(f"/proc/{self.pid}/stat").read_text(errors="replace")
        except OSError:
            return 0.0
        started = int(text.rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def wait(address: Address, script: Path, note: Callable[[str], None], *, seconds: float = BOOT) -> None:
    """Wait until the ssh server of the machine at `address`, a port of this host, answers.

    `script` is the machine's runvm.sh; `note` is called with one line if the wait takes time. A machine that
    has run for a minute needs no wait. Raises MachineError if no machine runs, if the port belongs to another
    program, and after `seconds`.
    """
    port = int(address.port)
    owner = listener(port)
    if owner and not owner.is_machine:
        raise _other(port, f"{owner.name}, process {owner.pid}")
    if owner and owner.age() > SETTLED:
        return
    from notos.live.wait_for_ssh import SLOWEST, Probe  # takes 0.1 s to import

    begun = time.monotonic()
    noted = False
    with Probe(port, slowest=SLOWEST) as probe:
        while not probe.answered(b"SSH-"):
            if probe.other_answer and not probe.other_answer.startswith(_BUSY):
                first = probe.other_answer.decode(errors="replace").splitlines()[0].strip()
                raise _other(port, f'it answers "{first}"')
            if not probe.listens and not _starts(port, script):
                raise refused(address)
            waited = time.monotonic() - begun
            if waited > seconds:
                raise MachineError(
                    f"the ssh server behind {address} has not answered for {seconds:.0f} s",
                    hint="look at the machine's console",
                )
            if waited > _NOTE and not noted:
                note(f"waiting for the machine at {address} to boot; press ctrl-c to stop")
                noted = True


def listener(port: int) -> Process | None:
    """Return the process that listens on `port` of 127.0.0.1; None if there is none or another user's."""
    wanted = {f"socket:[{inode}]" for inode in _sockets(port)}
    if not wanted:
        return None
    for each in _processes():
        try:
            if any(os.readlink(entry.path) in wanted for entry in os.scandir(f"/proc/{each.pid}/fd")):
                return each
        except OSError:  # it has ended or is another user's
            continue
    return None


def _other(port: int, what: str) -> MachineError:
    return MachineError(
        f"port {port} of 127.0.0.1 belongs to another program ({what})",
        hint="stop it, or use another port: SSH_PORT=NUMBER ./result, SSH_PORT=NUMBER ./doit ssh",
    )


def _starts(port: int, script: Path) -> bool:
    """Return True while runvm.sh or a QEMU that will listen on `port` is starting."""
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
    """Yield the inodes of the sockets that listen on `port` of this host."""
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
