"""QEMU as a process, and its monitor by QMP (QEMU documentation, "QEMU Machine Protocol"), for callers
without asyncio.

QEMU gets one end of a socket pair and starts with stopped processors, so no output of the machine is missed.
It ends with this process, however that ends.
"""

import asyncio
import logging
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from qemu.qmp import ExecuteError, QMPClient, QMPError

from notos.errors import MachineError, MachineLostError
from notos.process import kill, start

_ANSWER = 30.0  # seconds in which QEMU answers; a screenshot takes some under load


class Qemu:
    """A machine's QEMU; its processors are stopped until QMP's `cont`.

    `streams` are QEMU's ends of socket pairs, by the name of each one's character device. Raises ToolError if
    QEMU cannot start, MachineLostError if it ends at once.
    """

    def __init__(
        self,
        script: Path,
        words: Sequence[str],
        environment: Mapping[str, str],
        streams: Mapping[str, socket.socket],
        *,
        outlive: bool = False,
    ) -> None:
        ours, theirs = socket.socketpair()
        given = {"qmp": theirs, **streams}
        devices = [
            word
            for name, each in given.items()
            for word in ("-chardev", f"socket,id={name},fd={each.fileno()}")
        ]
        command = [
            *(str(script), "-S", "-serial", "stdio", "-monitor", "none", "-no-reboot"),
            *devices,
            *("-mon", "chardev=qmp,mode=control", *words),
        ]
        self.started = time.monotonic()
        self._process = start(
            command,
            environment,
            outlive=outlive,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[each.fileno() for each in given.values()],
        )
        for each in given.values():
            each.close()
        self._ours = ours
        self._monitor: Monitor | None = None
        assert self._process.stdin and self._process.stdout
        self.keyboard: IO[bytes] = self._process.stdin
        self.console: IO[bytes] = self._process.stdout

    @property
    def pid(self) -> int:
        """The process ID."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status, once it has ended."""
        return self._process.poll()

    def connect(self, on_event: Callable[[str, Mapping[str, Any]], None]) -> None:
        """Connect to the monitor; `on_event` is called with QEMU's events. Raises MachineLostError."""
        self._monitor = Monitor(self._ours, on_event)

    @property
    def monitor(self) -> "Monitor":
        """The monitor, once there is a connection."""
        assert self._monitor, "connect() comes first"
        return self._monitor

    def wait(self, seconds: float) -> int | None:
        """Wait at most `seconds` for the end; return the exit status, or None if it still runs."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def kill(self) -> None:
        """Kill the process, which is like a power failure for the machine."""
        if self.status is None:
            kill(self._process)

    def close(self) -> None:
        """Release all resources; the process has ended or may outlive this one."""
        if self._monitor:
            self._monitor.close()
        else:
            self._ours.close()
        with suppress(OSError):
            self.keyboard.close()
        if self.status is not None:
            self.console.close()


class Monitor:
    """QMP over a connected socket, with an event loop in a thread. Raises MachineLostError if it fails."""

    def __init__(self, stream: socket.socket, on_event: Callable[[str, Mapping[str, Any]], None]) -> None:
        # The machine's own error for an ended QEMU says more than the log of qemu.qmp.
        logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)
        self._on_event = on_event
        self._client = QMPClient()
        self._listener: asyncio.Task[None] | None = None
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda *_: None)
        self._thread = threading.Thread(target=self._loop.run_forever, name="qmp", daemon=True)
        self._thread.start()
        try:
            self._call(self._connect(stream))
        except BaseException:
            self.close()
            raise

    def command(self, command: str, **arguments: Any) -> Any:
        """Run a QMP command; return its result. Raises MachineError with QEMU's message, MachineLostError."""
        return self._call(self._client.execute(command, arguments or None))

    def human(self, line: str) -> str:
        """Run a line in QEMU's human monitor; return its output. Raises MachineLostError."""
        return str(self.command("human-monitor-command", **{"command-line": line})).replace("\r\n", "\n")

    def close(self) -> None:
        """End the connection and the thread; a second call does nothing."""
        if self._loop.is_closed():
            return
        with suppress(MachineError):
            self._call(self._disconnect())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        if not self._thread.is_alive():
            self._loop.close()

    async def _connect(self, stream: socket.socket) -> None:
        await self._client.connect(stream)
        self._listener = asyncio.create_task(self._listen())

    async def _disconnect(self) -> None:
        if self._listener:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener
        with suppress(EOFError, QMPError, OSError):  # QEMU has already ended
            await self._client.disconnect()

    async def _listen(self) -> None:
        async for event in self._client.events:
            self._on_event(str(event["event"]), event.get("data", {}))  # type: ignore[arg-type]

    def _call(self, awaitable: Any) -> Any:
        future = asyncio.run_coroutine_threadsafe(_within(awaitable), self._loop)
        try:
            return future.result()
        except ExecuteError as error:
            raise MachineError(f"QEMU: {error}") from None
        except TimeoutError:
            raise MachineLostError(f"QEMU's monitor has not answered for {_ANSWER:.0f} s") from None
        except (QMPError, OSError, CancelledError) as error:
            raise MachineLostError("the connection to QEMU's monitor is lost") from error


async def _within(awaitable: Any) -> Any:
    async with asyncio.timeout(_ANSWER):
        return await awaitable


def environment(**changed: str) -> dict[str, str]:
    """Return the environment for runvm.sh: this process' own, quiet, without ports, and with `changed`.

    Another machine may already use the ports.
    """
    kept = {name: value for name, value in os.environ.items() if name != "SSH_PORT"}
    return {**kept, "FORWARD": "", "QUIET": "1", **changed}
