"""The plan of a unit: the file `unit` of a service's folder, which run-unit follows.

Its lines have fields that are separated by tabs. The first field is a key. In a field, a backslash is
doubled, a tab is \\t and a line break is \\n. runit/run-unit has the list of keys.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from notos.features.model import Features, Keys, Unit
from notos.formats.tree import File, Tree

TIMERS = "units"  # the folder with a folder for each systemd timer, in that of the service for timers
COMMANDS = {
    "pre": "ExecStartPre",
    "start": "ExecStart",
    "post": "ExecStartPost",
    "reload": "ExecReload",
    "stop": "ExecStop",
    "stoppost": "ExecStopPost",
}
# Programs whose option -Z sets a context of SELinux, which no machine has; those of busybox refuse it.
_LABELLING = re.compile(r"(/usr)?/bin/(cp|install|ln|mkdir|mkfifo|mknod|mv)")
_ESCAPES = {"\\\\": "\\", "\\t": "\t", "\\n": "\n"}


class Line(NamedTuple):
    """A line of a plan."""

    key: str
    values: tuple[str, ...]


class Command(NamedTuple):
    """A command of a plan.

    key      of the unit: ExecStart
    flags    of - + ! :
    program  its absolute path
    words    its arguments, which may contain variables, with the name first
    """

    key: str
    flags: str
    program: str
    words: tuple[str, ...]


def lines(text: str) -> Iterator[Line]:
    """Yield the lines of a plan."""
    for line in text.split("\n"):
        if line:
            key, *values = (
                re.sub(r"\\[\\tn]", lambda found: _ESCAPES[found[0]], each) for each in line.split("\t")
            )
            yield Line(key, tuple(values))


def stop_order(plans: Mapping[str, str]) -> list[list[str]]:
    """Return the services that stop after others, in waves: the reverse of After=, as systemd stops them.

    `plans` has the plans of units by service. Services in none of the waves stop first, at the same time. The
    number of a wave is the length of the longest chain of services that come after. In a cycle, one of its
    dependencies counts for nothing.
    """
    after = {
        name: [each for key, values in lines(plan) if key == "after" for each in values]
        for name, plan in plans.items()
    }
    waits: dict[str, list[str]] = {}
    for name in sorted(after):
        for each in after[name]:
            waits.setdefault(each, []).append(name)
    waves = dict[str, int]()

    def wave(name: str, path: tuple[str, ...]) -> int:
        if name not in waves:
            others = [each for each in waits.get(name, ()) if each not in path]
            waves[name] = max((wave(each, (*path, name)) + 1 for each in others), default=0)
        return waves[name]

    for name in sorted(waits):
        wave(name, (name,))
    last = max(waves.values(), default=0)
    return [sorted(name for name in waves if waves[name] == number) for number in range(1, last + 1)]


def commands(text: str) -> Iterator[Command]:
    """Yield the commands of a plan, in its order."""
    for key, values in lines(text):
        if key in COMMANDS and len(values) > 1:
            yield Command(COMMANDS[key], values[0], values[1], values[2:])


def without_labels(text: str) -> str:
    """Return a plan whose commands set no contexts of SELinux."""
    kept = []
    for line in text.split("\n"):
        key, *fields = line.split("\t")
        is_labelling = key in COMMANDS and len(fields) > 1 and _LABELLING.fullmatch(fields[1])
        words = (key, *(each for each in fields if each != "-Z"))
        kept.append("\t".join(words) if is_labelling else line)
    return "\n".join(kept)


def places(features: Features) -> Iterator[tuple[Unit, Keys, str]]:
    """Yield the units of services and timers, each with its key in the config and the folder of its plan.

    The folder is below the runit object.
    """
    for service in features.services:
        if service.unit is not None:
            yield service.unit, service.keys, f"services/{service.name}"
        for timer in service.timers:
            yield timer.unit, timer.keys, f"services/{service.name}/{TIMERS}/{timer.name}.timer"


def at(runit: Tree, folder: str) -> str:
    """Return the plan in a folder of the runit object; "" if it has none."""
    entry = runit.get(f"{folder}/unit")
    return entry.read().decode("utf-8", "surrogateescape") if isinstance(entry, File) else ""
