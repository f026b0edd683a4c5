"""A machine as QEMU has it: its life, its console, keyboard and screen, its network, and what goes wrong.

Nothing here waits without a limit, or goes on when the machine is lost. Limits are in seconds of a machine
on KVM. An emulated one gets EMULATED times as much.
"""

import os
import re
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar

from notos.config.model import Debian
from notos.errors import MachineError, MachineLostError, MachineTimeoutError
from notos.vm import failures, screen
from notos.vm.artefacts import Built
from notos.vm.console import Console, pattern_of
from notos.vm.failures import Troubles
from notos.vm.qemu import Qemu, environment

__tracebackhide__ = True  # a failed test shows the test's line (pytest)

BOOT = 30.0  # until commands can be run
WAIT = 30.0
END = 20.0  # until a machine that was told to end has done so
EMULATED = 4.0
_TICK = 0.1
_LEAST = 1.0  # seconds that a look has, however little is left
_QUIET = 0.1  # seconds without a word after which a machine in trouble has said all
_LAST_WORDS = 0.5  # seconds that one gets for them at the most
_NETWORK = "net0"

Found = TypeVar("Found")


class Body:
    """What Machine is without anything that runs in it; its constructor is told there."""

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
        self.built = Built.at(Path(path))
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
        self._troubles: Troubles | None = None
        self._resets = 0
        self._boots = 0
        self._forget()

    def _forget(self) -> None:
        """Be as before the first boot."""
        self._linked = False  # whether it has used its network
        self._blocked = False
        self._ending = False  # its end is no trouble
        self._first = 0  # the line that this boot begins with
        self._forwards: dict[int, int] = {}

    # What is added to QEMU for what runs in it: Machine's matter

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
            self._troubles = Troubles(self._console, self._tolerated)
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

        Raises MachineTimeoutError, and MachineLostError for trouble.
        """
        self._ending = True
        qemu = self._running()
        try:
            self._until(lambda _: qemu.status is not None, seconds, "QEMU has not ended")
        except MachineTimeoutError:
            self._ending = False
            raise
        self.console.close()
        self._meet_trouble()
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

    def _meet_trouble(self) -> None:
        """Raise MachineLostError for what the console tells of."""
        assert self._troubles, "start() comes first"
        if first := self._troubles.first():
            number, found = first
            self.console.settle(self._limit(_QUIET), self._limit(_LAST_WORDS))
            # One of them is told; what follows from it is not told again.
            self._troubles.forget()
            self._ending = True
            raise MachineLostError(self._told(str(found), since=number))

    # Its console, keyboard and screen

    @property
    def console(self) -> Console:
        """The serial console."""
        assert self._console, "start() comes first"
        return self._console

    def wait_for_console(
        self, what: str | re.Pattern[str], seconds: float = BOOT, *, prompt: bool = False
    ) -> re.Match[str]:
        """Wait until a line has this text, or matches; of this boot, from its start.

        Only whole lines are looked at, and with `prompt` the one that has not ended too. Trouble that the
        line itself tells of is taken for what is waited for. Raises MachineTimeoutError, MachineLostError.
        """
        shown = what if isinstance(what, str) else what.pattern

        def look(_: float) -> re.Match[str] | None:
            found = self.console.find(what, self._first, prompt=prompt)
            if found is None:
                return None
            assert self._troubles, "start() comes first"
            self._troubles.expect(found[0])
            if failures.of_line(found[1].string):
                self._ending = True  # whoever waits for a panic knows how it goes on
            return found[1]

        return self._until(look, seconds, f"no line of the console's has {shown!r}")

    def send_console(self, text: str) -> None:
        """Type at the serial console; a line ends with a newline. Raises MachineLostError."""
        left = memoryview(text.encode())
        keyboard = self._running().keyboard.fileno()

        def typed(_: float) -> bool:
            nonlocal left
            with suppress(BlockingIOError, BrokenPipeError):  # nobody reads now, or any more
                left = left[os.write(keyboard, left) :]
            return not left

        self._check()
        os.set_blocking(keyboard, False)
        self._until(typed, WAIT, "the console takes no more of what is typed")

    def send_key(self, key: str) -> None:
        """Press keys at once, by QEMU's names: "a", "ret", "ctrl-alt-delete". Raises MachineError."""
        if said := self.monitor(f"sendkey {key}").strip():
            raise MachineError(f"{self.name} has no such key: {said}")

    def screenshot(self, name: str = "screen") -> Path:
        """Keep the screen as NAME.png among the artefacts; where that is. Raises MachineError."""
        if self.artefacts is None:
            raise MachineError("there is no folder for artefacts", hint="give Machine one")
        self.artefacts.mkdir(parents=True, exist_ok=True)
        path = self.artefacts.absolute() / f"{name}.png"
        self.qmp("screendump", filename=str(path), format="png")
        return path

    def screen_text(self) -> str:
        """What can be read on the screen (OCR by tesseract). Raises MachineError, FetchError."""
        reader = screen.reader(self.built.folder, self._debian or Debian(), self.built.build)
        return screen.text(self.qmp, reader)

    def wait_for_text(self, what: str | re.Pattern[str], seconds: float = BOOT) -> str:
        """Wait until the screen has this text, or what matches; all that can be read then."""
        pattern = pattern_of(what)
        seen = ""

        def look(_: float) -> str | None:
            nonlocal seen
            seen = self.screen_text()
            return seen if pattern.search(seen) else None

        try:
            return self._until(look, seconds, f"the screen has no {pattern.pattern!r}")
        except MachineTimeoutError as error:
            raise MachineTimeoutError(f"{error}\nwhat could be read:\n{quoted(seen.splitlines())}") from None

    # Its network, and QEMU

    def forward(self, port: int) -> int:
        """A port of 127.0.0.1 that leads to a TCP port of the machine: a free one, the same each time."""
        if port not in self._forwards:
            said = self.monitor(f"hostfwd_add {_NETWORK} tcp:127.0.0.1:0-:{port}").strip()
            pattern = rf"TCP\[HOST_FORWARD\] +\d+ +127\.0\.0\.1 +(\d+) +\S+ +{port} "
            found = re.findall(pattern, self.monitor("info usernet"))
            if said or not found:
                raise MachineError(f"{self.name}: no port leads to {port}: {said or 'QEMU tells of none'}")
            self._forwards[port] = int(found[0])
        return self._forwards[port]

    def block(self) -> None:
        """Pull the network's cable. Commands then go by the backdoor, where there is one."""
        self.qmp("set_link", name=_NETWORK, up=False)
        self._blocked = True

    def unblock(self) -> None:
        """Plug it in again."""
        self.qmp("set_link", name=_NETWORK, up=True)
        self._blocked = False

    def monitor(self, line: str) -> str:
        """What QEMU's monitor says to a line such as "info block" (QEMU documentation, "Monitor")."""
        self._check()
        return self._running().monitor.human(line)

    def qmp(self, command: str, **arguments: Any) -> Any:
        """What QEMU answers to a command of QMP. Raises MachineError with its refusal."""
        self._check()
        return self._running().monitor.command(command, **arguments)

    # What all of this is made of

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
        """Raise MachineLostError for trouble, and when QEMU has ended unasked."""
        self._meet_trouble()
        if self._qemu and self._qemu.status is not None:
            self.console.close()
            self._meet_trouble()
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
