"""A machine in QEMU under a test's hand: commands, services, ports and files. Its life is in body.py."""

import io
import os
import re
import shlex
import socket
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple, overload

from notos.errors import CommandError, MachineError, MachineLostError, MachineTimeoutError
from notos.live import wait_for_ssh
from notos.live.ssh_key import Address, login
from notos.process import Ended
from notos.vm.artefacts import BACKDOOR
from notos.vm.body import BOOT, END, WAIT, Body, quoted
from notos.vm.channel import Backdoor, BrokenError, Channel, Ssh

__tracebackhide__ = True  # a failed test shows the test's line (pytest)

COMMAND = 60.0
_SSH = 22
_TOO_LONG = 124  # as timeout(1) has it
_LEAVE = 2.0  # for the connection to break when the machine goes down


class Result(NamedTuple):
    """What a command did: exit status, and what it printed on standard output."""

    status: int
    output: str


class Machine(Body):
    """The machine of a runvm.sh: `path` is that, a link to it (`result`), or its folder build/NAME.

    words        more of QEMU's command line
    environment  for runvm.sh: MEMORY, ACCEL, KERNEL_PARAMS, …
    artefacts    the folder for its console's log, screenshots; none are kept without one
    patience     by what all limits are multiplied
    tolerated    kinds of trouble (trouble.KINDS) that do not matter
    outlive      whether it may outlive this process
    debian       where the program comes from that reads text on its screen

    Use it as a context manager, or call start() and close(). Raises MachineError when nothing is built.
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

    # Its life, from within

    def shutdown(self, seconds: float = END) -> int:
        """Have it switch itself off, and wait for that; QEMU's exit status, which is 0.

        Raises MachineTimeoutError, MachineLostError.
        """
        self._leave("poweroff")
        status = self.wait_for_end(seconds)
        if status:
            raise MachineLostError(self._told(f"QEMU has ended with status {status}"))
        return status

    def reboot(self, seconds: float = BOOT) -> None:
        """Have it restart, and wait until commands can be run again.

        Raises MachineTimeoutError, MachineLostError.
        """
        before = self._resets
        self.qmp("set-action", reboot="reset")
        try:
            self._leave("reboot")
            self._until(lambda _: self._resets > before, END, "it has not restarted")
            # Firmware that finds itself running once more restarts the machine again.
            self.wait_for_boot(seconds)
        finally:
            if self.running:
                self._running().monitor.command("set-action", reboot="shutdown")

    def _leave(self, command: str) -> None:
        """Run what ends all connections."""
        if not self._up:
            self.wait_for_boot()
        limit = self._limit(_LEAVE)
        end = time.monotonic() + limit

        def watch() -> None:
            self._meet_trouble()
            if time.monotonic() > end:
                raise BrokenError("it has had its time")

        with suppress(BrokenError):
            self._channel().run(command, (), limit, watch)
        if self._ssh:
            self._ssh.close()

    def keep(self) -> str:
        """Let go of it, so that it runs on, with `outlive` even after us; how to reach and to end it."""
        told = [f"{self.name} runs on, as process {self.pid}"]
        if self._ssh:
            where = Address("", str(self.forward(_SSH)))
            told.append(f"  log in:  {shlex.join(login(self.built.cache, self.built.tools, where))}")
        told.append(f"  end it:  kill {self.pid}")
        self._let_go()
        return "\n".join(told)

    # Commands

    def wait_for_boot(self, seconds: float = BOOT) -> None:
        """Wait until commands can be run. Raises MachineTimeoutError, MachineLostError."""
        if self._ssh and not self._blocked:
            self.wait_for_banner(seconds)
        elif self._backdoor:
            self._call("true", b"", self._limit(seconds))
        else:
            raise MachineError(
                f"{self.name} has neither ssh nor the backdoor, so nothing can be run in it",
                hint="set ssh.server, or import notos/vm/instrumented/config.yaml in its config",
            )
        self._up = True

    def wait_for_banner(self, seconds: float = BOOT) -> float:
        """Wait until the ssh server says its name; when that was, by time.monotonic()."""
        with wait_for_ssh.Probe(self.forward(_SSH)) as probe:

            def look(_: float) -> float:
                # Before its network is up, each knock would be one more that the server has to answer.
                late = time.monotonic() > self.resumed + self._limit(BOOT) / 6
                return probe.answered(b"SSH-") if self._linked or late else 0.0

            return self._until(look, seconds, "no ssh server answers", tick=0.01)

    def run(self, command: str, *, input: bytes = b"", seconds: float = COMMAND) -> Ended:
        """Run a shell's command as root: its exit status, output (bytes) and errors (text).

        Raises MachineTimeoutError, MachineLostError, and MachineError when nothing can be run.
        """
        if not self.running:
            self._check()
            raise MachineError(f"{self.name} is not running", hint="call start()")
        if not self._up:
            self.wait_for_boot()
        return self._call(command, input, self._limit(seconds))

    def _probe(self, command: str, left: float) -> Ended:
        """Run a command of a wait's, within `left` seconds; one that takes longer has failed."""
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
        """Run a shell's command as root: exit status, and what it printed. Otherwise as run().

        Text is UTF-8; bytes that are none stay what they are by surrogates (PEP 383).
        """
        done = self.run(command, input=input, seconds=seconds)
        return Result(done.status, _text(done.out)) if text else (done.status, done.out)

    def succeed(self, *commands: str, seconds: float = COMMAND) -> str:
        """What commands print, each of which must succeed. Raises CommandError."""
        said = []
        for command in commands:
            done = self.run(command, seconds=seconds)
            if done.status:
                raise CommandError(f"{self.name}: {command}: exit status {done.status}{_outcome(done)}")
            said.append(_text(done.out))
        return "".join(said)

    def fail(self, *commands: str, seconds: float = COMMAND) -> str:
        """What commands print, each of which must fail; their errors too. Raises CommandError."""
        said = []
        for command in commands:
            done = self.run(command, seconds=seconds)
            if not done.status:
                raise CommandError(f"{self.name}: {command}: succeeded, and should not{_outcome(done)}")
            said.append(_text(done.out) + done.err)
        return "".join(said)

    def wait_until_succeeds(self, command: str, seconds: float = WAIT) -> str:
        """Run a command until it succeeds; what it prints. Raises MachineTimeoutError, MachineLostError."""
        return self._repeat(command, seconds, wanted=True)

    def wait_until_fails(self, command: str, seconds: float = WAIT) -> str:
        """The same until it fails."""
        return self._repeat(command, seconds, wanted=False)

    def wait_for_unit(self, name: str, seconds: float = WAIT, *, steady: float = 1.0) -> None:
        """Wait until runit's service `name` has been running for `steady` seconds, and its log if it has one.

        Raises MachineTimeoutError with its state, MachineLostError, MachineError when there is none.
        """
        look = f"sv status {shlex.quote(name)} 2>&1"
        last = ""

        def up(left: float) -> bool:
            nonlocal last
            last = _text(self._probe(look, left).out).strip()
            if "unable to change to service directory" in last:
                there = ", ".join(self.succeed("ls /run/service").split())
                raise MachineError(f"{self.name} has no service {name}; there are {there}")
            states = re.findall(r"(\w+): [^:]*: \(pid \d+\) (\d+)s", last.partition("\n")[0])
            return bool(states) and all(each == "run" and int(age) >= steady for each, age in states)

        self._until(up, seconds, lambda: f"service {name} does not run: {last}")

    def wait_for_open_port(self, port: int, seconds: float = WAIT) -> None:
        """Wait until something listens on a TCP port in the machine.

        Raises MachineTimeoutError, MachineLostError.
        """
        pattern = re.compile(rf"^ *\d+: [0-9A-F]+:{port:04X} [0-9A-F]+:0000 0A ", re.MULTILINE)
        look = "cat /proc/net/tcp; cat /proc/net/tcp6 2>/dev/null || :"
        self._until(
            lambda left: pattern.search(_text(self._probe(look, left).out)),
            seconds,
            f"nothing listens on port {port}",
        )

    def wait_for_port(self, port: int, seconds: float = WAIT) -> int:
        """Wait until a TCP port takes a connection from outside; the port here that leads to it.

        Raises MachineTimeoutError, MachineLostError.
        """
        here = self.forward(port)
        with wait_for_ssh.Probe(here) as probe:
            self._until(
                lambda _: probe.reached(self.monitor("info usernet")),
                seconds,
                f"port {port} takes no connection from outside",
            )
        return here

    # Files

    def copy_to(self, source: str | os.PathLike[str], target: str) -> None:
        """Copy a file or folder of this host's to the path `target` in it. Raises CommandError."""
        folder, _, name = target.rpartition("/")
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
            archive.add(source, arcname=name, filter=_root)
        where = shlex.quote(folder or "/")
        done = self.run(f"mkdir -p {where} && busybox tar -xf - -C {where}", input=packed.getvalue())
        if done.status:
            raise CommandError(f"{self.name}: cannot copy to {target}{_outcome(done)}")

    def copy_from(self, source: str, target: str | os.PathLike[str]) -> None:
        """Copy a file or folder of the machine's to the path `target` here. Raises CommandError."""
        pack = 'busybox tar -cf - -C "${path%/*}/" -- "${path##*/}"'
        named = shlex.quote(source)
        done = self.run(f"ls -d {named} >/dev/null && path=$(readlink -f {named}) && {pack}")
        if done.status:
            raise CommandError(f"{self.name}: cannot copy {source}{_outcome(done)}")
        where = Path(target)
        where.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".copy-", dir=where.parent) as folder:
            try:
                with tarfile.open(fileobj=io.BytesIO(done.out)) as archive:
                    # Links may lead anywhere, as the machine's do; nothing is written through them.
                    archive.extractall(folder, filter="tar")
                (copied,) = Path(folder).iterdir()
                copied.replace(where)
            except (OSError, tarfile.TarError) as error:
                raise CommandError(f"cannot copy {source} to {target}: {error}") from None

    def _repeat(self, command: str, seconds: float, *, wanted: bool) -> str:
        done = Ended(0, b"", "")

        def ended_so(left: float) -> bool:
            nonlocal done
            done = self._probe(command, left)
            return (done.status == 0) == wanted

        state = "does not fail" if not wanted else "does not succeed"
        self._until(
            ended_so, seconds, lambda: f"{command}: {state}, status {done.status}{_outcome(done)}", tick=0.25
        )
        return _text(done.out)

    def _call(self, command: str, input: bytes, limit: float) -> Ended:
        """Run it within `limit` seconds, which nothing multiplies any more."""
        begun = time.monotonic()

        def watch() -> None:
            self._check()
            if time.monotonic() - begun > limit:
                raise MachineTimeoutError(self._told(f"{command}: not done within {limit:.0f} s"))

        pieces = (input[at : at + 65536] for at in range(0, len(input), 65536))
        try:
            done = self._channel().run(command, pieces, limit, watch)
        except BrokenError as error:
            self._tell_why()
            raise MachineLostError(self._told(f"{command}: {error.message}")) from None
        self.console.note(f"{command}: status {done.status}, {time.monotonic() - begun:.3f} s")
        return done

    def _tell_why(self) -> None:
        """Raise MachineLostError with why a connection broke, which may show a little later."""
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
    """The last of what a command printed, to stand below a message."""
    lines = [*_text(done.out).splitlines()[-20:], *done.err.splitlines()[-20:]]
    return f"\n{quoted(lines)}" if lines else ""


def _root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """As a file of root's."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
