"""First states: the work of maintainer scripts that a machine does at boot, once.

Some results cannot be in an image, because they are random, secret, or depend on the running machine. Each
file runit/first-states/PACKAGE is the shell that makes them; it is part of a machine that has the package.
runit/first-state runs it. Its lines

    # does SCRIPT of PACKAGE: COMMAND …

name the commands of maintainer scripts whose work it does. PACKAGE is a pattern; * stands for all commands
of the script, and ? for commands whose name is known only when the script runs. Other commands are still
reported (not_done.py). The order is dpkg's order of configuration; a line "# after: PACKAGE …" names others
that come first if the machine has them, and "# without: SERVICE" a service of Notos beside which the file is
not part of the machine.
"""

import fnmatch
import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path

from notos.debian import configure_order, deb
from notos.debian.unpack import Unpack
from notos.home import own
from notos.structs import dataclass

FOLDER = "first-states"  # below runit/ and in the runit object
RUNNER = "first-state"
WAITING = f"{FOLDER}/waiting"  # names of the services that wait for all first states
ALL = "*"
_UNKNOWN = "?"
_AFTER = "# after: "
_WITHOUT = "# without: "
_DOES = re.compile(r"# does (\w+) of (\S+): (.+)")


@dataclass(frozen=True)
class Claim:
    """Commands of a script whose work a first state does; `package` is a pattern."""

    script: str
    package: str
    commands: tuple[str, ...]

    def covers(self, package: str, script: str, command: str) -> bool:
        """Return True if the first state does the work of this command; ALL is a whole script."""
        return (
            script == self.script
            and fnmatch.fnmatchcase(package, self.package)
            and (ALL in self.commands or (command or _UNKNOWN) in self.commands)
        )


@dataclass(frozen=True)
class FirstState:
    """The comments of a first state's file.

    after    packages whose first states come before
    without  services beside which it is not needed
    """

    claims: tuple[Claim, ...]
    after: tuple[str, ...]
    without: tuple[str, ...]


def parse(text: str) -> FirstState:
    """Return the comments of the file of a first state."""
    found = (_DOES.fullmatch(line) for line in text.splitlines())
    claims = tuple(Claim(match[1], match[2], tuple(match[3].split())) for match in found if match)
    return FirstState(claims, _words(text, _AFTER), _words(text, _WITHOUT))


def _words(text: str, start: str) -> tuple[str, ...]:
    lines = (line.removeprefix(start) for line in text.splitlines() if line.startswith(start))
    return tuple(" ".join(lines).split())


@cache
def known() -> Mapping[str, FirstState]:
    """Return all first states by package."""
    folder = Path(own(f"runit/{FOLDER}"))
    return {path.name: parse(path.read_text()) for path in sorted(folder.iterdir())}


def does(installed: Iterable[str], package: str, script: str, command: str) -> bool:
    """Return True if the first state of an installed package does the work of a command."""
    present = set(installed)
    return any(
        each.covers(package, script, command)
        for name, state in known().items()
        if name in present
        for each in state.claims
    )


def ordered(debs: Iterable[Unpack], names: Iterable[str], services: Collection[str] = ()) -> list[str]:
    """Return the packages of `debs` that are among `names`, in the order in which dpkg configures them.

    A package of which the machine has only some files has no first state. `services` are those of Notos in
    the machine. Raises PackageError.
    """
    wanted = {name for name in names if not set(known()[name].without) & set(services)}
    found = {each.package: each.path for each in debs if each.package in wanted and not each.only}
    if len(found) < 2:
        return list(found)
    order = configure_order.order({name: deb.control(path) for name, path in found.items()})
    result: dict[str, None] = {}
    for name in order:
        result |= dict.fromkeys(each for each in (*known()[name].after, name) if each in found)
    return list(result)
