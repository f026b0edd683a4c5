"""The life of a machine in QEMU: started, watched for failures, ended.

Nothing here waits without a limit, or goes on when the machine is lost. Limits are in seconds of a machine
on KVM. An emulated one gets EMULATED times as much.
"""

import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from notos.config.model import Debian
from notos.errors import MachineError, MachineLostError, MachineTimeoutError
from notos.vm.artefacts import Artefacts
from notos.vm.console import Console
from notos.vm.failures import Failures
from notos.vm.qemu import Qemu, environment

__tracebackhide__ = True  # a failed test shows the test's line (pytest)

BOOT = 30.0  # until commands can be run
WAIT = 30.0
END = 20.0  # until a machine that was told to end has done so
EMULATED = 4.0
_TICK = 0.1
_LEAST = 1.0  # seconds that a look has, however little is left
_QUIET = 0.1  # seconds without a word after which a machine that failed prints no more
_LAST_WORDS = 0.5  # seconds that one gets for them at the most
_NETWORK = "net0"

Found = TypeVar("Found")


class Lifecycle:
    """A machine from start() to its end; Machine describes the constructor's parameters."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        name: str = "machine",
        words: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        artefacts: Path | None = None,
        patience: float = 1.0,
        tolerated: Iterable[str] = (),
        outlive: bool = False,
        debian: Debian | None = None,
    ) -> None:
        self.name = name
        self.built = Artefacts.at(Path(path))
        self.artefacts = artefacts
        self.accelerator = "tcg"
        self.resumed = 0.0
        self._words = tuple(words)
        self._environment = dict(environment or {})
        self._patience = patience
        self._tolerated = frozenset(tolerated)
        self._outlive = outlive
        self._debian = debian
        self._qemu: Qemu | None = None
        self._console: Console | None = None
        self._failures: Failures | None = None
        self._resets = 0
        self._boots = 0
        self._forget()

    def _forget(self) -> None:
        """Be as before the first boot."""
        self._linked = False  # whether it has used its network
        self._blocked = False
        self._ending = False  # its end is no failure
        self._first = 0  # the line that this boot begins with
        self._forwards: dict[int, int] = {}

    # Hooks of Machine

    def _devices(self) -> tuple[Sequence[str], Mapping[str, socket.socket]]:
        """More of QEMU's words, and the sockets that they name."""
        return (), {}

    def _prepare(self) -> None:
        """Called before the processors start."""

    def _restarted(self) -> None:
        """Called when the machine begins again, by the monitor's thread."""

    def _disconnect(self) -> None:
        """Let go of all connections to what runs in it."""

    # Its life

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Machine {self.name}: {'running' if self.running else 'off'}>"

    def start(self) -> None:
        """Start QEMU, and let the machine boot. Raises MachineLostError when QEMU ends at once."""
        if self.running:
            raise MachineError(f"{self.name} is running already")
        self._let_go()
        self._forget()
        self._boots += 1
        words, streams = self._devices()
        self._qemu = Qemu(
            self.built.script,
            [*words, *self._words],
            environment(**self._environment),
            streams,
            outlive=self._outlive,
        )
        try:
            self._console = Console(self._qemu.console, self._log(), self._qemu.started)
            self._failures = Failures(self._console, self._tolerated)
            self._boot()
        except BaseException:
            self.close()
            raise

    def _boot(self) -> None:
        qemu = self._running()
        try:
            qemu.connect(self._event)
            self.accelerator = "kvm" if self.qmp("query-kvm")["enabled"] else "tcg"
            self._prepare()
            self.resumed = time.monotonic()
            self.qmp("cont")
        except MachineLostError:
            qemu.wait(2)  # why there is no monitor any more
            self._check()
            raise

    def close(self) -> None:
        """End it whatever it is at; nothing is left of it."""
        self._ending = True
        if self._qemu:
            self._qemu.kill()
        self._let_go()

    def crash(self) -> None:
        """Pull the plug."""
        self._ending = True
        self._running().kill()
        self.console.close()

    def wait_for_end(self, seconds: float = END) -> int:
        """Wait until QEMU ends by itself; its exit status.

        Raises MachineTimeoutError, and MachineLostError for a failure.
        """
        self._ending = True
        qemu = self._running()
        try:
            self._until(lambda _: qemu.status is not None, seconds, "QEMU has not ended")
        except MachineTimeoutError:
            self._ending = False
            raise
        self.console.close()
        self._raise_failure()
        assert qemu.status is not None
        return qemu.status

    @property
    def running(self) -> bool:
        """Whether QEMU runs."""
        return self._qemu is not None and self._qemu.status is None

    @property
    def has_started(self) -> bool:
        """Whether there is a console to look at."""
        return self._console is not None

    @property
    def started(self) -> float:
        """When QEMU was started, by time.monotonic()."""
        return self._running().started

    @property
    def pid(self) -> int:
        """QEMU's process."""
        return self._running().pid

    def check(self) -> None:
        """Raise MachineLostError for what went wrong and was not waited for; each is told once."""
        if self._console is None:
            return
        self._check()

    def _raise_failure(self) -> None:
        """Raise MachineLostError for what the console tells of."""
        assert self._failures, "start() comes first"
        if first := self._failures.first():
            number, found = first
            self.console.settle(self._limit(_QUIET), self._limit(_LAST_WORDS))
            # One of them is told; what follows from it is not told again.
            self._failures.forget()
            self._ending = True
            raise MachineLostError(self._told(str(found), since=number))

    @property
    def console(self) -> Console:
        """The serial console."""
        assert self._console, "start() comes first"
        return self._console

    def monitor(self, line: str) -> str:
        """What QEMU's monitor says to a line such as "info block" (QEMU documentation, "Monitor")."""
        self._check()
        return self._running().monitor.human(line)

    def qmp(self, command: str, **arguments: Any) -> Any:
        """What QEMU answers to a command of QMP. Raises MachineError with its refusal."""
        self._check()
        return self._running().monitor.command(command, **arguments)

    def _running(self) -> Qemu:
        if self._qemu is None:
            raise MachineError(f"{self.name} was not started", hint="call start() first")
        return self._qemu

    def _log(self) -> Path | None:
        if self.artefacts is None:
            return None
        self.artefacts.mkdir(parents=True, exist_ok=True)
        return self.artefacts / ("console.log" if self._boots == 1 else f"console-{self._boots}.log")

    def _let_go(self) -> None:
        self._disconnect()
        if self._console and not self.running:
            self._console.close()
        if self._qemu:
            self._qemu.close()

    def _event(self, name: str, data: Mapping[str, Any]) -> None:
        if name == "RESET" and data.get("guest"):
            self._first = len(self.console.lines)
            self._restarted()
            self._resets += 1
        elif name == "NIC_RX_FILTER_CHANGED":
            self._linked = True

    def _limit(self, seconds: float) -> float:
        return seconds * self._patience * (EMULATED if self.accelerator == "tcg" else 1.0)

    def _until(
        self,
        look: Callable[[float], Found | None],
        seconds: float,
        lacking: str | Callable[[], str],
        *,
        tick: float = _TICK,
    ) -> Found:
        """What `look`, which is told how many seconds it has, gives as soon as it gives something.

        It is asked again when the console says something, and every `tick` seconds. Raises
        MachineTimeoutError, which tells what is `lacking`, and MachineLostError.
        """
        limit = self._limit(seconds)
        end = time.monotonic() + limit
        while True:
            off = not self.running
            if off:
                self.console.close()  # its last words are read
            left = end - time.monotonic()
            if found := look(max(left, _LEAST)):
                return found
            self._check()
            if off or left <= 0:
                what = lacking if isinstance(lacking, str) else lacking()
                if off:
                    raise MachineLostError(self._told(f"{what}; it is off"))
                raise MachineTimeoutError(self._told(f"{what}, within {limit:.0f} s"))
            self.console.wait(min(left, tick))

    def _check(self) -> None:
        """Raise MachineLostError for a failure, and when QEMU has ended unasked."""
        self._raise_failure()
        if self._qemu and self._qemu.status is not None:
            self.console.close()
            self._raise_failure()
            if not self._ending:
                self._ending = True
                raise MachineLostError(self._told(f"QEMU has ended with status {self._qemu.status}"))

    def _told(self, what: str, since: int | None = None) -> str:
        """`what`, with the console's last lines, or those around the line `since`."""
        lines = self.console.tail()
        if since is not None:
            around = self.console.lines[max(0, since - 5) : since + 25]
            lines = [each.text for each in around if each.text.strip()]
        return f"{self.name}: {what}\nits console's last lines:\n{quoted(lines)}"


def quoted(lines: Iterable[str]) -> str:
    """Lines as they stand below a message."""
    return "\n".join(f"  | {each}" for each in lines)
