"""Ways to run a command in a machine: by ssh, or by the backdoor of machines that have no ssh.

Both give what the command printed byte for byte, and its status; both call `watch` all the while, which
raises when it is to be given up.
"""

import base64
import math
import select
import shlex
import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Protocol

from notos.errors import MachineError, MachineTimeoutError
from notos.remote import LOST, Remote, connected
from notos.run import Ended
from notos.ssh_key import Address
from notos.vm.built import Built

Watch = Callable[[], None]

_TICK = 0.05  # seconds
READY = b"ready\n"


class BrokenError(MachineError):
    """The connection broke while a command ran."""


class Channel(Protocol):
    """What both can do."""

    def run(self, command: str, pieces: Iterable[bytes], seconds: float, watch: Watch) -> Ended:
        """Run a shell's command, for `seconds` at the most. Raises BrokenError, MachineError."""

    def close(self) -> None:
        """Let go of it; the next command connects anew."""


class Ssh:
    """By one connection for all commands. `port` is asked for when it is made."""

    def __init__(self, built: Built, port: Callable[[], int]) -> None:
        self._built = built
        self._port = port
        self._stack = ExitStack()
        self._remote: Remote | None = None

    def run(self, command: str, pieces: Iterable[bytes], seconds: float, watch: Watch) -> Ended:
        """As Channel says. Raises MachineError when no connection can be made."""
        if self._remote is None:
            address = Address("", str(self._port()))
            self._remote = self._stack.enter_context(
                connected(self._built.cache, self._built.tools, address, watch=watch)
            )
        # A shell around it has a status for a command that was killed, for which ssh itself has only LOST.
        try:
            done = self._remote.call(f"sh -c {shlex.quote(command)}; exit $?", pieces, watch=watch)
        except BaseException:
            self.close()  # and with it what the command goes on to say
            raise
        if done.status == LOST and not self._remote.alive():
            self.close()
            raise BrokenError(done.err.strip() or "the connection broke")
        return done

    def close(self) -> None:
        """As Channel says."""
        self._remote = None
        self._stack.close()


class Backdoor:
    """By two ports of virtio-serial, with the service `backdoor` at their other ends (backdoor/run).

    To it, by the first: a line "LIMIT LENGTH INPUT", and so many bytes of command and of input.
    From it: by the first what the command prints, in base64, then "!STATUS"; by the second its errors,
    then "!". When the service starts it says "ready".
    """

    PORTS = ("notos.commands", "notos.errors")

    def __init__(self) -> None:
        pairs = [socket.socketpair() for _ in self.PORTS]
        self._commands, self._errors = (ours for ours, _ in pairs)
        self.streams = {name: theirs for name, (_, theirs) in zip(self.PORTS, pairs, strict=True)}
        self._got = {self._commands: bytearray(), self._errors: bytearray()}
        self._busy = ""
        self._ready = False

    @staticmethod
    def devices(microvm: bool) -> list[str]:
        """QEMU's words for the ports."""
        words = ["-device", "virtio-serial-device" if microvm else "virtio-serial-pci"]
        for name in Backdoor.PORTS:
            words += ["-device", f"virtserialport,chardev={name},name={name}"]
        return words

    def run(self, command: str, pieces: Iterable[bytes], seconds: float, watch: Watch) -> Ended:
        """As Channel says. One that was given up is waited for first, as its limit is the machine's too."""
        if self._busy:
            try:
                self._exchange(b"", _answered, watch)
            except MachineTimeoutError as error:
                raise MachineTimeoutError(
                    f"{error.message}\nthe backdoor is still at an earlier command, {self._busy}",
                    hint="one that leaves a process behind has to send its output elsewhere",
                ) from None
        self._busy = command
        if not self._ready:
            self._exchange(b"", lambda out, _: out.endswith(READY), watch)
            self._ready = True
        given, text = b"".join(pieces), command.encode()
        request = b"%d %d %d\n" % (math.ceil(seconds), len(text), len(given)) + text + given
        out, err = self._exchange(request, _answered, watch)
        self._busy = ""
        if out.endswith(READY):
            raise BrokenError("the backdoor has begun anew")
        printed, _, status = out.rpartition(b"!")
        complaints = base64.b64decode(err.removesuffix(b"!\n"))
        return Ended(int(status), base64.b64decode(printed), complaints.decode(errors="replace"))

    def restarted(self) -> None:
        """The machine has begun again, and its service with it."""
        self._got = {self._commands: bytearray(), self._errors: bytearray()}
        self._busy = ""
        self._ready = False

    def close(self) -> None:
        """As Channel says."""

    def end(self) -> None:
        """Close our ends."""
        for each in (self._commands, self._errors, *self.streams.values()):
            each.close()

    def _exchange(
        self, request: bytes, complete: Callable[[bytearray, bytearray], bool], watch: Watch
    ) -> tuple[bytes, bytes]:
        """Send `request`, and read both ports until what came is `complete`."""
        got = self._got
        left = memoryview(request)
        while not complete(got[self._commands], got[self._errors]):
            writable = [self._commands] if left else []
            reads, writes, _ = select.select(list(got), writable, [], _TICK)
            if writes:
                left = left[self._commands.send(left[:65536], socket.MSG_DONTWAIT) :]
            for each in reads:
                data = each.recv(1 << 20)
                if not data:
                    raise BrokenError("QEMU has hung up")
                got[each] += data
            watch()
        self._got = {each: bytearray() for each in got}
        return bytes(got[self._commands]), bytes(got[self._errors])


def _answered(out: bytearray, err: bytearray) -> bool:
    """Whether an answer is whole: neither mark is a letter of base64, nor is a line's end."""
    if out.endswith(READY):
        return True
    return out.endswith(b"\n") and b"!" in out[-8:] and err.endswith(b"!\n")
