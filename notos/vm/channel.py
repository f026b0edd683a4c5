"""Channels to run commands in a machine: ssh, or the backdoor for machines without ssh.

Both return a command's exact output and its status; both call `watch` while it runs, which raises an
exception to abort the wait.
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
    """The interface of both channels."""

    def run(self, command: str, pieces: Iterable[bytes], seconds: float, watch: Watch) -> Ended:
        """Run a shell command for at most `seconds`, with `pieces` as its input.

        Raises BrokenError, MachineError.
        """


class Ssh:
    """The channel by ssh, one connection for all commands. `port` is called when the connection is made."""

    def __init__(self, built: Artefacts, port: Callable[[], int]) -> None:
        self._built = built
        self._port = port
        self._stack = ExitStack()
        self._remote: Remote | None = None

    def run(self, command: str, pieces: Iterable[bytes], seconds: float, watch: Watch) -> Ended:
        """Run a command; see Channel.run."""
        if self._remote is None:
            address = Address("", str(self._port()))
            try:
                self._remote = self._stack.enter_context(
                    connected(self._built.cache, self._built.tools, address, watch=watch)
                )
            except (MachineLostError, MachineTimeoutError):  # from `watch`
                raise
            except MachineError as error:
                raise BrokenError(error.message) from None
        # The outer shell gives a killed command its own status, for which ssh would return LOST.
        try:
            done = self._remote.call(f"sh -c {shlex.quote(command)}; exit $?", pieces, watch=watch)
        except BaseException:
            self.close()  # drops further output of the command
            raise
        if done.status == LOST and not self._remote.alive():
            self.close()
            raise BrokenError(done.err.strip() or "the connection broke")
        return done

    def close(self) -> None:
        """Close the connection; the next command opens another."""
        self._remote = None
        self._stack.close()


class Backdoor:
    """The channel by two virtio-serial ports, to the service `backdoor` (instrumented/backdoor/run).

    A request on the first port: a line "notos-run NUMBER LIMIT LENGTH INPUT", LENGTH bytes of command and
    INPUT bytes of input. The answer: on the first port the command's output in base64, then "!NUMBER STATUS";
    on the second its errors in base64, then "!NUMBER". The service writes "ready" to both when it starts.
    """

    PORTS = ("notos.commands", "notos.errors")

    def __init__(self) -> None:
        pairs = [socket.socketpair() for _ in self.PORTS]
        self._commands, self._errors = (ours for ours, _ in pairs)
        self.streams = {name: theirs for name, (_, theirs) in zip(self.PORTS, pairs, strict=True)}
        self._got = {self._commands: bytearray(), self._errors: bytearray()}
        self._left = memoryview(b"")  # the rest of a request that is not sent yet
        self._number = 0
        self._open = ""  # the command without an answer yet
        self._answer: Ended | None = None
        self._ready = False

    @staticmethod
    def devices(microvm: bool) -> list[str]:
        """Return QEMU's arguments for the ports."""
        words = ["-device", "virtio-serial-device" if microvm else "virtio-serial-pci"]
        for name in Backdoor.PORTS:
            words += ["-device", f"virtserialport,chardev={name},name={name}"]
        return words

    def run(self, command: str, pieces: Iterable[bytes], seconds: float, watch: Watch) -> Ended:
        """Run a command; see Channel.run. Wait for an aborted one first: the machine ends it at its limit."""
        self._exchange(0)
        if self._open:
            self._finish(watch)
        self._until(lambda: self._ready, watch)
        self._number += 1
        given, text = b"".join(pieces), command.encode()
        # Begin with a newline: a restarted service reads the rest of an interrupted request as lines.
        head = b"\nnotos-run %d %d %d %d\n" % (self._number, math.ceil(seconds), len(text), len(given))
        self._left = memoryview(head + text + given)
        self._open, self._answer = command, None
        self._until(lambda: not self._open, watch)
        if self._answer is None:
            raise BrokenError("the backdoor has restarted")
        return self._answer

    def restarted(self) -> None:
        """Note that the machine restarts: its service will report "ready" again."""
        self._ready = False

    def close(self) -> None:
        """Close all sockets."""
        for each in (self._commands, self._errors, *self.streams.values()):
            each.close()

    def _finish(self, watch: Watch) -> None:
        """Wait for the answer to an earlier command."""
        try:
            self._until(lambda: not self._open, watch)
        except MachineTimeoutError as error:
            raise MachineTimeoutError(
                f"{error.message}\nthe backdoor still runs an earlier command, {self._open}",
                hint="redirect the output of a process that a command leaves in the background",
            ) from None

    def _until(self, over: Callable[[], bool], watch: Watch) -> None:
        while not over():
            self._exchange(_TICK)
            watch()

    def _exchange(self, seconds: float) -> None:
        """Send and receive without blocking; wait at most `seconds` for a port to be ready."""
        writable = [self._commands] if self._left else []
        reads, writes, _ = select.select(list(self._got), writable, [], seconds)
        if writes:
            self._left = self._left[self._commands.send(self._left[:65536], socket.MSG_DONTWAIT) :]
        for each in reads:
            data = each.recv(1 << 20)
            if not data:
                raise BrokenError("QEMU has closed the connection")
            self._got[each] += data
        if reads:
            self._understand()

    def _understand(self) -> None:
        """Parse the received bytes: neither "!" nor a newline is a base64 character."""
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
            errors = base64.b64decode(complaints).decode(errors="replace")
            self._answer = Ended(int(ended.split()[1]), base64.b64decode(printed), errors)
            self._open = ""
        out.clear()
        err.clear()
