"""QEMU as a process, and its monitor by QMP (QEMU documentation, "QEMU Machine Protocol"), without asyncio.

QEMU is given one end of a socket pair and starts with its processors stopped, so nothing of the machine's
is missed; it ends with this process, whatever becomes of it.
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
    """A machine's QEMU, its processors stopped until QMP's `cont`.

    `streams` are QEMU's ends of socket pairs by the name of the character device that each becomes.
    Raises ToolError when it cannot be started, MachineLostError when it ends at once.
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
            *(str(script), "-S", "-serial", "stdio", "-monitor", "none"),
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
        """The process's number."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status, once it has ended."""
        return self._process.poll()

    def connect(self, heard: Callable[[str, Mapping[str, Any]], None]) -> None:
        """Make the monitor's connection; `heard` is told of QEMU's events. Raises MachineLostError."""
        self._monitor = Monitor(self._ours, heard)

    @property
    def monitor(self) -> "Monitor":
        """The monitor, once there is a connection."""
        assert self._monitor, "connect() comes first"
        return self._monitor

    def wait(self, seconds: float) -> int | None:
        """The exit status, if it ends within `seconds`."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def kill(self) -> None:
        """End it, as pulling the plug does."""
        if self.status is None:
            kill(self._process)

    def close(self) -> None:
        """Let go of all that belongs to it; the process has ended, or may outlive us."""
        if self._monitor:
            self._monitor.close()
        else:
            self._ours.close()
        with suppress(OSError):
            self.keyboard.close()
        if self.status is not None:
            self.console.close()


class Monitor:
    """QMP over a connected socket, by an event loop in a thread. Raises MachineLostError without anybody."""

    def __init__(self, stream: socket.socket, heard: Callable[[str, Mapping[str, Any]], None]) -> None:
        # That QEMU has ended is told by the machine, and better.
        logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)
        self._heard = heard
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
        """What QEMU answers to a QMP command. Raises MachineError with its word, MachineLostError."""
        return self._call(self._client.execute(command, arguments or None))

    def human(self, line: str) -> str:
        """What QEMU's monitor for people answers to a line. Raises MachineLostError."""
        return str(self.command("human-monitor-command", **{"command-line": line})).replace("\r\n", "\n")

    def close(self) -> None:
        """End the connection and the thread, if that has not been done."""
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
        with suppress(EOFError, QMPError, OSError):  # it has ended before
            await self._client.disconnect()

    async def _listen(self) -> None:
        async for event in self._client.events:
            self._heard(str(event["event"]), event.get("data", {}))  # type: ignore[arg-type]

    def _call(self, awaitable: Any) -> Any:
        future = asyncio.run_coroutine_threadsafe(_within(awaitable), self._loop)
        try:
            return future.result()
        except ExecuteError as error:
            raise MachineError(f"QEMU: {error}") from None
        except TimeoutError:
            raise MachineLostError(f"QEMU's monitor has not answered for {_ANSWER:.0f} s") from None
        except (QMPError, OSError, CancelledError) as error:
            raise MachineLostError("QEMU's monitor has gone away") from error


async def _within(awaitable: Any) -> Any:
    async with asyncio.timeout(_ANSWER):
        return await awaitable


def environment(**changed: str) -> dict[str, str]:
    """This environment for runvm.sh, without ports, which another machine may have; quiet; and `changed`."""
    kept = {name: value for name, value in os.environ.items() if name != "SSH_PORT"}
    return {**kept, "FORWARD": "", "QUIET": "1", **changed}
