"""Connections to a running machine by ssh: run scripts in it and send bytes to it, over one connection.

The scripts are rendered shell files of Notos; callers interpret their output.
"""

import os
import shlex
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from notos.cache import Cache
from notos.errors import MachineError
from notos.live.ssh_key import Address, login
from notos.process import Ended, meanwhile, pour
from notos.toolchain.tools_tree import ToolsTree

LOST = 255  # ssh's exit status if it cannot connect or the connection is lost
# Never prompt for a password; give up a machine that does not answer for 15 s.
_QUIET = ("-o", "BatchMode=yes")
_LIMITS = ("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=2")


@dataclass(frozen=True)
class Remote:
    """A machine and the ssh command line to reach it: `words`, to which a remote command is appended."""

    address: Address
    words: tuple[str, ...]

    def call(
        self, script: str, pieces: Iterable[bytes] = (), *, watch: Callable[[], None] | None = None
    ) -> Ended:
        """Run a script in the machine, with `pieces` as its standard input. Status LOST means no connection.

        `watch` is called while the script runs; an exception from it ends the script's connection.
        """
        command = f"exec sh -c {shlex.quote(script)}"
        return pour([*self.words, command], pieces, env=_environment(), watch=watch)

    def alive(self) -> bool:
        """Return True if the connection made by connected() still works.

        It distinguishes a lost connection from a script that ended with status LOST itself.
        """
        *words, host = self.words
        return pour([*words, "-O", "check", host], env=_environment()).status == 0

    def run(self, script: str, pieces: Iterable[bytes] = ()) -> str:
        """Run a script in the machine; return its output. Raises MachineError if it fails."""
        done = self.call(script, pieces)
        if done.status:
            raise problem(self.address, done)
        return done.out.decode(errors="replace")


def apart(cache: Cache, tools: ToolsTree, address: Address, *, seconds: int = 10) -> Remote:
    """Return the machine with a new connection for each script and a connection timeout of `seconds`."""
    return Remote(
        address, tuple(login(cache, tools, address, *_QUIET, *_LIMITS, "-o", f"ConnectTimeout={seconds}"))
    )


@contextmanager
def connected(
    cache: Cache, tools: ToolsTree, address: Address, *, watch: Callable[[], None] | None = None
) -> Iterator[Remote]:
    """Connect to the machine; all scripts use this one connection. Raises MachineError if it fails.

    `watch` is called while connecting. It replaces the timeout: it must raise if the machine hangs.
    """
    # In /tmp: the path of a socket must be short (unix(7)).
    with tempfile.TemporaryDirectory(prefix="notos-", dir="/tmp") as folder:
        control = Path(folder, "control")
        log = Path(folder, "log")
        limits = () if watch else (*_LIMITS, "-o", "ConnectTimeout=10")
        master = login(cache, tools, address, *_QUIET, *limits, "-M", "-N", "-S", str(control))
        with meanwhile(master, log, env=_environment()) as process:
            while not control.exists():
                if watch:
                    watch()
                if process.poll() is not None:
                    raise problem(address, Ended(LOST, b"", log.read_text(errors="replace")))
                time.sleep(0.01)
            # ProxyCommand=false: without the shared connection ssh would silently open a new one.
            words = login(cache, tools, address, "-S", str(control), "-o", "ProxyCommand=false")
            yield Remote(address, tuple(words))


def problem(address: Address, done: Ended) -> MachineError:
    """Return the error for a failed connection or a failed script."""
    lines = [line for line in done.err.strip().splitlines() if line and not line.startswith("@@@")]
    last = lines[-1] if lines else ""
    if done.status != LOST:
        return MachineError(f"{address}: {last or f'exit status {done.status}'}")
    if "Host key verification failed" in done.err:
        return MachineError(
            f"{address} is another machine: its host key does not match",
            hint="stop that machine; one of another user must be in ~/.ssh/known_hosts",
        )
    if "Permission denied" in done.err:
        return MachineError(
            f"{address} rejects your ssh keys for root",
            hint="start it with its runvm.sh, which passes your key, or add one to ssh.authorized_keys",
        )
    return _silent(address, last)


def refused(address: Address) -> MachineError:
    """Return the error for an `address` that no machine listens on."""
    return _silent(address, "connection refused")


def _silent(address: Address, why: str) -> MachineError:
    return MachineError(
        f"{address} does not answer{f' ({why})' if why else ''}",
        hint="start the machine with ./result, or give its address: --host NAME --port NUMBER",
    )


def _environment() -> dict[str, str]:
    """Return ssh's environment, with the user's agent if one runs: it may have the only key."""
    agent = os.environ.get("SSH_AUTH_SOCK")
    return {"PATH": "/nonexistent", "LC_ALL": "C", **({"SSH_AUTH_SOCK": agent} if agent else {})}
