"""The lifecycle of a machine in QEMU: start, watch for failures, end.

Every wait has a timeout and ends when the machine is lost. Timeouts are in seconds for a machine on KVM; an
emulated one gets EMULATED times as much.
"""

import os
import socket
import tempfile
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

BOOT = 30.0  # from start() until the machine can run commands
WAIT = 30.0
END = 20.0  # from the request to power off until QEMU ends
EMULATED = 4.0
_TICK = 0.1
_LEAST = 1.0  # seconds that each look gets, even if less is left
_QUIET = 0.1  # seconds without output after which a failed machine prints no more
_LAST_WORDS = 0.5  # most seconds to wait for the last output of a failed machine
_NETWORK = "net0"
_INSTANCE = "NOTOS_INSTANCE"  # of runvm.sh

Found = TypeVar("Found")
Instance = str | os.PathLike[str] | Mapping[str, str | bytes]  # a folder, or contents by path in one


class Lifecycle:
    """A machine from start() to its end; Machine describes the parameters of the constructor."""

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
        instance: Instance | None = None,
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
        self._instance = instance
        self._given: tempfile.TemporaryDirectory[str] | None = None  # the instance data, as a folder
        self._qemu: Qemu | None = None
        self._console: Console | None = None
        self._failures: Failures | None = None
        self._resets = 0
        self._boots = 0
        self._forget()

    def _forget(self) -> None:
        """Reset to the state before the first boot."""
        self._linked = False  # True once the machine has used its network
        self._blocked = False
        self._ending = False  # True if the end of QEMU is expected
        self._failed = False  # True once a failure was raised
        self._first = 0  # number of the first console line of this boot
        self._forwards: dict[int, int] = {}

    # Hooks of Machine

    def _devices(self) -> tuple[Sequence[str], Mapping[str, socket.socket]]:
        """Return more arguments for QEMU, and the sockets that they name."""
        return (), {}

    def _prepare(self) -> None:
        """Run before the processors start."""

    def _restarted(self) -> None:
        """Run after a reset of the machine, in the monitor's thread."""

    def _disconnect(self) -> None:
        """Close all connections to programs in the machine."""

    # The lifecycle

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Machine {self.name}: {'running' if self.running else 'off'}>"

    def start(self) -> None:
        """Start QEMU and boot the machine. Raises MachineLostError if QEMU ends at once."""
        if self.running:
            raise MachineError(f"{self.name} is running already")
        self._let_go()
        self._forget()
        self._boots += 1
        words, streams = self._devices()
        variables = {**self._environment, **self._instance_variables()}
        self._qemu = Qemu(
            self.built.script,
            [*words, *self._words],
            environment(**variables),
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
            qemu.wait(2)  # its exit status says why the monitor is gone
            self._check()
            raise

    def close(self) -> None:
        """Kill QEMU and release everything."""
        self._ending = True
        if self._qemu:
            self._qemu.kill()
        self._let_go()
        if self._failures and self._failed:
            self._failures.forget()  # what the machine printed after a failure follows from it

    def crash(self) -> None:
        """Cut the power: kill QEMU."""
        self._ending = True
        self._running().kill()
        self.console.close()

    def wait_for_end(self, seconds: float = END) -> int:
        """Wait until QEMU ends by itself; return its exit status.

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
        """True if QEMU runs."""
        return self._qemu is not None and self._qemu.status is None

    @property
    def has_started(self) -> bool:
        """True if the machine was ever started and has a console."""
        return self._console is not None

    @property
    def started(self) -> float:
        """The start time of QEMU, by time.monotonic()."""
        return self._running().started

    @property
    def pid(self) -> int:
        """The process id of QEMU."""
        return self._running().pid

    def check(self) -> None:
        """Raise MachineLostError for an unexpected failure; each failure is reported once."""
        if self._console is None:
            return
        self._check()

    def _raise_failure(self) -> None:
        """Raise MachineLostError for a failure on the console."""
        assert self._failures, "start() comes first"
        if first := self._failures.first():
            number, found = first
            self.console.settle(self._limit(_QUIET), self._limit(_LAST_WORDS))
            # Report only the first; later ones usually follow from it.
            self._failures.forget()
            self._ending = self._failed = True
            raise MachineLostError(self._with_console(str(found), since=number))

    @property
    def console(self) -> Console:
        """The serial console."""
        assert self._console, "start() comes first"
        return self._console

    def monitor(self, line: str) -> str:
        """Return the output of a monitor command such as "info block" (QEMU documentation, "Monitor")."""
        self._check()
        return self._running().monitor.human(line)

    def qmp(self, command: str, **arguments: Any) -> Any:
        """Return the result of a QMP command. Raises MachineError with QEMU's message if it fails."""
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
        if self._given and not self.running:
            self._given.cleanup()
            self._given = None

    def _instance_variables(self) -> Mapping[str, str]:
        """Return the variables by which runvm.sh finds the instance data, in a folder."""
        if self._instance is None:
            return {}
        if not isinstance(self._instance, Mapping):
            return {_INSTANCE: os.fspath(self._instance)}
        self._given = tempfile.TemporaryDirectory(prefix="notos-")
        for name, content in self._instance.items():
            path = Path(self._given.name, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return {_INSTANCE: self._given.name}

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
        """Call `look` with the seconds that are left until it returns a true value; return that value.

        It is called again after each console output, and every `tick` seconds. Raises MachineTimeoutError
        with the text `lacking`, and MachineLostError.
        """
        limit = self._limit(seconds)
        end = time.monotonic() + limit
        while True:
            off = not self.running
            if off:
                self.console.close()  # reads the last output
            left = end - time.monotonic()
            if found := look(max(left, self._limit(_LEAST))):
                return found
            self._check()
            if off or left <= 0:
                what = lacking if isinstance(lacking, str) else lacking()
                if off:
                    raise MachineLostError(self._with_console(f"{what}; it is off"))
                raise MachineTimeoutError(self._with_console(f"{what}, within {limit:.0f} s"))
            self.console.wait(min(left, tick))

    def _check(self) -> None:
        """Raise MachineLostError for a failure, or if QEMU has ended unexpectedly."""
        self._raise_failure()
        if self._qemu and self._qemu.status is not None:
            self.console.close()
            self._raise_failure()
            if not self._ending:
                self._ending = True
                raise MachineLostError(self._with_console(f"QEMU has ended with status {self._qemu.status}"))

    def _with_console(self, message: str, since: int | None = None) -> str:
        """Return `message` with the last console lines, or with those around line `since`."""
        lines = self.console.tail()
        if since is not None:
            around = self.console.lines[max(0, since - 5) : since + 25]
            lines = [each.text for each in around if each.text.strip()]
        return f"{self.name}: {message}\nits console's last lines:\n{quoted(lines)}"


def quoted(lines: Iterable[str]) -> str:
    """Return `lines` in the form in which a message quotes them."""
    return "\n".join(f"  | {each}" for each in lines)
