"""The switch of a running machine to another system: plan the changes, send the objects, switch, confirm.

The machine switches independently of the connection and reverts by itself unless a new connection confirms
in time that it is still reachable (scripts/switch/turn).
"""

import hashlib
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from notos.errors import MachineError
from notos.formats import cpio, times
from notos.formats.tree import File, Symlink, Tree
from notos.live import changes
from notos.live.changes import Changes, System, between
from notos.live.ssh import LOST, Remote, problem
from notos.live.ssh_key import Address
from notos.live.status import Running, script, system
from notos.process import Ended
from notos.store import export
from notos.store.store import STORE, Store, StoreObject

_MAKE_ROOM = "give it more vm.memory or a disk, or delete old generations there: nix-collect-garbage -d"


MOMENT = 2.0  # seconds to watch services after their start
_LOOK = 0.2  # seconds between two checks of scripts/switch/settle
FIRST_STATES = 600  # seconds for the first states of packages, before the machine waits for a confirmation
_FEWEST = 6  # checks, also after a slow switch: a service that ends at once may run in a single one


@dataclass(frozen=True)
class FailedService:
    """A service that did not keep running after a switch."""

    name: str
    status: str  # its exit status, or the result of its unit; empty if its own `finish` does not record it
    log: Sequence[str]  # the last lines of its log; empty if it has none

    def lines(self) -> Iterator[str]:
        """Yield the lines of a report for the user."""
        status = f"exit status {self.status}" if self.status.lstrip("-").isdigit() else self.status
        yield f"{self.name} does not stay up{f': {status}' if status else ''}"
        yield from (f"| {line}" for line in self.log)
        if not self.log:
            yield f"its output is on the machine's console; `log: true` keeps it in /var/log/{self.name}"


@dataclass(frozen=True)
class Plan:
    """The steps of a switch."""

    old: System
    new: System
    changes: Changes
    send: Sequence[StoreObject]
    generation: int = 0  # the number of an existing generation; 0 for a new one

    @property
    def size(self) -> int:
        """The number of bytes to send."""
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
    """Return the plan for a switch to `target`, a toplevel whose closure is `closure`.

    Raises MachineError if the machine cannot switch to it.
    """
    old, new = system(remote, store, now.system), system(remote, store, target)
    if not now.nix and "nix-daemon" in new.services:
        raise MachineError(
            f"{remote.address}: a switch cannot add Nix, whose database would lack the system",
            hint="boot the image instead: ./doit runvm",
        )
    send = [each for each in closure if each.path in now.lacks]
    size = sum(each.nar_size for each in send)
    if size > now.room:
        raise MachineError(
            f"{remote.address} has {now.room / 1e6:.1f} MB free, but the switch needs {size / 1e6:.1f} MB",
            hint=_MAKE_ROOM,
        )
    return Plan(old, new, between(old, new, _replaced(remote, store, now, old, new)), send, generation)


def transfer(remote: Remote, store: Store, now: Running, objects: Sequence[StoreObject]) -> None:
    """Send `objects` to the machine's store. Raises MachineError, StoreError."""
    if not objects:
        return
    if now.nix:
        moments = [word for each in objects for word in (each.path, str(times.of_bytes(each.path.encode())))]
        done = remote.call(_private(script("import", times=moments)), export.pieces(store, objects))
    else:
        tree = Tree()
        for each in objects:
            tree.graft(each.base, store.tree(each))
        done = remote.call(_private(script("receive")), cpio.pieces(tree, timed=True))
    if not done.status:
        return
    size = sum(each.nar_size for each in objects) / 1e6
    if "No space left" in done.err:
        raise MachineError(
            f"{remote.address}: no space left in the transfer of {size:.1f} MB; the system is unchanged",
            hint=_MAKE_ROOM,
        )
    if done.status == LOST:
        raise MachineError(
            f"{remote.address}: connection lost in the transfer of {size:.1f} MB; the system is unchanged",
            hint="start the machine and switch again",
        )
    raise problem(remote.address, done)


def _private(text: str) -> str:
    """Return a command that runs a script in a private mount namespace, where it can make the store writable.

    See unshare(1).
    """
    return f"PATH=/usr/sbin:/usr/bin exec unshare -m sh -c {shlex.quote(text)}"


def turn(remote: Remote, todo: Plan, *, limit: int) -> list[str]:
    """Switch the machine; return its output lines. It reverts unless confirmed within `limit` seconds.

    First states of packages may take FIRST_STATES seconds before. Raises MachineError if the switch fails;
    the machine then still runs the old system.
    """
    text = script(
        "turn",
        old=todo.old.path,
        new=todo.new.path,
        stop=todo.changes.stop,
        start=todo.changes.start,
        again=todo.changes.again,
        limit=limit,
        generation=todo.generation,
        longest=FIRST_STATES,
    )
    done = remote.call(script("apart"), [text.encode()])
    lines = [line for line in done.out.decode(errors="replace").splitlines() if line != "setting up /etc..."]
    if done.status == LOST:
        raise MachineError(
            f"{remote.address}: connection lost during the switch",
            hint=f"if the machine still runs, it reverts by itself within {limit} s; "
            f"new packages with first states may need up to {FIRST_STATES} s before",
        )
    if done.status == 3:
        raise problem(remote.address, done)
    if done.status:
        why = "".join(lines[-1:]) or done.err.strip() or f"exit status {done.status}"
        raise MachineError(f"{remote.address}: the switch failed, the old system still runs: {why}")
    return lines


def confirm(anew: Remote, todo: Plan, *, limit: int, wait: Callable[[float], None] = time.sleep) -> int:
    """Confirm the switch over new connections; return the number of the machine's new generation.

    Raises MachineError if that fails within `limit` seconds: the machine then reverts by itself.
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
    why = error.message if done.status == LOST else "too late, or no space for another generation"
    raise MachineError(f"the switch was not confirmed within {limit} s, so the machine reverts: {why}")


def settle(remote: Remote, anew: Remote, todo: Plan, *, since: float) -> list[FailedService]:
    """Watch the services that the switch started until MOMENT after `since` (time.monotonic()).

    Use the connection `remote`, or `anew` if the switch ended that one. Return the services that do not keep
    running, by name. Raises MachineError.
    """
    if not todo.changes.start:
        return []
    moment = max(_FEWEST, round((since + MOMENT - time.monotonic()) / _LOOK))
    text = script("settle", services=todo.changes.start, moment=moment)
    done = remote.call(text)
    report = anew.run(text) if done.status == LOST else done.out.decode(errors="replace")
    # Split at newlines only: a log may have other characters at which str.splitlines() splits.
    rows = [row for row in (line.split(" ", 2) for line in report.split("\n")) if len(row) == 3]
    return [
        FailedService(name, status, [row[2] for row in rows if row[:2] == ["said", name]])
        for word, name, status in sorted(rows)
        if word == "fallen"
    ]


def check_name(now: Running, name: str, address: Address) -> None:
    """Raise MachineError if the machine at `address` was built from a config with another name."""
    if now.name and now.name != name:
        raise MachineError(
            f"{address} is the machine {now.name}, but this config is for {name}",
            hint="give the config of that machine (--config FILE), or add --force",
        )


def _replaced(remote: Remote, store: Store, now: Running, old: System, new: System) -> dict[str, list[str]]:
    """Return by service the files of /usr and /opt that it uses and that differ in the new system.

    These are open files, and the files in its current folder: it would not see the new ones there. The paths
    are those in the machine.
    """
    if (old.usr, old.opt) == (new.usr, new.opt):
        return {}
    uses = {
        service: {
            path: after
            for path in paths
            if not path.endswith("/") and (after := _in_system(new, path)) != path
        }
        for service, paths in now.uses.items()
    }
    hashes = _hashes(
        remote, store, {each for pairs in uses.values() for pair in pairs.items() for each in pair} - {""}
    )
    placed = changes.placed(old, new).names
    return {
        service: [
            *(_in_machine(path) for path, after in pairs.items() if hashes.get(path) != hashes.get(after)),
            *(path for path in placed if path.startswith(tuple(_folders(now.uses[service])))),
        ]
        for service, pairs in uses.items()
    }


def _folders(paths: Iterable[str]) -> list[str]:
    """Return the folders of `paths`, which end with a slash, as paths in the machine."""
    return [_in_machine(path) for path in paths if path.endswith("/")]


def _in_machine(path: str) -> str:
    """Return the path in /usr or /opt of a file of system-path, or of the object with files of the config."""
    base, _, below = path.removeprefix(f"{STORE}/").partition("/")
    return f"/usr/{below}" if base.endswith("-system-path") else f"/{below}"


def _in_system(new: System, path: str) -> str:
    """Return the store path that a file of /usr or /opt has in the system `new`; "" if it has no /opt."""
    _, top, below = _in_machine(path).split("/", 2)
    root = new.usr if top == "usr" else new.opt
    return f"{root}/{below}" if root else ""


def _hashes(remote: Remote, store: Store, paths: Iterable[str]) -> dict[str, str]:
    """Return the sha256 of each existing file, read from the local store or else from the machine."""
    found, remote_paths = {}, []
    trees: dict[str, Tree] = {}
    for path in sorted(paths):
        base = path.removeprefix(f"{STORE}/").partition("/")[0]
        if not (store.root / base).is_dir():
            remote_paths.append(path)
        elif file := _file(store, path, trees):
            found[path] = hashlib.sha256(file.read()).hexdigest()
    if remote_paths:
        # A missing file is no error: sha256sum reports it on standard error and in its status only.
        output = remote.call(f"exec sha256sum {shlex.join(remote_paths)}").out.decode(errors="replace")
        found.update(
            (path, sha256) for sha256, _, path in (line.partition("  ") for line in output.splitlines())
        )
    return found


def _file(store: Store, path: str, trees: dict[str, Tree]) -> File | None:
    """Return the file at a store path, through links to other objects; None if it does not exist.

    `trees` has the trees that were read before, by the names of their objects.
    """
    for _ in range(40):
        base, _, below = path.removeprefix(f"{STORE}/").partition("/")
        if base not in trees:
            if not (store.root / base).is_dir():
                return None
            trees[base] = Tree.from_directory(store.root / base)
        tree, parts = trees[base], below.split("/")
        for length in range(1, len(parts) + 1):
            entry = tree.get("/".join(parts[:length]))
            if isinstance(entry, Symlink) and entry.target.startswith(f"{STORE}/"):
                path = "/".join([entry.target, *parts[length:]])
                break
        else:
            entry = tree.get(tree.resolve(below) or "")
            return entry if isinstance(entry, File) else None
    return None
