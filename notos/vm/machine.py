"""A machine in QEMU for tests: commands, services, ports and files."""

import io
import os
import re
import shlex
import socket
import tarfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple, overload

from notos import atomic
from notos.errors import CommandError, MachineError, MachineLostError, MachineTimeoutError
from notos.live import wait_for_ssh
from notos.live.ssh_key import Address, login
from notos.process import Ended
from notos.vm.artefacts import BACKDOOR
from notos.vm.channel import Backdoor, BrokenError, Channel, Ssh
from notos.vm.devices import Devices
from notos.vm.lifecycle import BOOT, END, WAIT, quoted

__tracebackhide__ = True  # a failed test shows the test's line (pytest)

COMMAND = 60.0
_SSH = 22
_TOO_LONG = 124  # like timeout(1)
_LATER = "the first states of packages are being made"
_LEAVE = 2.0  # seconds for the connection to break when the machine goes down


_STATE_OF_UNIT = re.compile(r"([a-z]+) (\d+) ([a-z-]+)")  # as run-unit writes it, with its process


class Result(NamedTuple):
    """The result of a command: exit status and standard output."""

    status: int
    output: str


class Machine(Devices):
    """The machine of a runvm.sh: `path` is the script, a link to it (`result`), or its folder build/NAME.

    words        additional arguments for QEMU
    environment  variables for runvm.sh: MEMORY, ACCEL, KERNEL_PARAMS, …
    artefacts    the folder for the console's log and screenshots; without it none are kept
    patience     the factor for all timeouts
    tolerated    kinds of failures (failures.KINDS) to ignore
    outlive      True if the machine may outlive this process
    instance     the machine's instance data: a folder, or a dict of contents by path in one
    debian       the Debian archive of the program that reads text on the screen

    Use it as a context manager, or call start() and close(). Raises MachineError if nothing is built.
    notos.config.model.Machine is a machine's config, for extensions. No file uses both.
    """

    _ssh: Ssh | None = None
    _backdoor: Backdoor | None = None
    _up = False

    def _devices(self) -> tuple[Sequence[str], Mapping[str, socket.socket]]:
        self._up = False
        services = self.built.services
        self._ssh = Ssh(self.built, lambda: self.forward(_SSH)) if "sshd" in services else None
        self._backdoor = Backdoor() if BACKDOOR in services else None
        if self._backdoor is None:
            return (), {}
        return Backdoor.devices(self.built.microvm), self._backdoor.streams

    def _prepare(self) -> None:
        if self._ssh:
            self.forward(_SSH)

    def _restarted(self) -> None:
        self._up = False
        if self._backdoor:
            self._backdoor.restarted()

    def _disconnect(self) -> None:
        if self._ssh:
            self._ssh.close()
        if self._backdoor:
            self._backdoor.close()
        self._ssh = self._backdoor = None

    # Shutdown and reboot

    def shutdown(self, seconds: float = END) -> int:
        """Power the machine off from inside and wait for its end; return QEMU's exit status, which is 0.

        Raises MachineTimeoutError, MachineLostError.
        """
        self._leave("poweroff")
        status = self.wait_for_end(seconds)
        if status:
            raise MachineLostError(self._with_console(f"QEMU has ended with status {status}"))
        return status

    def reboot(self, seconds: float = BOOT) -> None:
        """Restart the machine from inside and wait until it runs commands again.

        Raises MachineTimeoutError, MachineLostError.
        """
        before = self._resets
        self.qmp("set-action", reboot="reset")
        try:
            self._leave("reboot")
            self._until(lambda _: self._resets > before, END, "it has not restarted")
            # Keep reboot=reset until it is up: the firmware may reset the machine once more.
            self.wait_for_boot(seconds)
        finally:
            if self.running:
                self._running().monitor.command("set-action", reboot="shutdown")

    def _leave(self, command: str) -> None:
        """Run a command that takes the machine down and breaks the connection."""
        if not self._up:
            self.wait_for_boot()
        limit = self._limit(_LEAVE)
        end = time.monotonic() + limit

        def watch() -> None:
            self._raise_failure()
            if time.monotonic() > end:
                raise BrokenError("timeout")

        with suppress(BrokenError):
            self._channel().run(command, (), limit, watch)
        if self._ssh:
            self._ssh.close()

    def keep(self) -> str:
        """Keep the machine running, with `outlive` even after this process.

        Return a text that says how to log in and how to end it.
        """
        lines = [f"{self.name} still runs, as process {self.pid}"]
        if self._ssh:
            address = Address("", str(self.forward(_SSH)))
            lines.append(f"  log in:  {shlex.join(login(self.built.cache, self.built.tools, address))}")
        lines.append(f"  end it:  kill {self.pid}")
        self._let_go()
        return "\n".join(lines)

    # Commands

    def wait_for_boot(self, seconds: float = BOOT) -> None:
        """Wait until the machine runs commands. Raises MachineTimeoutError, MachineLostError."""
        if self._ssh and not self._blocked:
            self.wait_for_banner(seconds)
        elif self._backdoor:
            self._call("true", b"", self._limit(seconds))
        else:
            raise MachineError(
                f"{self.name} has neither ssh nor the backdoor, so it cannot run commands",
                hint="set ssh.server, or import notos/vm/instrumented/config.yaml in its config",
            )
        self._up = True

    def wait_for_banner(self, seconds: float = BOOT) -> float:
        """Wait for the banner of the ssh server; return its time, by time.monotonic()."""
        with wait_for_ssh.Probe(self.forward(_SSH)) as probe:

            def banner(_: float) -> float:
                # Do not connect before the network is up: the server would have to answer each attempt.
                late = time.monotonic() > self.resumed + self._limit(BOOT) / 6
                return probe.answered(b"SSH-") if self._linked or late else 0.0

            return self._until(banner, seconds, "no ssh server answers", tick=0.01)

    def run(self, command: str, *, input: bytes = b"", seconds: float = COMMAND) -> Ended:
        """Run a shell command as root; return its exit status, output (bytes) and errors (text).

        Raises MachineTimeoutError, MachineLostError, and MachineError if the machine cannot run commands.
        """
        if not self.running:
            self._check()
            raise MachineError(f"{self.name} is not running", hint="call start()")
        if not self._up:
            self.wait_for_boot()
        return self._call(command, input, self._limit(seconds))

    def _probe(self, command: str, left: float) -> Ended:
        """Run a command as part of a wait, within `left` seconds; a longer one counts as failed."""
        if not self._up:
            self.run("true")
        try:
            return self._call(command, b"", left)
        except MachineTimeoutError:
            return Ended(_TOO_LONG, b"", f"it took more than {left:.0f} s")

    @overload
    def execute(self, command: str, *, input: bytes = ..., seconds: float = ...) -> Result: ...
    @overload
    def execute(
        self, command: str, *, input: bytes = ..., seconds: float = ..., text: Literal[False]
    ) -> tuple[int, bytes]: ...

    def execute(
        self, command: str, *, input: bytes = b"", seconds: float = COMMAND, text: bool = True
    ) -> Result | tuple[int, bytes]:
        """Run a shell command as root; return its exit status and output. Otherwise like run().

        Text is UTF-8; invalid bytes become surrogates (PEP 383).
        """
        done = self.run(command, input=input, seconds=seconds)
        return Result(done.status, _text(done.out)) if text else (done.status, done.out)

    def succeed(self, *commands: str, seconds: float = COMMAND) -> str:
        """Run commands, each of which must succeed; return their output. Raises CommandError."""
        output = []
        for command in commands:
            done = self.run(command, seconds=seconds)
            if done.status:
                raise CommandError(f"{self.name}: {command}: exit status {done.status}{_outcome(done)}")
            output.append(_text(done.out))
        return "".join(output)

    def fail(self, *commands: str, seconds: float = COMMAND) -> str:
        """Run commands, each of which must fail; return their output and errors. Raises CommandError."""
        output = []
        for command in commands:
            done = self.run(command, seconds=seconds)
            if not done.status:
                raise CommandError(f"{self.name}: {command}: succeeded, but must fail{_outcome(done)}")
            output.append(_text(done.out) + done.err)
        return "".join(output)

    def wait_until_succeeds(self, command: str, seconds: float = WAIT) -> str:
        """Repeat a command until it succeeds; return its output.

        Raises MachineTimeoutError, MachineLostError.
        """
        return self._repeat(command, seconds, wanted=True)

    def wait_until_fails(self, command: str, seconds: float = WAIT) -> str:
        """Repeat a command until it fails; return its output.

        Raises MachineTimeoutError, MachineLostError.
        """
        return self._repeat(command, seconds, wanted=False)

    def wait_for_unit(self, name: str, seconds: float = WAIT, *, steady: float = 1.0) -> None:
        """Wait until runit's service `name`, and its log if it has one, have been up for `steady` seconds.

        A service with a systemd unit must also be ready, or have ended well if it runs only once.

        Raises MachineTimeoutError with its state, and with its last exit status if it ends again and again;
        MachineLostError; MachineError if there is no such service.
        """
        quoted_name = shlex.quote(name)
        # runit/finish writes the second line's file: the time of the end, the delay, the exit status. Of a
        # unit, run-unit writes its state, a process and a result.
        query = (
            f"sv status {quoted_name} 2>&1; "
            f"if [ -e /run/service/{quoted_name}/unit ]; then cat /run/runit/{quoted_name}.unit/state; "
            f"else cat /run/runit/{quoted_name}.backoff; fi 2>/dev/null || :"
        )
        # Services of the config wait for the first states of packages.
        has = f"[ ! -e /run/service/{quoted_name} ] && [ -d /etc/runit/services/{quoted_name} ]"
        query = f"{has} && echo {shlex.quote(_LATER)}; {query}"
        last = ""

        def up(left: float) -> bool:
            nonlocal last
            # Keep the last state if a look takes too long.
            last = _text(self._probe(query, left).out).strip() or last
            if "unable to change to service directory" in last and not last.startswith(_LATER):
                services = ", ".join(self.succeed("ls /run/service").split())
                raise MachineError(f"{self.name} has no service {name}; it has {services}")
            state, _, more = last.partition("\n")
            unit = _STATE_OF_UNIT.fullmatch(more)
            if unit and (unit[1] == "skipped" or (unit[1], unit[3]) == ("inactive", "success")):
                return True
            ages = re.findall(r"(\w+): [^:]*: \(pid \d+\) (\d+)s", state)
            stays = bool(ages) and "want down" not in state
            # A run-unit that was killed leaves its state.
            ready = not unit or (unit[1] in ("active", "reloading") and f"(pid {unit[2]})" in state)
            return ready and stays and all(each == "run" and int(age) >= steady for each, age in ages)

        self._until(up, seconds, lambda: f"service {name} does not run: {_service(last)}")

    def wait_for_open_port(self, port: int, seconds: float = WAIT) -> None:
        """Wait until a program listens on a TCP port in the machine.

        Raises MachineTimeoutError, MachineLostError.
        """
        pattern = re.compile(rf"^ *\d+: [0-9A-F]+:{port:04X} [0-9A-F]+:0000 0A ", re.MULTILINE)
        query = "cat /proc/net/tcp; cat /proc/net/tcp6 2>/dev/null || :"
        self._until(
            lambda left: pattern.search(_text(self._probe(query, left).out)),
            seconds,
            f"nothing listens on port {port}",
        )

    def wait_for_port(self, port: int, seconds: float = WAIT) -> int:
        """Wait until a TCP port accepts connections from outside; return the forwarded port of this host.

        Raises MachineTimeoutError, MachineLostError.
        """
        host_port = self.forward(port)
        with wait_for_ssh.Probe(host_port) as probe:
            self._until(
                lambda _: probe.reached(self.monitor("info usernet")),
                seconds,
                f"port {port} accepts no connection from outside",
            )
        return host_port

    # Files

    def copy_to(self, source: str | os.PathLike[str], target: str) -> None:
        """Copy a file or folder of this host to the path `target` in the machine. Raises CommandError."""
        folder, _, name = target.rpartition("/")
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
            archive.add(source, arcname=name, filter=_root)
        parent = shlex.quote(folder or "/")
        done = self.run(f"mkdir -p {parent} && busybox tar -xf - -C {parent}", input=packed.getvalue())
        if done.status:
            raise CommandError(f"{self.name}: cannot copy to {target}{_outcome(done)}")

    def copy_from(self, source: str, target: str | os.PathLike[str]) -> None:
        """Copy a file or folder of the machine to the path `target` on this host. Raises CommandError."""
        pack = 'busybox tar -cf - -C "${path%/*}/" -- "${path##*/}"'
        named = shlex.quote(source)
        done = self.run(f"ls -d {named} >/dev/null && path=$(readlink -f {named}) && {pack}")
        if done.status:
            raise CommandError(f"{self.name}: cannot copy {source}{_outcome(done)}")
        destination = Path(target)
        destination.parent.mkdir(parents=True, exist_ok=True)
        with atomic.scratch(destination.parent) as folder:
            try:
                with tarfile.open(fileobj=io.BytesIO(done.out)) as archive:
                    # Links may point anywhere, like those of the machine; extraction does not follow them.
                    archive.extractall(folder, filter="tar")
                (copied,) = folder.iterdir()
                copied.replace(destination)
            except (OSError, tarfile.TarError) as error:
                raise CommandError(f"cannot copy {source} to {target}: {error}") from None

    def _repeat(self, command: str, seconds: float, *, wanted: bool) -> str:
        done: Ended | None = None

        def as_wanted(left: float) -> bool:
            nonlocal done
            latest = self._probe(command, left)
            reached = (latest.status == 0) == wanted
            # Keep the last result if a look takes too long.
            if done is None or reached or latest.status != _TOO_LONG:
                done = latest
            return reached

        state = "does not fail" if not wanted else "does not succeed"

        def lacking() -> str:
            assert done
            return f"{command}: {state}, status {done.status}{_outcome(done)}"

        self._until(as_wanted, seconds, lacking, tick=0.25)
        assert done
        return _text(done.out)

    def _call(self, command: str, input: bytes, limit: float) -> Ended:
        """Run a command within `limit` seconds, to which `patience` has already been applied."""
        begun = time.monotonic()

        def watch() -> None:
            self._check()
            if time.monotonic() - begun > limit:
                raise MachineTimeoutError(self._with_console(f"{command}: not done within {limit:.0f} s"))

        pieces = (input[at : at + 65536] for at in range(0, len(input), 65536))
        try:
            done = self._channel().run(command, pieces, limit, watch)
        except BrokenError as error:
            self._tell_why()
            raise MachineLostError(self._with_console(f"{command}: {error.message}")) from None
        self.console.note(f"{command}: status {done.status}, {time.monotonic() - begun:.3f} s")
        return done

    def _tell_why(self) -> None:
        """Raise MachineLostError with the reason for a broken connection, which may appear a little later."""
        end = time.monotonic() + _LEAVE
        while time.monotonic() < end and not self.console.ended:
            self._check()
            self.console.wait(end - time.monotonic())
        self._check()

    def _channel(self) -> Channel:
        if self._ssh and not self._blocked:
            return self._ssh
        if self._backdoor:
            return self._backdoor
        raise MachineError(
            f"{self.name}: its network is blocked, and it has no backdoor",
            hint="import notos/vm/instrumented/config.yaml in its config",
        )


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _outcome(done: Ended) -> str:
    """Return the end of a command's output, to follow a message."""
    lines = [*_text(done.out).splitlines()[-20:], *done.err.splitlines()[-20:]]
    return f"\n{quoted(lines)}" if lines else ""


def _service(status: str) -> str:
    """Return a service's state for a message: `status` is what sv prints, and a record if it has ended."""
    state, _, ended = status.partition("\n")
    if unit := _STATE_OF_UNIT.fullmatch(ended):
        return f"its unit is {unit[1]}, with the result {unit[3]}; now {state}"
    restarts = "want down" not in state and ("want up" in state or not state.startswith("down: "))
    if restarts and (found := re.fullmatch(r"\d+ (\d+) (-?\d+)", ended)):
        return f"it ended with status {found[2]}, and starts again {found[1]} s later; now {state}"
    return state or "no answer"


def _root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return the archive member with root as its owner."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
