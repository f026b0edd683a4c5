"""The state of a running machine: its system, its free space, its generations, the objects that it lacks.

scripts/switch/look collects it in the machine.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from notos.errors import MachineError
from notos.formats import tar
from notos.formats.tree import File, Tree
from notos.home import own
from notos.live.changes import System, link
from notos.live.ssh import Remote
from notos.store.store import STORE, Store
from notos.system import template

SCRIPTS = "scripts/switch"


@dataclass(frozen=True)
class Generation:
    """A system in the machine's profile."""

    number: int
    time: int  # of its creation, in seconds since 1970
    path: str

    @property
    def date(self) -> str:
        """The time of its creation, in this host's time zone."""
        return datetime.fromtimestamp(self.time).astimezone().strftime("%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True)
class Running:
    """The state of a machine at one moment."""

    system: str
    name: str  # of its config; empty if an earlier Notos made it
    booted: str
    room: int  # bytes, for store objects
    nix: bool
    lacks: Sequence[str]
    profile: str  # the name of the profile's current generation
    generations: Sequence[Generation]
    uses: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By service, the store paths of open files of /usr and /opt; with a final slash, its current folder."""

    def generation(self, number: int) -> Generation:
        """Return the generation with this number. Raises MachineError if there is none."""
        for each in self.generations:
            if each.number == number:
                return each
        known = ", ".join(str(each.number) for each in self.generations) or "none"
        raise MachineError(
            f"generation {number} does not exist", hint=f"existing ones: {known} (./doit generations)"
        )

    def number(self, path: str) -> int:
        """Return the current generation if it is this system, else the newest one that is; 0 if none."""
        found = [each.number for each in self.generations if each.path == path]
        current = [number for number in found if self.profile == f"system-{number}-link"]
        return max(current or found, default=0)


def script(name: str, **values: template.Value) -> str:
    """Return a script of scripts/switch with its values filled in. Raises ScriptError."""
    path = f"{SCRIPTS}/{name}"
    return template.render(Path(own(path)).read_text(), values, name=path)


def look(remote: Remote, paths: Iterable[str] = (), usr: str = "", opt: str = "") -> Running:
    """Return the state of the machine, with those of `paths` that it lacks. Raises MachineError.

    If its /usr is not `usr`, or its /opt not `opt`, the state has the files of both that services use.
    """
    rows = [
        line.partition(" ")[::2]
        for line in remote.run(script("look", paths=list(paths), usr=usr, opt=opt)).splitlines()
    ]
    values = dict(rows)
    if "trouble" in values:
        raise MachineError(f"{remote.address}: its Nix cannot list its store: {values['trouble']}")
    if not values.get("system", "").startswith(f"{STORE}/"):
        raise MachineError(f"{remote.address} is not a Notos machine: no /run/current-system")
    if "pending" in values:
        raise MachineError(
            f"{remote.address}: another switch is in progress", hint="wait until it has finished"
        )
    if values.get("store") == "unknown":
        raise MachineError(
            f"{remote.address}: the running system is not in its Nix database",
            hint="is its daemon down? ./doit ssh 'sv start nix-daemon; sv status nix-daemon'",
        )
    uses: dict[str, list[str]] = {}
    for name, text in rows:
        if name == "uses":
            service, _, path = text.partition(" ")
            uses.setdefault(service, []).append(path)
    try:
        return Running(
            system=values["system"],
            name=values.get("name", ""),
            booted=values["booted"],
            room=int(values["room"]),
            nix=values["store"] == "nix",
            lacks=[text for name, text in rows if name == "lacks"],
            profile=values["profile"],
            generations=sorted(
                filter(None, (_generation(text) for name, text in rows if name == "generation")),
                key=lambda each: each.number,
            ),
            uses=uses,
        )
    except (KeyError, ValueError, IndexError) as error:
        message = f"{remote.address} is not a Notos machine: its state is incomplete ({error})"
        raise MachineError(message) from error


def system(remote: Remote, store: Store, path: str) -> System:
    """Return the system at a store path, read from the local store or else from the machine.

    Raises MachineError.
    """
    toplevel = _tree(remote, store, path)
    runit = link(toplevel, "etc/runit/services").removesuffix("/services")
    if not runit.startswith(f"{STORE}/"):
        raise MachineError(f"{remote.address}: {path} is not a Notos toplevel")
    return System(
        path,
        toplevel,
        _tree(remote, store, runit),
        _state(remote, store, link(toplevel, "state")),
        _files(remote, store, toplevel),
    )


def _files(remote: Remote, store: Store, toplevel: Tree) -> Tree:
    """Return the tree of the object with files of /usr and /opt (system/usr.py); empty without one."""
    for name, top in (("opt", "opt"), ("sw", "usr")):
        path, _, last = link(toplevel, name).rpartition("/")
        if last == top:
            return _tree(remote, store, path)
    return Tree()


def _state(remote: Remote, store: Store, path: str) -> dict[str, str]:
    """Return the rows of the initial state at a store path, by their own paths; {} without a path."""
    if not path:
        return {}
    table = store.root / path.removeprefix(f"{STORE}/") / "table"
    data = table.read_bytes() if table.exists() else remote.call(f"exec cat {path}/table").out
    rows = (row.partition("\t") for row in data.decode(errors="replace").split("\n")[:-1])
    return {name: rest for name, _, rest in rows}


def _generation(text: str) -> Generation | None:
    """Return the generation in a line of stat (seconds, 'LINK' -> 'TARGET'); None for another profile's."""
    seconds, _, rest = text.partition(" ")
    name, _, target = rest.partition(" -> ")
    number = name.strip("'").rpartition("/")[2].split("-")[1]
    if not number.isdigit():
        return None
    return Generation(int(number), int(seconds), target.strip("'"))


def _tree(remote: Remote, store: Store, path: str) -> Tree:
    folder = store.root / path.removeprefix(f"{STORE}/")
    if folder.is_dir():
        return Tree.from_directory(folder)
    done = remote.call(f"exec tar -c -C {path} .")
    if done.status:
        raise MachineError(f"{remote.address}: {path} is no longer in its store")
    tree = Tree()
    reader = tar.Reader(iter([done.out]), "")
    for header in reader:
        name = tar.normal(header.name)
        if header.kind == b"2":
            tree.symlink(name, header.link)
        elif header.kind == b"5" and name:
            tree.directory(name)
        elif header.kind == b"0":
            tree.add(name, File(reader.read(), bool(header.mode & 0o100)))
    return tree
