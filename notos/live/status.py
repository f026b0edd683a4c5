"""What a running machine says of itself: its system, its room, the generations in its profile, what it lacks.

scripts/switch/look is what it is asked by.
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
    time: int  # seconds since 1970: when it came to be
    path: str

    @property
    def date(self) -> str:
        """When, by this host's clock."""
        return datetime.fromtimestamp(self.time).astimezone().strftime("%Y-%m-%d %H:%M:%S")


@dataclass(frozen=True)
class Running:
    """A machine at one moment."""

    system: str
    name: str  # of its config; empty where an earlier Notos made it
    booted: str
    room: int  # bytes, for store objects
    nix: bool
    lacks: Sequence[str]
    profile: str  # the name of the generation that it leads to
    generations: Sequence[Generation]
    uses: Mapping[str, Sequence[str]] = field(default_factory=dict)  # files of /usr by service

    def generation(self, number: int) -> Generation:
        """The one with this number. Raises MachineError."""
        for each in self.generations:
            if each.number == number:
                return each
        known = ", ".join(str(each.number) for each in self.generations) or "none"
        raise MachineError(f"there is no generation {number}", hint=f"there are {known}: ./doit generations")

    def number(self, path: str) -> int:
        """The newest generation that is this system; 0 if none is."""
        found = [each.number for each in self.generations if each.path == path]
        led_to = [number for number in found if self.profile == f"system-{number}-link"]
        return max(led_to or found, default=0)


def script(name: str, **values: template.Value) -> str:
    """A script of scripts/switch with its values. Raises ScriptError."""
    path = f"{SCRIPTS}/{name}"
    return template.render(Path(own(path)).read_text(), values, name=path)


def look(remote: Remote, paths: Iterable[str] = (), usr: str = "") -> Running:
    """Ask the machine; which of `paths` it lacks, and what of /usr is in use if it is to be `usr`.

    Raises MachineError.
    """
    rows = [
        line.partition(" ")[::2]
        for line in remote.run(script("look", paths=list(paths), usr=usr)).splitlines()
    ]
    said = dict(rows)
    if "trouble" in said:
        raise MachineError(f"{remote.address}: its Nix cannot say what it has: {said['trouble']}")
    if "pending" in said:
        raise MachineError(
            f"{remote.address}: another switch is under way there", hint="wait until it has ended"
        )
    if said.get("store") == "unknown":
        raise MachineError(
            f"{remote.address}: its Nix does not know the system that runs",
            hint="is its daemon down? ./doit ssh 'sv start nix-daemon; sv status nix-daemon'",
        )
    uses: dict[str, list[str]] = {}
    for name, text in rows:
        if name == "uses":
            service, _, path = text.partition(" ")
            uses.setdefault(service, []).append(path)
    try:
        return Running(
            system=said["system"],
            name=said.get("name", ""),
            booted=said["booted"],
            room=int(said["room"]),
            nix=said["store"] == "nix",
            lacks=[text for name, text in rows if name == "lacks"],
            profile=said["profile"],
            generations=sorted(
                filter(None, (_generation(text) for name, text in rows if name == "generation")),
                key=lambda each: each.number,
            ),
            uses=uses,
        )
    except (KeyError, ValueError, IndexError) as error:
        raise MachineError(f"{remote.address} is no machine of Notos: it does not say its {error}") from error


def system(remote: Remote, store: Store, path: str) -> System:
    """The system at a store path: from our store, else from the machine. Raises MachineError."""
    toplevel = _tree(remote, store, path)
    runit = link(toplevel, "etc/runit/services").removesuffix("/services")
    if not runit.startswith(f"{STORE}/"):
        raise MachineError(f"{remote.address}: {path} is no toplevel of Notos")
    return System(path, toplevel, _tree(remote, store, runit))


def _generation(text: str) -> Generation | None:
    """A line of stat: seconds, 'LINK' -> 'TARGET'; None for another profile's."""
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
        raise MachineError(f"{remote.address}: {path} is not in its store any more")
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
