"""Making another system the one that a running machine runs: what that changes, sending it, turning over.

The machine turns over apart from our connection, and goes back by itself unless it is told, over a new
connection, that it can be reached: scripts/switch/turn.
"""

import hashlib
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from notos.errors import MachineError
from notos.formats import cpio
from notos.formats.tree import File, Tree
from notos.live.changes import Changes, System, between
from notos.live.ssh import LOST, Remote, problem
from notos.live.ssh_key import Address
from notos.live.status import Running, script, system
from notos.process import Ended
from notos.store import export
from notos.store.store import STORE, Store, StoreObject

IMPORT = "export PATH=/usr/sbin:/usr/bin; exec nix-store --import >/dev/null"
_MAKE_ROOM = "give it more vm.memory or a disk, or have it forget: nix-collect-garbage -d"


MOMENT = 2.0  # seconds after their start for which services are watched
_LOOK = 0.2  # seconds between two looks of scripts/switch/settle


@dataclass(frozen=True)
class Fallen:
    """A service that did not keep running after a switch."""

    name: str
    status: str  # its exit status; empty where its own `finish` does not keep it
    said: Sequence[str]  # the last lines of its log; none where it has no log

    def lines(self) -> Iterator[str]:
        """Yield the lines that report it to the user."""
        yield f"{self.name} does not stay up{f': exit status {self.status}' if self.status else ''}"
        yield from (f"| {line}" for line in self.said)
        if not self.said:
            yield f"its output is on the machine's console; `log: true` keeps it in /var/log/{self.name}"


@dataclass(frozen=True)
class Plan:
    """The steps of a switch."""

    old: System
    new: System
    changes: Changes
    send: Sequence[StoreObject]
    generation: int = 0  # its number, of one that is there; 0 for a new one

    @property
    def size(self) -> int:
        """Bytes to be sent."""
        return sum(each.nar_size for each in self.send)


def plan(
    remote: Remote,
    store: Store,
    now: Running,
    target: str,
    closure: Sequence[StoreObject] = (),
    *,
    generation: int = 0,
) -> Plan:
    """Return the plan that makes `target`, a toplevel with all that is in `closure`, the machine's system.

    Raises MachineError where it cannot be.
    """
    old, new = system(remote, store, now.system), system(remote, store, target)
    if not now.nix and "nix-daemon" in new.services:
        raise MachineError(
            f"{remote.address} has no Nix, whose database would not know the system",
            hint="boot the image instead: ./doit runvm",
        )
    send = [each for each in closure if each.path in now.lacks]
    size = sum(each.nar_size for each in send)
    if size > now.room:
        raise MachineError(
            f"{remote.address} has room for {now.room / 1e6:.1f} MB, and {size / 1e6:.1f} MB are to be sent",
            hint=_MAKE_ROOM,
        )
    return Plan(old, new, between(old, new, _replaced(remote, store, now, old, new)), send, generation)


def transfer(remote: Remote, store: Store, now: Running, objects: Sequence[StoreObject]) -> None:
    """Send `objects` to the machine's store. Raises MachineError, StoreError."""
    if not objects:
        return
    if now.nix:
        done = remote.call(IMPORT, export.pieces(store, objects))
    else:
        tree = Tree()
        for each in objects:
            tree.graft(each.base, store.tree(each))
        done = remote.call(script("receive"), cpio.pieces(tree))
    if not done.status:
        return
    size = sum(each.nar_size for each in objects) / 1e6
    if "No space left" in done.err:
        raise MachineError(
            f"{remote.address} ran out of room while {size:.1f} MB were sent; it runs what it ran",
            hint=_MAKE_ROOM,
        )
    if done.status == LOST:
        raise MachineError(
            f"{remote.address} went away while {size:.1f} MB were sent; it runs what it ran",
            hint="start it, and switch again",
        )
    raise problem(remote.address, done)


def turn(remote: Remote, todo: Plan, *, limit: int) -> list[str]:
    """Have the machine turn over; what it says. It goes back unless confirmed within `limit` seconds.

    Raises MachineError when it could not, and runs what it ran.
    """
    said = script(
        "turn",
        old=todo.old.path,
        new=todo.new.path,
        stop=todo.changes.stop,
        start=todo.changes.start,
        again=todo.changes.again,
        limit=limit,
        generation=todo.generation,
    )
    done = remote.call(script("apart"), [said.encode()])
    lines = [line for line in done.out.decode(errors="replace").splitlines() if line != "setting up /etc..."]
    if done.status == LOST:
        raise MachineError(
            f"{remote.address} went away in the middle of the switch",
            hint=f"if it still runs, it goes back by itself within {limit} s",
        )
    if done.status == 3:
        raise problem(remote.address, done)
    if done.status:
        why = "".join(lines[-1:]) or done.err.strip() or "it does not say why"
        raise MachineError(f"{remote.address} could not take the new system, and runs the old one: {why}")
    return lines


def confirm(anew: Remote, todo: Plan, *, limit: int, wait: Callable[[float], None] = time.sleep) -> int:
    """Tell the machine, by new connections, that it can be reached; the generation that it has now.

    Raises MachineError when that was not so within `limit` seconds: then it has gone back by itself.
    """
    until = time.monotonic() + limit
    done = Ended(LOST, b"", "")
    while time.monotonic() < until:
        done = anew.call(script("confirm"))
        if done.status != LOST:
            break
        wait(0.5)
    if not done.status:
        return int(done.out)
    error = problem(anew.address, done)
    why = error.message if done.status == LOST else "it was told too late, or has no room for a generation"
    raise MachineError(
        f"the switch was not confirmed within {limit} s, so the machine goes back by itself: {why}"
    )


def settle(remote: Remote, anew: Remote, todo: Plan, *, since: float) -> list[Fallen]:
    """Watch the services that the switch started until MOMENT after `since` (time.monotonic()).

    By the connection `remote`, or by `anew` if the switch has ended that one. Returns those that do not keep
    running. Raises MachineError.
    """
    if not todo.changes.start:
        return []
    moment = max(1, round((since + MOMENT - time.monotonic()) / _LOOK))
    text = script("settle", services=todo.changes.start, moment=moment)
    done = remote.call(text)
    said = anew.run(text) if done.status == LOST else done.out.decode(errors="replace")
    # Only newlines end a row: a log may have other characters that str.splitlines() takes for an end.
    rows = [row for row in (line.split(" ", 2) for line in said.split("\n")) if len(row) == 3]
    return [
        Fallen(name, status, [row[2] for row in rows if row[:2] == ["said", name]])
        for word, name, status in rows
        if word == "fallen"
    ]


def check_name(now: Running, name: str, address: Address) -> None:
    """Raise MachineError where the machine at `address` was made from a config of another name."""
    if now.name and now.name != name:
        raise MachineError(
            f"{address} is the machine {now.name}, and this config is {name}'s",
            hint="name its config (--config FILE), or add --force",
        )


def _replaced(remote: Remote, store: Store, now: Running, old: System, new: System) -> dict[str, list[str]]:
    """The files of /usr that services have in use and that the new system has otherwise, below /usr."""
    if old.usr == new.usr:
        return {}
    uses = {
        service: {path: f"{new.usr}/{_below(path)}" for path in paths} for service, paths in now.uses.items()
    }
    hashes = _hashes(
        remote, store, {each for pairs in uses.values() for pair in pairs.items() for each in pair}
    )
    return {
        service: [_below(path) for path, after in pairs.items() if hashes.get(path) != hashes.get(after)]
        for service, pairs in uses.items()
    }


def _below(path: str) -> str:
    """Of a path in the store, /nix/store/<hash>-<name>/…, what stands behind the object."""
    return path.removeprefix(f"{STORE}/").partition("/")[2]


def _hashes(remote: Remote, store: Store, paths: Iterable[str]) -> dict[str, str]:
    """The sha256 of each file that there is: of ours where we have the object, else of the machine's."""
    found, elsewhere = {}, []
    trees: dict[str, Tree] = {}
    for path in sorted(paths):
        base = path.removeprefix(f"{STORE}/").partition("/")[0]
        if not (store.root / base).is_dir():
            elsewhere.append(path)
            continue
        if base not in trees:
            trees[base] = Tree.from_directory(store.root / base)
        entry = trees[base].get(trees[base].resolve(_below(path)) or "")
        if isinstance(entry, File):
            found[path] = hashlib.sha256(entry.read()).hexdigest()
    if elsewhere:
        # What is not there it says on standard error, and by its status.
        said = remote.call(f"exec sha256sum {shlex.join(elsewhere)}").out.decode(errors="replace")
        found.update(
            (path, sha256) for sha256, _, path in (line.partition("  ") for line in said.splitlines())
        )
    return found
