"""The services in the config."""

from collections.abc import Iterator

from notos.config.model import Machine, Package
from notos.config.package_lists import package_lists
from notos.config.reader import Checks
from notos.config.yaml_source import Node, Problem, key_place, place_of
from notos.features.model import Feature, Service
from notos.features.named import settled

KEYS = ("services",)


def feature(machine: Machine) -> Feature:
    """Return the services and their packages."""
    return Feature(
        packages=tuple(settled(each) for service in machine.services.values() for each in service.packages),
        services=tuple(
            Service(
                name=name,
                folder=service.source or "",
                run=service.run or "",
                log=service.log,
                reads=service.reads,
                keys=("services", name),
            )
            for name, service in machine.services.items()
        ),
    )


def _problems(machine: Machine, node: Node) -> Iterator[Problem]:
    yield from _packages(machine, node)
    yield from _logs(machine, node)


def _packages(machine: Machine, node: Node) -> Iterator[Problem]:
    """Yield packages that two keys list with different settings."""
    taken: dict[tuple[str, str], tuple[str, Package]] = {}
    for keys, packages, part in package_lists(machine):
        if part == "script":
            continue
        where = ".".join(keys)
        for package in packages:
            first, other = taken.setdefault((part, package.name), (where, settled(package)))
            if settled(package) != other:
                message = f"{where} has {package.name} with other settings than {first}"
                yield Problem(message, place_of(node, *keys))


def _logs(machine: Machine, node: Node) -> Iterator[Problem]:
    """Yield services called NAME.log beside a service NAME: runsv keeps the state of NAME's log there."""
    for name in machine.services:
        owner = name.removesuffix(".log")
        if owner != name and owner in machine.services:
            place = key_place(node, "services", name)
            first = key_place(node, "services", owner).seen_from(place)
            message = f"the service {name} has the name of the log of {owner}, {first}; rename it"
            yield Problem(message, place)


CHECKS: Checks = {Machine: _problems}
