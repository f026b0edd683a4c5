"""A running machine, reached by ssh: scripts are run in it, and bytes sent to it, over one connection.

What is to be run is a shell file of ours, rendered; what becomes of it is the caller's matter.
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

LOST = 255  # ssh's own status: there is no connection, or there is none any more
# Nobody is there to be asked for a password; a machine that hangs is given up after 15 s.
_QUIET = ("-o", "BatchMode=yes")
_LIMITS = ("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=2")


@dataclass(frozen=True)
class Remote:
    """A machine, and how to reach it: `words` and then a command run it there."""

    address: Address
    words: tuple[str, ...]

    def call(
        self, script: str, pieces: Iterable[bytes] = (), *, watch: Callable[[], None] | None = None
    ) -> Ended:
        """Run a script there, with `pieces` as its standard input. Status LOST: there is no connection.

        `watch` is called meanwhile, and what it raises ends the script's connection.
        """
        command = f"exec sh -c {shlex.quote(script)}"
        return pour([*self.words, command], pieces, env=_environment(), watch=watch)

    def alive(self) -> bool:
        """Whether the connection that connected() has made is still there: its status, too, may be LOST."""
        *words, host = self.words
        return pour([*words, "-O", "check", host], env=_environment()).status == 0

    def run(self, script: str, pieces: Iterable[bytes] = ()) -> str:
        """What a script prints there. Raises MachineError when it fails."""
        done = self.call(script, pieces)
        if done.status:
            raise problem(self.address, done)
        return done.out.decode(errors="replace")


def apart(cache: Cache, tools: ToolsTree, address: Address, *, seconds: int = 10) -> Remote:
    """The machine by a new connection for each script, which takes `seconds` at the most."""
    return Remote(
        address, tuple(login(cache, tools, address, *_QUIET, *_LIMITS, "-o", f"ConnectTimeout={seconds}"))
    )


@contextmanager
def connected(
    cache: Cache, tools: ToolsTree, address: Address, *, watch: Callable[[], None] | None = None
) -> Iterator[Remote]:
    """The machine by one connection for all scripts. Raises MachineError when there is none.

    `watch` is called while it is made; who watches gives up a machine that hangs by himself.
    """
    # In /tmp, for a socket's name is short (unix(7)).
    with tempfile.TemporaryDirectory(prefix="notos-", dir="/tmp") as folder:
        control = Path(folder, "control")
        said = Path(folder, "said")
        limits = () if watch else (*_LIMITS, "-o", "ConnectTimeout=10")
        master = login(cache, tools, address, *_QUIET, *limits, "-M", "-N", "-S", str(control))
        with meanwhile(master, said, env=_environment()) as process:
            while not control.exists():
                if watch:
                    watch()
                if process.poll() is not None:
                    raise problem(address, Ended(LOST, b"", said.read_text(errors="replace")))
                time.sleep(0.01)
            # Without the one connection nobody makes another.
            words = login(cache, tools, address, "-S", str(control), "-o", "ProxyCommand=false")
            yield Remote(address, tuple(words))


def problem(address: Address, done: Ended) -> MachineError:
    """What went wrong, in words: of the connection, or of what was run."""
    lines = [line for line in done.err.strip().splitlines() if line and not line.startswith("@@@")]
    last = lines[-1] if lines else ""
    if done.status != LOST:
        return MachineError(f"{address}: {last or f'exit status {done.status}'}")
    if "Host key verification failed" in done.err:
        return MachineError(
            f"{address} is not the machine it should be: its host key is another one",
            hint="stop what answers there; somebody else's machine has to be in ~/.ssh/known_hosts",
        )
    if "Permission denied" in done.err:
        return MachineError(
            f"{address} does not let root in by a key of yours",
            hint="start it by its runvm.sh, which hands yours over, or put one in ssh.authorized_keys",
        )
    return _silent(address, last)


def refused(address: Address) -> MachineError:
    """Return the error that no machine listens at `address`."""
    return _silent(address, "connection refused")


def _silent(address: Address, why: str) -> MachineError:
    return MachineError(
        f"{address} does not answer{f' ({why})' if why else ''}",
        hint="start the machine with ./result, or say which it is: --host NAME --port NUMBER",
    )


def _environment() -> dict[str, str]:
    """A user's agent may have his keys."""
    agent = os.environ.get("SSH_AUTH_SOCK")
    return {"PATH": "/nonexistent", "LC_ALL": "C", **({"SSH_AUTH_SOCK": agent} if agent else {})}
