"""A machine's console, keyboard, screen and network, used from outside as a person at it would."""

import os
import re
from contextlib import suppress
from pathlib import Path

from notos.config.model import Debian
from notos.errors import MachineError, MachineTimeoutError
from notos.vm import failures, screen
from notos.vm.console import pattern_of
from notos.vm.lifecycle import BOOT, WAIT, Lifecycle, quoted

__tracebackhide__ = True  # a failed test shows the test's line (pytest)

_NETWORK = "net0"


class Devices(Lifecycle):
    """A machine with its devices. Limits are in seconds, as those of Lifecycle."""

    def wait_for_console(
        self, what: str | re.Pattern[str], seconds: float = BOOT, *, prompt: bool = False
    ) -> re.Match[str]:
        """Wait until a line has this text, or matches; of this boot, from its start.

        Only whole lines are looked at, and with `prompt` the one that has not ended too. A failure that the
        line itself tells of is taken for what is waited for. Raises MachineTimeoutError, MachineLostError.
        """
        shown = what if isinstance(what, str) else what.pattern

        def look(_: float) -> re.Match[str] | None:
            found = self.console.find(what, self._first, prompt=prompt)
            if found is None:
                return None
            assert self._failures, "start() comes first"
            self._failures.expect(found[0])
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
        reader = screen.reader(self.built.folder, self._debian or Debian())
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
