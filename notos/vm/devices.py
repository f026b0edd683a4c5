"""A machine's console, keyboard, screen and network, used from outside the machine."""

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
    """A machine with its devices. Timeouts are in seconds, like those of Lifecycle."""

    def wait_for_console(
        self, what: str | re.Pattern[str], seconds: float = BOOT, *, prompt: bool = False
    ) -> re.Match[str]:
        """Wait until a line of this boot contains a text or matches a pattern; return the match.

        Only complete lines are searched; with `prompt`, also the last, incomplete one. If the line itself
        shows a failure, that failure is expected. Raises MachineTimeoutError, MachineLostError.
        """
        shown = what if isinstance(what, str) else what.pattern

        def look(_: float) -> re.Match[str] | None:
            found = self.console.find(what, self._first, prompt=prompt)
            if found is None:
                return None
            assert self._failures, "start() comes first"
            self._failures.expect(found[0])
            if failures.of_line(found[1].string):
                self._ending = True  # a test that waits for a panic expects the end
            return found[1]

        return self._until(look, seconds, f"no line of the console has {shown!r}")

    def send_console(self, text: str) -> None:
        """Type `text` at the serial console; end a line with a newline. Raises MachineLostError."""
        left = memoryview(text.encode())
        keyboard = self._running().keyboard.fileno()

        def typed(_: float) -> bool:
            nonlocal left
            with suppress(BlockingIOError, BrokenPipeError):  # no reader now, or never again
                left = left[os.write(keyboard, left) :]
            return not left

        self._check()
        os.set_blocking(keyboard, False)
        self._until(typed, WAIT, "the console does not read what was typed")

    def send_key(self, key: str) -> None:
        """Press keys together, by their QEMU names: "a", "ret", "ctrl-alt-delete". Raises MachineError."""
        if answer := self.monitor(f"sendkey {key}").strip():
            raise MachineError(f"{self.name} has no such key: {answer}")

    def screenshot(self, name: str = "screen") -> Path:
        """Save the screen as NAME.png in the artefacts folder; return its path. Raises MachineError."""
        if self.artefacts is None:
            raise MachineError(
                "the machine has no folder for artefacts", hint="pass artefacts=FOLDER to Machine"
            )
        self.artefacts.mkdir(parents=True, exist_ok=True)
        path = self.artefacts.absolute() / f"{name}.png"
        self.qmp("screendump", filename=str(path), format="png")
        return path

    def screen_text(self) -> str:
        """Return the text on the screen (OCR by tesseract). Raises MachineError, FetchError."""
        reader = screen.reader(self.built.folder, self._debian or Debian(), self.built.build)
        return screen.text(self.qmp, reader)

    def wait_for_text(self, what: str | re.Pattern[str], seconds: float = BOOT) -> str:
        """Wait until the screen contains a text or matches a pattern; return all text on the screen."""
        pattern = pattern_of(what)
        seen = ""

        def look(_: float) -> str | None:
            nonlocal seen
            seen = self.screen_text()
            return seen if pattern.search(seen) else None

        try:
            return self._until(look, seconds, f"the screen has no {pattern.pattern!r}")
        except MachineTimeoutError as error:
            raise MachineTimeoutError(
                f"{error}\nthe text on the screen:\n{quoted(seen.splitlines())}"
            ) from None

    def forward(self, port: int) -> int:
        """Forward a free port of 127.0.0.1 to a TCP port of the machine; return it, the same on each call."""
        if port not in self._forwards:
            answer = self.monitor(f"hostfwd_add {_NETWORK} tcp:127.0.0.1:0-:{port}").strip()
            pattern = rf"TCP\[HOST_FORWARD\] +\d+ +127\.0\.0\.1 +(\d+) +\S+ +{port} "
            found = re.findall(pattern, self.monitor("info usernet"))
            if answer or not found:
                reason = answer or "QEMU lists no such forward"
                raise MachineError(f"{self.name}: cannot forward a port to {port}: {reason}")
            self._forwards[port] = int(found[0])
        return self._forwards[port]

    def block(self) -> None:
        """Pull the network cable. Commands then use the backdoor, if the machine has one."""
        self.qmp("set_link", name=_NETWORK, up=False)
        self._blocked = True

    def unblock(self) -> None:
        """Plug the network cable in again."""
        self.qmp("set_link", name=_NETWORK, up=True)
        self._blocked = False
