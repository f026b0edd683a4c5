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

from notos.errors import MachineError, MachineLostError, MachineTimeoutError
from notos.live.ssh import LOST, Remote, connected
from notos.live.ssh_key import Address
from notos.process import Ended
from notos.vm.artefacts import Artefacts

Watch = Callable[[], None]

_TICK = 0.05  # seconds
READY = b"ready\n"


class BrokenError(MachineError):
    """The connection broke while a command ran."""


class Channel(Protocol):
    """What both can do."""

    def run(self, command: str, pieces: Iterable[bytes], seconds: float, watch: Watch) -> Ended:
        """Run a shell's command, for `seconds` at the most. Raises BrokenError, MachineError."""


class Ssh:
    """By one connection for all commands. `port` is asked for when it is made."""

    def __init__(self, built: Artefacts, port: Callable[[], int]) -> None:
        self._built = built
        self._port = port
        self._stack = ExitStack()
        self._remote: Remote | None = None

    def run(self, command: str, pieces: Iterable[bytes], seconds: float, watch: Watch) -> Ended:
        """As Channel says."""
        if self._remote is None:
            address = Address("", str(self._port()))
            try:
                self._remote = self._stack.enter_context(
                    connected(self._built.cache, self._built.tools, address, watch=watch)
                )
            except (MachineLostError, MachineTimeoutError):  # of who watches
                raise
            except MachineError as error:
                raise BrokenError(error.message) from None
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
        """Let go of the connection; the next command makes another."""
        self._remote = None
        self._stack.close()


class Backdoor:
    """By two ports of virtio-serial, with the service `backdoor` at their other ends (backdoor/run).

    To it, by the first: a line "notos-run NUMBER LIMIT LENGTH INPUT", and so many bytes of command and of
    input. From it: by the first what the command prints, in base64, then "!NUMBER STATUS"; by the second
    its errors, then "!NUMBER". When the service starts it says "ready" by both.
    """

    PORTS = ("notos.commands", "notos.errors")

    def __init__(self) -> None:
        pairs = [socket.socketpair() for _ in self.PORTS]
        self._commands, self._errors = (ours for ours, _ in pairs)
        self.streams = {name: theirs for name, (_, theirs) in zip(self.PORTS, pairs, strict=True)}
        self._got = {self._commands: bytearray(), self._errors: bytearray()}
        self._left = memoryview(b"")  # of a request, what is still to be sent
        self._number = 0
        self._open = ""  # the command that is not answered
        self._answer: Ended | None = None
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
        self._exchange(0)
        if self._open:
            self._finish(watch)
        self._until(lambda: self._ready, watch)
        self._number += 1
        given, text = b"".join(pieces), command.encode()
        # Of a request that a service has not read to its end, the next service reads the rest as lines.
        head = b"\nnotos-run %d %d %d %d\n" % (self._number, math.ceil(seconds), len(text), len(given))
        self._left = memoryview(head + text + given)
        self._open, self._answer = command, None
        self._until(lambda: not self._open, watch)
        if self._answer is None:
            raise BrokenError("the backdoor has begun anew")
        return self._answer

    def restarted(self) -> None:
        """The machine begins again, and its service will."""
        self._ready = False

    def close(self) -> None:
        """Close our ends."""
        for each in (self._commands, self._errors, *self.streams.values()):
            each.close()

    def _finish(self, watch: Watch) -> None:
        """Wait for the answer to an earlier command."""
        try:
            self._until(lambda: not self._open, watch)
        except MachineTimeoutError as error:
            raise MachineTimeoutError(
                f"{error.message}\nthe backdoor is still at an earlier command, {self._open}",
                hint="one that leaves a process behind has to send its output elsewhere",
            ) from None

    def _until(self, over: Callable[[], bool], watch: Watch) -> None:
        while not over():
            self._exchange(_TICK)
            watch()

    def _exchange(self, seconds: float) -> None:
        """Send and take what can be within `seconds`."""
        writable = [self._commands] if self._left else []
        reads, writes, _ = select.select(list(self._got), writable, [], seconds)
        if writes:
            self._left = self._left[self._commands.send(self._left[:65536], socket.MSG_DONTWAIT) :]
        for each in reads:
            data = each.recv(1 << 20)
            if not data:
                raise BrokenError("QEMU has hung up")
            self._got[each] += data
        if reads:
            self._understand()

    def _understand(self) -> None:
        """See what has come: neither "!" nor a line's end is a letter of base64."""
        out, err = self._got[self._commands], self._got[self._errors]
        if err.endswith(READY):
            err.clear()
        if out.endswith(READY):
            out.clear()
            self._left = memoryview(b"")
            self._open, self._ready = "", True
            return
        if not (out.endswith(b"\n") and err.endswith(b"\n") and b"!" in out[-32:] and b"!" in err[-32:]):
            return
        printed, _, ended = bytes(out).rpartition(b"!")
        complaints, _, number = bytes(err).rpartition(b"!")
        if int(number) == int(ended.split()[0]) == self._number:
            said = base64.b64decode(complaints).decode(errors="replace")
            self._answer = Ended(int(ended.split()[1]), base64.b64decode(printed), said)
            self._open = ""
        out.clear()
        err.clear()
